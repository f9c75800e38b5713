// SPDX-License-Identifier: Apache-2.0
#include "tuner/measurer.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tuner/simulated_clock.h"
#include "tuner/counter_random.h"

namespace lacuna {
namespace {

TEST(CounterRandom, DependsOnSeedAndCounterOnly) {
  EXPECT_EQ(counter_bits(1, 2), counter_bits(1, 2));
  EXPECT_NE(counter_bits(1, 2), counter_bits(2, 1));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_LT(counter_below(7, i, 10), 10U);
    EXPECT_GE(counter_uniform(7, i), -1.0F);
    EXPECT_LT(counter_uniform(7, i), 1.0F);
  }
}

TEST(CounterRandom, CoversTheRangeEvenly) {
  std::vector<int> counts(8);
  for (std::uint64_t i = 0; i < 8000; ++i)
    ++counts[counter_below(3, i, 8)];
  for (const int count : counts)
    EXPECT_NEAR(count, 1000, 150);
}

TEST(MeasureInterleaved, GivesSecondsPerCall) {
  SimulatedMachine machine;
  MeasureOptions options;
  options.rounds = 5;
  const Samples samples =
      measure_interleaved(machine.clock, {machine.kernel(2e-6), machine.kernel(3e-3)}, options);
  ASSERT_EQ(samples.seconds.size(), 2U);
  EXPECT_EQ(samples.seconds[0].size(), 5U);
  EXPECT_EQ(samples.seconds[1].size(), 5U);
  EXPECT_NEAR(samples.minimum(0), 2e-6, 1e-12);
  EXPECT_NEAR(samples.minimum(1), 3e-3, 1e-9);
  EXPECT_NEAR(samples.paired_ratio(1, 0), 1500, 1e-3);
  EXPECT_FALSE(samples.interrupted);
}

TEST(MeasureInterleaved, RepeatsShortCallsUntilASampleIsLongEnough) {
  SimulatedMachine machine;
  MeasureOptions options;
  options.rounds = 1;
  options.sample_s = 100e-6;
  options.untimed_call = false;
  std::int64_t calls = 0;
  const TimedCall inner = machine.kernel(1e-6);
  const Samples samples = measure_interleaved(machine.clock, {[&] {
                                                ++calls;
                                                inner();
                                              }},
                                              options);
  EXPECT_NEAR(samples.minimum(0), 1e-6, 1e-12);
  EXPECT_GE(calls, 100);
  EXPECT_LE(calls, 400);  // warm-up of at most a few samples
}

TEST(MeasureInterleaved, CallsALongKernelOncePerSample) {
  SimulatedMachine machine;
  MeasureOptions options;
  options.rounds = 3;
  options.untimed_call = false;
  std::int64_t calls = 0;
  const TimedCall inner = machine.kernel(0.5);
  const Samples samples = measure_interleaved(machine.clock, {[&] {
                                                ++calls;
                                                inner();
                                              }},
                                              options);
  EXPECT_EQ(samples.seconds[0].size(), 3U);
  EXPECT_LE(calls, 5);  // three samples and the warm-up's two
}

TEST(MeasureInterleaved, StopsBeginningRoundsWhenTheBudgetIsSpent) {
  SimulatedMachine machine;
  MeasureOptions options;
  options.rounds = 1000;
  options.budget_s = 1.0;
  const Samples samples =
      measure_interleaved(machine.clock, {machine.kernel(0.01), machine.kernel(0.02)}, options);
  EXPECT_EQ(samples.seconds[0].size(), samples.seconds[1].size());
  EXPECT_GE(samples.seconds[0].size(), 5U);
  EXPECT_LT(samples.seconds[0].size(), 60U);
  EXPECT_LT(machine.clock.now_s(), 1.2);
}

TEST(MeasureInterleaved, StopFlagEndsAfterTheSampleInProgress) {
  SimulatedMachine machine;
  std::atomic<bool> stop{false};
  MeasureOptions options;
  options.stop = &stop;
  std::int64_t calls = 0;
  const TimedCall inner = machine.kernel(1e-3);
  const Samples samples = measure_interleaved(machine.clock, {[&] {
                                                inner();
                                                if (++calls == 12) stop = true;
                                              }},
                                              options);
  EXPECT_TRUE(samples.interrupted);
  EXPECT_LT(samples.seconds[0].size(), 9U);
  EXPECT_LE(calls, 14);
}

TEST(MeasureInterleaved, IsTheSameForTheSameSeed) {
  const auto run = [](std::uint64_t seed) {
    SimulatedMachine machine;
    machine.jitter = 0.3;
    MeasureOptions options;
    options.seed = seed;
    return measure_interleaved(machine.clock,
                               {machine.kernel(1e-4), machine.kernel(2e-4), machine.kernel(3e-4)},
                               options)
        .seconds;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(Samples, WithoutSamplesAreInfinitelySlowAndEqual) {
  Samples samples;
  samples.seconds.resize(2);
  EXPECT_EQ(samples.minimum(0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(samples.paired_ratio(0, 1), 1.0);
}

// Drift of 30 % over a time comparable to the run must not change the ratio of two kernels measured in turn.
TEST(Samples, PairedRatioSurvivesDrift) {
  SimulatedMachine machine;
  machine.drift = 0.3;
  machine.drift_period_s = 0.02;
  machine.jitter = 0.02;
  MeasureOptions options;
  options.rounds = 15;
  const Samples samples =
      measure_interleaved(machine.clock, {machine.kernel(100e-6), machine.kernel(110e-6)}, options);
  EXPECT_NEAR(samples.paired_ratio(1, 0), 1.1, 0.05);
}

// A yardstick of the same moment tells how much of the machine a kernel uses, whatever the clock rate is just then: the
// long candidate keeps the samples of one round far apart.
TEST(Samples, RatioToTheYardstickSurvivesDriftWithinARound) {
  SimulatedMachine machine;
  machine.drift = 0.3;
  machine.drift_period_s = 0.02;
  MeasureOptions options;
  options.rounds = 15;
  options.yardstick = machine.kernel(50e-6);
  const Samples samples =
      measure_interleaved(machine.clock, {machine.kernel(100e-6), machine.kernel(7e-3)}, options);
  EXPECT_NEAR(samples.ratio_to_yardstick(0), 0.5, 0.005);
  ASSERT_EQ(samples.yardstick_seconds[0].size(), 15U);
  EXPECT_GE(samples.yardstick_minimum(0), 50e-6);
  EXPECT_LT(samples.yardstick_minimum(0), 66e-6);
}

TEST(Samples, WithoutAYardstickAreNotComparedWithIt) {
  SimulatedMachine machine;
  const Samples samples = measure_interleaved(machine.clock, {machine.kernel(1e-3)}, {});
  EXPECT_EQ(samples.yardstick_minimum(0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(samples.ratio_to_yardstick(0), 1);
}

std::vector<TimedCall> kernels(SimulatedMachine& machine, const std::vector<double>& seconds) {
  std::vector<TimedCall> calls;
  for (const double s : seconds)
    calls.push_back(machine.kernel(s));
  return calls;
}

TEST(Race, FindsTheFastest) {
  SimulatedMachine machine;
  const RaceResult result =
      race(machine.clock, kernels(machine, {5e-4, 3e-4, 2e-4, 2.1e-4, 9e-4, 2.4e-4}), {});
  ASSERT_TRUE(result.measured());
  EXPECT_EQ(result.winner, 2U);
  EXPECT_NEAR(result.entries[2].seconds, 2e-4, 1e-9);
  EXPECT_NEAR(result.entries[3].ratio_to_winner, 1.05, 1e-6);
  EXPECT_FALSE(result.interrupted);
  EXPECT_FALSE(result.out_of_budget);
}

TEST(Race, DropsByTheRules) {
  SimulatedMachine machine;
  const RaceResult result =
      race(machine.clock,
           kernels(machine, {1e-4, 2.1e-4, 1.3e-4, 1.1e-4, 1.12e-4, 1.14e-4, 1.16e-4}), {});
  EXPECT_EQ(result.entries[0].exit, RaceExit::kFinalist);
  EXPECT_EQ(result.entries[1].exit, RaceExit::kDroppedAfterOne);
  EXPECT_EQ(result.entries[1].samples, 1);
  EXPECT_EQ(result.entries[2].exit, RaceExit::kDroppedAfterThree);
  EXPECT_EQ(result.entries[2].samples, 3);
  EXPECT_EQ(result.entries[6].exit, RaceExit::kHalved);
  EXPECT_EQ(result.entries[6].samples, 5);
  EXPECT_EQ(result.entries[0].samples, 5 + 9);  // and the confirmation
}

TEST(Race, ATieGoesToTheEarlierCandidate) {
  SimulatedMachine machine;
  const RaceResult result = race(machine.clock, kernels(machine, {1.003e-4, 1.0e-4, 1.002e-4}), {});
  EXPECT_EQ(result.winner, 0U);
}

// One lucky sample early in the race (a third of the real time) must not win: the confirmation decides.
TEST(Race, ALuckyEarlySampleDoesNotWin) {
  SimulatedMachine machine;
  std::int64_t calls = 0;
  const TimedCall honest = machine.kernel(1e-3);
  const std::vector<TimedCall> candidates = {[&] {
                                               const bool lucky =
                                                   ++calls <= 6;  // warm-up and the first sample
                                               machine.clock.advance(lucky ? 0.9e-3 : 2e-3);
                                             },
                                             honest};
  const RaceResult result = race(machine.clock, candidates, {});
  EXPECT_EQ(result.winner, 1U);
}

TEST(Race, KeepsTheBestSoFarWhenStopped) {
  SimulatedMachine machine;
  std::atomic<bool> stop{false};
  std::int64_t calls = 0;
  const TimedCall slow = machine.kernel(2e-3);
  const TimedCall quick = machine.kernel(1e-3);
  const std::vector<TimedCall> candidates = {slow, [&] {
                                               quick();
                                               if (++calls == 9) stop = true;
                                             }};
  RaceOptions options;
  options.measure.stop = &stop;
  const RaceResult result = race(machine.clock, candidates, options);
  EXPECT_TRUE(result.interrupted);
  ASSERT_TRUE(result.measured());
  EXPECT_EQ(result.winner, 1U);
}

TEST(Race, StoppedBeforeTheFirstSampleMeasuresNothing) {
  SimulatedMachine machine;
  const std::atomic<bool> stop{true};
  RaceOptions options;
  options.measure.stop = &stop;
  const RaceResult result = race(machine.clock, kernels(machine, {1e-4, 2e-4}), options);
  EXPECT_TRUE(result.interrupted);
  EXPECT_FALSE(result.measured());
  EXPECT_EQ(result.entries[0].exit, RaceExit::kNotMeasured);
}

TEST(Race, SaysWhenTheBudgetEndedIt) {
  SimulatedMachine machine;
  RaceOptions options;
  options.measure.budget_s = 0.5;
  const RaceResult result = race(machine.clock, kernels(machine, {0.1, 0.09, 0.11}), options);
  EXPECT_TRUE(result.out_of_budget);
  EXPECT_EQ(result.winner, 1U);
  EXPECT_GE(result.entries[1].samples, 1);
}

TEST(Race, OfOneOrNoneIsFine) {
  SimulatedMachine machine;
  EXPECT_TRUE(race(machine.clock, kernels(machine, {1e-4}), {}).measured());
  EXPECT_FALSE(race(machine.clock, {}, {}).measured());
}

// 2 % apart under 20 % jitter and drift: the statistic must be right almost always.
TEST(Race, RarelyErrsUnderNoise) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimulatedMachine machine;
    machine.jitter = 0.2;
    machine.drift = 0.2;
    machine.drift_period_s = 0.037;
    machine.seed = seed;
    RaceOptions options;
    options.measure.seed = seed;
    options.tie = 0;
    wrong += race(machine.clock, kernels(machine, {1.02e-4, 1.0e-4}), options).winner == 1 ? 0 : 1;
  }
  EXPECT_LE(wrong, 10);
}

// Two copies of one kernel tie: the earlier is chosen whatever the noise of the order.
TEST(Race, CopiesTie) {
  SimulatedMachine machine;
  const RaceResult result = race(machine.clock, kernels(machine, {1e-4, 1e-4, 1e-4, 1e-4}), {});
  EXPECT_EQ(result.winner, 0U);
}

}  // namespace
}  // namespace lacuna
