// SPDX-License-Identifier: Apache-2.0
#include "tuner/verdict.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "tuner/measurer.h"

namespace lacuna {
namespace {

RaceEntry entry_of(double seconds, double ratio, RaceExit exit = RaceExit::kFinalist,
                   std::int32_t samples = 9) {
  return {.seconds = seconds, .ratio_to_winner = ratio, .samples = samples, .exit = exit};
}

TEST(RaceVerdict, SaysHowMuchSlower) {
  const RaceEntry winner = entry_of(1e-4, 1);
  EXPECT_EQ(race_verdict(entry_of(1.1e-4, 1.032), winner), "slower by 3.2 %");
  EXPECT_EQ(race_verdict(entry_of(2.4e-4, 2.4, RaceExit::kDroppedAfterOne, 1), winner),
            "slower by 140 %, dropped after 1 sample");
  EXPECT_EQ(race_verdict(entry_of(1e-4, 1.004), winner), "tie: within 0.5 %");
  EXPECT_EQ(race_verdict(entry_of(1.5e-4, 0), winner), "slower by 50 %");
  EXPECT_EQ(race_verdict(entry_of(0, 0, RaceExit::kNotMeasured, 0), winner),
            "not measured: out of time");
}

TEST(UnmeasuredVerdict, SaysWhyNot) {
  EXPECT_EQ(unmeasured_verdict(1.4e-4, 1e-4), "not measured: predicted 40 % slower");
  EXPECT_EQ(unmeasured_verdict(1.05e-4, 1e-4), "not measured: predicted 5.0 % slower");
  EXPECT_EQ(unmeasured_verdict(1e-4, 1e-4), "not measured: predicted equal, but others came first");
}

}  // namespace
}  // namespace lacuna
