// SPDX-License-Identifier: Apache-2.0
#include "targets/base/bf16.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace lacuna {
namespace {

float rounded(float value) {
  return static_cast<float>(Bf16(value));
}

TEST(Bf16, EveryPatternComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    Bf16 x;
    x.bits = static_cast<std::uint16_t>(bits);
    const auto value = static_cast<float>(x);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(rounded(value)));
    else
      EXPECT_EQ(Bf16(value), x) << bits;
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(rounded(1.0F + 0x1p-8F), 1.0F);              // a tie: down to even
  EXPECT_EQ(rounded(1.0F + 0x1.8p-7F), 1.0F + 0x1p-6F);  // a tie: up to even
  EXPECT_EQ(rounded(1.0F + 0x1.02p-8F), 1.0F + 0x1p-7F);
  EXPECT_EQ(rounded(-1.0F - 0x1.02p-8F), -1.0F - 0x1p-7F);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
}

TEST(Bf16, ANanWithOnlyLowBitsStaysANan) {
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7F800001U))));
}

}  // namespace
}  // namespace lacuna
