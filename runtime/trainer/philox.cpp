// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/philox.h"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

namespace lacuna::trainer {
namespace {

// The constants of the paper (table 2 and section 4.3): multipliers, and Weyl increments of the key.
constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

std::uint64_t join(std::uint32_t high, std::uint32_t low) {
  return (static_cast<std::uint64_t>(high) << 32U) | low;
}

// 53 random bits in [0, 1).
double unit_interval(std::uint64_t bits) {
  return static_cast<double>(bits >> 11U) * 0x1p-53;
}

}  // namespace

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32U) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32U) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

PhiloxCounter RandomStream::block(std::uint64_t index) const {
  return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32U),
                     static_cast<std::uint32_t>(use), part},
                    {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)});
}

std::uint32_t RandomStream::below(std::uint64_t index, std::uint32_t bound) const {
  const PhiloxCounter words = block(index);
  // The high 32 bits of the 96-bit product (64 random bits) * bound.
  const std::uint64_t low = (static_cast<std::uint64_t>(words[1]) * bound) >> 32U;
  const std::uint64_t high = static_cast<std::uint64_t>(words[0]) * bound;
  return static_cast<std::uint32_t>((high + low) >> 32U);
}

double RandomStream::normal(std::uint64_t index) const {
  const PhiloxCounter words = block(index);
  const double radius_uniform =
      1.0 - unit_interval(join(words[0], words[1]));  // in (0, 1]: log is finite
  const double angle_uniform = unit_interval(join(words[2], words[3]));
  return std::sqrt(-2.0 * std::log(radius_uniform)) *
         std::cos(2.0 * std::numbers::pi * angle_uniform);
}

std::vector<std::uint32_t> random_permutation(const RandomStream& stream, std::uint32_t count,
                                              std::uint64_t first) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  for (std::uint32_t i = count; i > 1; --i) {
    const std::uint32_t j = stream.below(first + (count - i), i);
    std::swap(order[i - 1], order[j]);
  }
  return order;
}

}  // namespace lacuna::trainer
