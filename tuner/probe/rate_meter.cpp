// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/rate_meter.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "targets/base/result.h"
#include "tuner/clock.h"
#include "tuner/probe/probe_machine.h"

namespace lacuna {
namespace {

class RateMeter {
 public:
  RateMeter(const std::vector<RateTask>& tasks, Clock& clock, const ProbeOptions& options)
      : tasks_(tasks),
        clock_(clock),
        options_(options),
        steps_(tasks.size(), 1),
        best_(tasks.size(), 0) {}

  [[nodiscard]] Result<std::vector<double>> measure() {
    const std::int32_t rounds = std::max(1, options_.rounds);
    const double start_s = clock_.now_s();
    for (std::int32_t round = 0; round < rounds; ++round) {
      const double used = (clock_.now_s() - start_s) / std::max(options_.budget_s, 1e-9);
      if (round > 0 && used >= 1) break;
      for (std::size_t i = 0; i < tasks_.size(); ++i) {
        const double done =
            (round + static_cast<double>(i) / static_cast<double>(tasks_.size())) / rounds;
        LACUNA_TRY_VOID(announce(std::max(done, std::min(used, 1.0)), tasks_[i].what));
        if (round == 0) LACUNA_TRY_VOID(calibrate(i));
        take_sample(i);
      }
    }
    LACUNA_TRY_VOID(announce(1, "done"));
    return best_;
  }

 private:
  [[nodiscard]] Result<> announce(double fraction, std::string_view what) const {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed))
      return make_error(ErrorCode::kInterrupted, "the probe was stopped, nothing was kept");
    if (options_.progress) options_.progress(fraction, what);
    return {};
  }

  double take_sample(std::size_t i) {
    const RateTask& task = tasks_[i];
    task.run(1);
    const double begin_s = clock_.now_s();
    task.run(steps_[i]);
    const double seconds = clock_.now_s() - begin_s;
    const double work = task.work_per_step * static_cast<double>(steps_[i]);
    constexpr double kGiga = 1e9;
    if (seconds > 0) best_[i] = std::max(best_[i], work / seconds / kGiga);
    return seconds;
  }

  // Doubles the steps until a sample is long enough for the clock.
  [[nodiscard]] Result<> calibrate(std::size_t i) {
    constexpr std::int64_t kMaxSteps = std::int64_t{1} << 40;
    const double wanted_s = options_.sample_s * tasks_[i].sample_scale;
    while (take_sample(i) < wanted_s) {
      if (steps_[i] >= kMaxSteps)
        return make_error(ErrorCode::kUnsupported, "{}: {} steps take less than {} s by this clock",
                          tasks_[i].what, steps_[i], wanted_s);
      steps_[i] *= 2;
    }
    best_[i] = 0;  // samples too short for the clock count for nothing
    return {};
  }

  const std::vector<RateTask>& tasks_;
  Clock& clock_;
  const ProbeOptions& options_;
  std::vector<std::int64_t> steps_;
  std::vector<double> best_;
};

}  // namespace

Result<std::vector<double>> measure_rates(const std::vector<RateTask>& tasks, Clock& clock,
                                          const ProbeOptions& options) {
  return RateMeter(tasks, clock, options).measure();
}

}  // namespace lacuna
