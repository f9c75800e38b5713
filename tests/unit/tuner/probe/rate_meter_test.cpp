// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/rate_meter.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "tests/unit/tuner/simulated_clock.h"
#include "tuner/probe/probe_machine.h"

namespace lacuna {
namespace {

RateTask steady_task(SimulatedClock& clock, std::string what, double seconds_per_step,
                     double work_per_step) {
  return {.what = std::move(what),
          .run =
              [&clock, seconds_per_step](std::int64_t steps) {
                clock.advance(seconds_per_step * static_cast<double>(steps));
              },
          .work_per_step = work_per_step};
}

TEST(RateMeter, ReportsWorkOverTime) {
  SimulatedClock clock;
  const std::vector<RateTask> tasks = {steady_task(clock, "fast", 1e-9, 4),
                                       steady_task(clock, "slow", 0.5, 1e9)};
  const auto rates = measure_rates(tasks, clock, {});
  ASSERT_TRUE(rates) << rates.error().message;
  EXPECT_NEAR(rates->at(0), 4.0, 1e-6);
  EXPECT_NEAR(rates->at(1), 2.0, 1e-6);
}

// Every second sample is three times slower: the best one counts.
TEST(RateMeter, DisturbedSamplesDoNotCount) {
  SimulatedClock clock;
  int calls = 0;
  const std::vector<RateTask> tasks = {{.what = "noisy",
                                        .run =
                                            [&](std::int64_t steps) {
                                              const bool disturbed = ++calls % 4 < 2;
                                              clock.advance((disturbed ? 3e-6 : 1e-6) *
                                                            static_cast<double>(steps));
                                            },
                                        .work_per_step = 1000}};
  const auto rates = measure_rates(tasks, clock, {});
  ASSERT_TRUE(rates);
  EXPECT_NEAR(rates->at(0), 1.0, 1e-6);
}

// A clock of coarse ticks makes short samples look infinitely fast; they must not win.
TEST(RateMeter, SamplesShorterThanTheClockDoNotCount) {
  SimulatedClock clock;
  double exact_s = 0;
  const std::vector<RateTask> tasks = {{.what = "ticks",
                                        .run =
                                            [&](std::int64_t steps) {
                                              exact_s += 1e-6 * static_cast<double>(steps);
                                              const double ticks = static_cast<double>(
                                                  static_cast<int>(exact_s / 1e-4));
                                              clock.advance(ticks * 1e-4 - clock.now_s());
                                            },
                                        .work_per_step = 1000}};
  const auto rates = measure_rates(tasks, clock, {});
  ASSERT_TRUE(rates);
  EXPECT_NEAR(rates->at(0), 1.0, 0.05);
}

TEST(RateMeter, SamplesAreLongEnoughAndWarmedUp) {
  SimulatedClock clock;
  std::vector<std::int64_t> steps_seen;
  const std::vector<RateTask> tasks = {{.what = "t",
                                        .run =
                                            [&](std::int64_t steps) {
                                              steps_seen.push_back(steps);
                                              clock.advance(1e-6 * static_cast<double>(steps));
                                            },
                                        .sample_scale = 2}};
  ASSERT_TRUE(measure_rates(tasks, clock, {.rounds = 3, .sample_s = 0.001}));
  const std::size_t last = steps_seen.size() - 1;
  EXPECT_GE(steps_seen[last], 2000);
  EXPECT_LT(steps_seen[last], 4000);
  EXPECT_EQ(steps_seen[last - 1], 1) << "each sample follows one untimed step";
}

TEST(RateMeter, TakesTheTasksInTurns) {
  SimulatedClock clock;
  std::vector<std::string> order;
  ProbeOptions options{.rounds = 3};
  options.progress = [&](double, std::string_view what) { order.emplace_back(what); };
  const std::vector<RateTask> tasks = {steady_task(clock, "a", 1, 1),
                                       steady_task(clock, "b", 1, 1)};
  options.budget_s = 1000;
  ASSERT_TRUE(measure_rates(tasks, clock, options));
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "a", "b", "a", "b", "done"}));
}

TEST(RateMeter, ProgressRisesToOne) {
  SimulatedClock clock;
  std::vector<double> fractions;
  ProbeOptions options;
  options.progress = [&](double fraction, std::string_view) { fractions.push_back(fraction); };
  ASSERT_TRUE(measure_rates({steady_task(clock, "a", 1e-3, 1), steady_task(clock, "b", 1e-3, 1)},
                            clock, options));
  EXPECT_EQ(fractions.front(), 0);
  EXPECT_EQ(fractions.back(), 1);
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
}

TEST(RateMeter, BudgetEndsTheRoundsButNotTheFirst) {
  SimulatedClock clock;
  const std::vector<RateTask> tasks = {steady_task(clock, "slow", 1, 1e9)};
  const auto rates = measure_rates(tasks, clock, {.rounds = 1000, .budget_s = 10});
  ASSERT_TRUE(rates);
  EXPECT_NEAR(rates->at(0), 1.0, 1e-9);
  EXPECT_LT(clock.now_s(), 15);
  SimulatedClock other;
  EXPECT_TRUE(measure_rates({steady_task(other, "slow", 1, 1e9)}, other, {.budget_s = 0}));
}

TEST(RateMeter, StopIsAnErrorWithinOneSample) {
  SimulatedClock clock;
  std::atomic<bool> stop{false};
  ProbeOptions options;
  options.stop = &stop;
  int announced = 0;
  options.progress = [&](double, std::string_view) { stop = ++announced == 3; };
  const std::vector<RateTask> tasks = {steady_task(clock, "a", 1e-3, 1),
                                       steady_task(clock, "b", 1e-3, 1)};
  const auto rates = measure_rates(tasks, clock, options);
  ASSERT_FALSE(rates);
  EXPECT_EQ(announced, 3);
  EXPECT_EQ(rates.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(rates.error().message, "the probe was stopped, nothing was kept");
}

TEST(RateMeter, ClockThatStandsStillIsAnError) {
  SimulatedClock clock;
  const std::vector<RateTask> tasks = {{.what = "nothing", .run = [](std::int64_t) {}}};
  const auto rates = measure_rates(tasks, clock, {});
  ASSERT_FALSE(rates);
  EXPECT_EQ(rates.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(rates.error().message,
            "nothing: 1099511627776 steps take less than 0.003 s by this clock");
}

}  // namespace
}  // namespace lacuna
