// SPDX-License-Identifier: Apache-2.0
#include "tuner/measurer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "tuner/clock.h"
#include "tuner/counter_random.h"

namespace lacuna {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMaxBatch = 1 << 20;
constexpr double kWarmAgreement = 0.02;

double median(std::vector<double> values) {
  if (values.empty()) return 1.0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Median of a[i] / b[i] over the last `last` common samples.
double ratio_of(const std::vector<double>& a, const std::vector<double>& b, std::size_t last) {
  const std::size_t common = std::min({a.size(), b.size(), last});
  std::vector<double> ratios;
  ratios.reserve(common);
  for (std::size_t i = 1; i <= common; ++i) {
    const double denominator = b[b.size() - i];
    if (denominator > 0) ratios.push_back(a[a.size() - i] / denominator);
  }
  return median(std::move(ratios));
}

// Over the samples that both have, from the first on.
double ratio_of_first(const std::vector<double>& a, const std::vector<double>& b) {
  const std::size_t common = std::min(a.size(), b.size());
  const auto end = static_cast<std::ptrdiff_t>(common);
  return ratio_of({a.begin(), a.begin() + end}, {b.begin(), b.begin() + end}, common);
}

double minimum_of(const std::vector<double>& values) {
  return values.empty() ? kInfinity : *std::min_element(values.begin(), values.end());
}

// The state shared by measuring and racing: batch sizes, samples, round counter, limits.
class Session {
 public:
  Session(Clock& clock, const std::vector<TimedCall>& candidates, const MeasureOptions& options)
      : clock_(clock),
        candidates_(candidates),
        options_(options),
        start_s_(clock.now_s()),
        batches_(candidates.size(), 1) {
    samples_.seconds.resize(candidates.size());
    samples_.yardstick_seconds.resize(candidates.size());
  }

  // One sample of every candidate in `field`, in random order. False if stopped or out of budget before the end.
  bool round(const std::vector<std::size_t>& field) {
    if (rounds_ > 0 && exhausted()) return false;
    std::vector<std::size_t> order = field;
    for (std::size_t i = order.size(); i > 1; --i) {
      const auto j = counter_below(options_.seed, draws_++, static_cast<std::uint32_t>(i));
      std::swap(order[i - 1], order[j]);
    }
    for (const std::size_t candidate : order) {
      if (stopped()) return false;
      if (samples_.seconds[candidate].empty()) warm_up(candidate);
      add_sample(candidate);
    }
    ++rounds_;
    if (options_.after_round) options_.after_round(rounds_);
    return true;
  }

  // Repeats a candidate's last sample and keeps the shorter, with its own yardstick.
  void repeat_sample(std::size_t candidate) {
    const Sample again = sample(candidate);
    double& last = samples_.seconds[candidate].back();
    if (again.seconds >= last) return;
    last = again.seconds;
    if (options_.yardstick) samples_.yardstick_seconds[candidate].back() = again.yardstick_seconds;
  }

  [[nodiscard]] bool stopped() {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed))
      samples_.interrupted = true;
    return samples_.interrupted;
  }
  [[nodiscard]] bool exhausted() { return clock_.now_s() - start_s_ >= options_.budget_s; }
  [[nodiscard]] const Samples& samples() const { return samples_; }

 private:
  double time(const TimedCall& call, std::int64_t batch) {
    const double begin_s = clock_.now_s();
    for (std::int64_t i = 0; i < batch; ++i)
      call();
    return (clock_.now_s() - begin_s) / static_cast<double>(batch);
  }

  struct Sample {
    double seconds = 0;
    double yardstick_seconds = 0;  // the shorter of the calls before and after
  };
  Sample sample(std::size_t candidate) {
    const auto yardstick = [&] { return options_.yardstick ? time(options_.yardstick, 1) : 0; };
    if (options_.untimed_call) candidates_[candidate]();
    Sample taken;
    taken.yardstick_seconds = yardstick();
    taken.seconds = time(candidates_[candidate], batches_[candidate]);
    taken.yardstick_seconds = std::min(taken.yardstick_seconds, yardstick());
    return taken;
  }

