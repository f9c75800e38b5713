// SPDX-License-Identifier: Apache-2.0
//
// Tuner: finds the fastest plan for a mask and its problems by prediction and measurement, and writes it down.
//
//   1. predict every legal (format, schedule) of every problem from exact block counts (predictor.h);
//   2. build the most promising as real ExecutablePlans; a kernel that does not compile, or whose result differs from
//      the reference (trial.h), is disqualified and reported, and the next best takes its place;
//   3. race them, interleaved (measurer.h). Problems that share A's values share a format: each of the best formats
//      first races its schedules problem by problem (heats), then the formats race with all problems in turn (final);
//   4. store a TuningRecord with the candidates, their times and verdicts.
// What is timed is what users run: ExecutablePlan::execute with the engine's threads, operands as hot as their size
// lets them be.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/record.h"
#include "targets/machine_profile.h"
#include "tuner/clock.h"

namespace lacuna {

// A record answers requests of its rigor and below.
enum class Rigor : std::uint8_t {
  kQuick,    // the 8 most promising candidates, 2 s
  kMeasure,  // four times as many, 10 s
};

template <>
struct EnumNames<Rigor> {
  static constexpr std::array kNames = {std::pair{Rigor::kQuick, std::string_view("quick")},
                                        std::pair{Rigor::kMeasure, std::string_view("measure")}};
};

struct TuneOptions {
  Rigor rigor = Rigor::kQuick;
  double budget_s = 0;  // building and measuring together; 0 = the rigor's
  std::size_t top_k =
      0;  // candidates measured (per problem, with several problems); 0 = the rigor's
  std::uint64_t seed = 1;
  const std::atomic<bool>* stop =
      nullptr;  // when it turns true, the best so far is the answer, and is stored
  // Called with the fraction done and what is being done; may be empty.
  std::function<void(double, std::string_view)> progress;
};

struct TuneOutcome {
  Plan plan;
  TuningRecord record;
  bool from_record = false;  // nothing was measured
  bool interrupted = false;  // by options.stop
  // Disqualified candidates, a record that could not be written: each a message worth showing.
  std::vector<std::string> warnings;
};

// Answers from the record if there is one of at least this rigor, else tunes and stores. `profile` may be null (the
// target's own rates then rank the candidates). request.target must be engine.target().
// Errors: kInvalidArgument (bad request), kCompile / kUnsupported (no candidate could be built: the first fault),
// kInterrupted (stopped before anything was measured). A record that cannot be written is a warning.
[[nodiscard]] Result<TuneOutcome> find_or_tune(Engine& engine, Clock& clock,
                                               const PlanRequest& request,
                                               const MachineProfile* profile,
                                               const TuneOptions& options);

// Tunes whatever the records say, and stores.
[[nodiscard]] Result<TuneOutcome> tune(Engine& engine, Clock& clock, const PlanRequest& request,
                                       const MachineProfile* profile, const TuneOptions& options);

// A Planner that measures: record hit, else tune and store. Install with engine.set_planner(). One request at a time
// is measured (others wait). The engine and the clock outlive it.
class MeasuringPlanner final : public Planner {
 public:
  MeasuringPlanner(Engine& engine, Clock& clock, TuneOptions options);
  ~MeasuringPlanner() override;
  [[nodiscard]] Result<Plan> plan(const PlanRequest& request) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lacuna
