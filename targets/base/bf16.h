// SPDX-License-Identifier: Apache-2.0
//
// Bf16: the upper half of an f32, as memory holds it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace lacuna {

struct Bf16 {
  std::uint16_t bits = 0;

  Bf16() = default;
  // To nearest, ties to even; a NaN stays a NaN.
  explicit Bf16(float value) {
    const auto wide = std::bit_cast<std::uint32_t>(value);
    constexpr std::uint32_t kQuiet = 0x40;
    bits = static_cast<std::uint16_t>(
        std::isnan(value) ? (wide >> 16) | kQuiet : (wide + 0x7FFF + ((wide >> 16) & 1)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  bool operator==(const Bf16&) const = default;  // of bits
};

}  // namespace lacuna