  void add_sample(std::size_t candidate) {
    const Sample taken = sample(candidate);
    samples_.seconds[candidate].push_back(taken.seconds);
    if (options_.yardstick)
      samples_.yardstick_seconds[candidate].push_back(taken.yardstick_seconds);
  }

  // Grows the batch until a sample is long enough, then repeats until two samples agree.
  void warm_up(std::size_t candidate) {
    const double begin_s = clock_.now_s();
    candidates_[candidate]();  // the first call touches pages and instruction memory
    double previous = sample(candidate).seconds;
    calibrate(candidate, previous);
    while (clock_.now_s() - begin_s < options_.warm_up_s && !stopped()) {
      const double now = sample(candidate).seconds;
      const bool agree = std::abs(now - previous) <= kWarmAgreement * std::max(now, previous);
      previous = now;
      calibrate(candidate, now);
      if (agree) return;
    }
  }

  void calibrate(std::size_t candidate, double seconds_per_call) {
    const double wanted = seconds_per_call > 0 ? options_.sample_s / seconds_per_call : 16.0;
    const double clamped = std::clamp(std::ceil(wanted), 1.0, static_cast<double>(kMaxBatch));
    batches_[candidate] = static_cast<std::int64_t>(clamped);
  }

  Clock& clock_;
  const std::vector<TimedCall>& candidates_;
  const MeasureOptions& options_;
  double start_s_ = 0;
  std::vector<std::int64_t> batches_;
  std::uint64_t draws_ = 0;
  std::int32_t rounds_ = 0;
  Samples samples_;
};

// The candidates still in the race, best first.
class Race {
 public:
  Race(Clock& clock, const std::vector<TimedCall>& candidates, const RaceOptions& options)
      : options_(options),
        session_(clock, candidates, options.measure),
        exits_(candidates.size(), RaceExit::kFinalist) {
    field_.resize(candidates.size());
    std::iota(field_.begin(), field_.end(), std::size_t{0});
  }

  RaceResult run() {
    const std::size_t finalists = std::max<std::size_t>(1, options_.finalists);
    bool going = rounds(1);
    if (going) drop_slower_than(options_.drop_after_one, RaceExit::kDroppedAfterOne);
    if (going) going = field_.size() == 1 || rounds(2);
    if (going) drop_slower_than(options_.drop_after_three, RaceExit::kDroppedAfterThree);
    while (going && field_.size() > finalists) {
      going = rounds(2);
      if (going) keep_best(std::max(finalists, (field_.size() + 1) / 2));
    }
    const bool confirmed = going && rounds(options_.measure.rounds);
    return result(confirmed);
  }

 private:
  bool rounds(std::int32_t count) {
    for (std::int32_t i = 0; i < count; ++i)
      if (!session_.round(field_)) return false;
    return true;
  }

  [[nodiscard]] double minimum(std::size_t candidate) const {
    return session_.samples().minimum(candidate);
  }

  void drop_slower_than(double factor, RaceExit exit) {
    double best = kInfinity;
    for (const std::size_t candidate : field_)
      best = std::min(best, minimum(candidate));
    std::erase_if(field_, [&](std::size_t candidate) {
      if (minimum(candidate) <= factor * best) return false;
      // Another process may have interrupted that sample: only two in a row count.
      if (!session_.stopped()) session_.repeat_sample(candidate);
      if (minimum(candidate) <= factor * best) return false;
      exits_[candidate] = exit;
      return true;
    });
  }

