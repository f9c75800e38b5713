// SPDX-License-Identifier: Apache-2.0
//
// Measurer: interleaved timing of callables, and races between them.
//
// Why interleaved: on a shared machine the speed drifts by tens of per cent within a second. Timing candidates one
// after the other and comparing means chose the wrong one of two kernels that differ by 1 % in about a third of the
// trials; running them in turn, in random order per round, and comparing minima did so in 0.5 % (9 samples each).
// Hence: the figure of a candidate is its minimum over the rounds, the comparison of two is the median of the ratios
// of samples of the same round, and nothing here computes a mean or a deviation.
// The clock is injected: the tests run on simulated time. Not thread-safe; measure from one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/base/fields.h"
#include "tuner/clock.h"

namespace lacuna {

// One call of the thing to be timed. Must not throw; repeated calls must do the same work.
using TimedCall = std::function<void()>;

struct MeasureOptions {
  double sample_s =
      100e-6;  // calls are repeated until one sample lasts this long (at least one call)
  std::int32_t rounds = 9;  // samples of each candidate
  double warm_up_s = 2e-3;  // at most, for each candidate: until two samples agree within 2 %
  // An untimed call before each sample puts the operands where repeated calls leave them: the others of the round have
  // just pushed them out of the inner caches.
  bool untimed_call = true;
  // Timed right before and right after every sample, if not empty. A rate of the machine that candidates are compared
  // with must be that of the same moment: under heavy vector code the clock rate changes within milliseconds.
  TimedCall yardstick;
  double budget_s =
      1e30;  // no new round begins after this long; the first round is always completed
  std::uint64_t seed = 1;                                // of the order within the rounds
  std::function<void(std::int32_t rounds)> after_round;  // told how many are complete; may be empty
  const std::atomic<bool>* stop =
      nullptr;  // when it turns true, measuring ends after the sample in progress
};

// Samples of several candidates, taken in turn. All rounds are complete except the last, when stopped.
struct Samples {
  std::vector<std::vector<double>> seconds;  // [candidate][round]: seconds for one call
  // [candidate][round]: the shorter of the yardstick's two calls around that sample; empty without one.
  std::vector<std::vector<double>> yardstick_seconds;
  bool interrupted = false;

  // Infinity for a candidate without samples.
  [[nodiscard]] double minimum(std::size_t candidate) const;
  // Median over the rounds of seconds[a] / seconds[b]; 1 without a common round.
  [[nodiscard]] double paired_ratio(std::size_t a, std::size_t b) const;
  // The yardstick's shortest call around the candidate's samples; infinity without one.
  [[nodiscard]] double yardstick_minimum(std::size_t candidate) const;
  // Median over the rounds of the yardstick's seconds / the candidate's; 1 without one.
  [[nodiscard]] double ratio_to_yardstick(std::size_t candidate) const;
};

// Every candidate in every round.
[[nodiscard]] Samples measure_interleaved(Clock& clock, const std::vector<TimedCall>& candidates,
                                          const MeasureOptions& options);

enum class RaceExit : std::uint8_t {
  kFinalist,
  kDroppedAfterOne,
  kDroppedAfterThree,
  kHalved,
  kNotMeasured
};

template <>
struct EnumNames<RaceExit> {
  static constexpr std::array kNames = {
      std::pair{RaceExit::kFinalist, std::string_view("finalist")},
      std::pair{RaceExit::kDroppedAfterOne, std::string_view("dropped after 1 sample")},
      std::pair{RaceExit::kDroppedAfterThree, std::string_view("dropped after 3 samples")},
      std::pair{RaceExit::kHalved, std::string_view("dropped in a halving round")},
      std::pair{RaceExit::kNotMeasured, std::string_view("not measured")}};
};

// A difference below this is a tie: the earlier candidate wins.
inline constexpr double kTie = 0.005;

struct RaceOptions {
  MeasureOptions measure;       // `rounds` counts the confirmation
  double drop_after_one = 2.0;  // times the best
  double drop_after_three = 1.25;
  std::size_t finalists = 3;
  double tie = kTie;
};

struct RaceEntry {
  double seconds = 0;  // interleaved minimum over all samples; 0 = not measured
  double ratio_to_winner =
      0;  // median of ratios of the same round, in the confirmation if it took part; 0 = none
  std::int32_t samples = 0;
  RaceExit exit = RaceExit::kNotMeasured;
};

struct RaceResult {
  std::vector<RaceEntry> entries;  // in the candidates' order
  std::size_t winner = 0;          // meaningful if any entry was measured
  bool interrupted = false;
  bool out_of_budget = false;  // decided before the confirmation was complete

  [[nodiscard]] bool measured() const {
    return winner < entries.size() && entries[winner].samples > 0;
  }
};

// Finds the fastest candidate: one round, drop those slower than 2x the best; two more, drop above 1.25x (each time
// only if a repeated sample agrees: the first may have been interrupted by another process); then halve
// every two rounds down to the finalists, and measure those afresh (a lucky early sample does not win).
// Put the candidates in the order of preference: ties go to the earlier. Whatever stops it, the result holds the best
// of what was measured.
[[nodiscard]] RaceResult race(Clock& clock, const std::vector<TimedCall>& candidates,
                              const RaceOptions& options);

}  // namespace lacuna