  void keep_best(std::size_t count) {
    std::sort(field_.begin(), field_.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(minimum(a), a) < std::pair(minimum(b), b);
    });
    for (std::size_t i = count; i < field_.size(); ++i)
      exits_[field_[i]] = RaceExit::kHalved;
    field_.resize(std::min(count, field_.size()));
    std::sort(field_.begin(), field_.end());  // back to the order of preference
  }

  // Seconds that decide: the fresh samples of the confirmation if it was completed, else all.
  [[nodiscard]] double deciding(std::size_t candidate, bool confirmed) const {
    const auto& all = session_.samples().seconds[candidate];
    if (!confirmed) return minimum(candidate);
    const auto fresh = std::min(all.size(), static_cast<std::size_t>(options_.measure.rounds));
    return *std::min_element(all.end() - static_cast<std::ptrdiff_t>(fresh), all.end());
  }

  [[nodiscard]] std::size_t pick_winner(bool confirmed) const {
    double best = kInfinity;
    for (const std::size_t candidate : field_)
      if (!session_.samples().seconds[candidate].empty())
        best = std::min(best, deciding(candidate, confirmed));
    for (const std::size_t candidate : field_)
      if (!session_.samples().seconds[candidate].empty() &&
          deciding(candidate, confirmed) <= best * (1.0 + options_.tie))
        return candidate;
    return 0;
  }

  [[nodiscard]] RaceResult result(bool confirmed) {
    RaceResult result;
    result.interrupted = session_.stopped();
    result.out_of_budget = !confirmed && !result.interrupted;
    result.entries.resize(exits_.size());
    if (exits_.empty()) return result;
    result.winner = pick_winner(confirmed);
    const Samples& samples = session_.samples();
    for (std::size_t i = 0; i < exits_.size(); ++i) {
      RaceEntry& entry = result.entries[i];
      entry.samples = static_cast<std::int32_t>(samples.seconds[i].size());
      entry.exit = entry.samples == 0 ? RaceExit::kNotMeasured : exits_[i];
      if (entry.samples == 0) continue;
      entry.seconds = minimum(i);
      entry.ratio_to_winner = ratio_to(i, result.winner, confirmed);
    }
    return result;
  }

  // Dropped candidates share only the first rounds with the winner, finalists the last ones.
  [[nodiscard]] double ratio_to(std::size_t candidate, std::size_t winner, bool confirmed) const {
    const auto& own = session_.samples().seconds[candidate];
    const auto& best = session_.samples().seconds[winner];
    if (confirmed && exits_[candidate] == RaceExit::kFinalist)
      return ratio_of(own, best, static_cast<std::size_t>(options_.measure.rounds));
    return ratio_of_first(own, best);
  }

  const RaceOptions& options_;
  Session session_;
  std::vector<std::size_t> field_;
  std::vector<RaceExit> exits_;
};

}  // namespace

double Samples::minimum(std::size_t candidate) const {
  return minimum_of(seconds[candidate]);
}

double Samples::paired_ratio(std::size_t a, std::size_t b) const {
  return ratio_of_first(seconds[a], seconds[b]);
}

double Samples::yardstick_minimum(std::size_t candidate) const {
  return candidate < yardstick_seconds.size() ? minimum_of(yardstick_seconds[candidate])
                                              : kInfinity;
}

double Samples::ratio_to_yardstick(std::size_t candidate) const {
  return candidate < yardstick_seconds.size()
             ? ratio_of_first(yardstick_seconds[candidate], seconds[candidate])
             : 1;
}

Samples measure_interleaved(Clock& clock, const std::vector<TimedCall>& candidates,
                            const MeasureOptions& options) {
  Session session(clock, candidates, options);
  std::vector<std::size_t> field(candidates.size());
  std::iota(field.begin(), field.end(), std::size_t{0});
  for (std::int32_t i = 0; i < options.rounds; ++i)
    if (!session.round(field)) break;
  return session.samples();
}

RaceResult race(Clock& clock, const std::vector<TimedCall>& candidates,
                const RaceOptions& options) {
  return Race(clock, candidates, options).run();
}

}  // namespace lacuna
