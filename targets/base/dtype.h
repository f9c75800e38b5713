// SPDX-License-Identifier: Apache-2.0
//
// Element types. The table dtype.inc is the only list of them.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"

namespace lacuna {

enum class DType : std::uint8_t {
#define LACUNA_DTYPE(enumerator, name, bits, log2_roundoff) enumerator,
#include "targets/base/dtype.inc"
#undef LACUNA_DTYPE
};

template <>
struct EnumNames<DType> {
  static constexpr std::array kNames = {
#define LACUNA_DTYPE(enumerator, name, bits, log2_roundoff) \
  std::pair{DType::enumerator, std::string_view(#name)},
#include "targets/base/dtype.inc"
#undef LACUNA_DTYPE
  };
};

[[nodiscard]] constexpr int size_bytes(DType dtype) {
  constexpr std::array kBits = {
#define LACUNA_DTYPE(enumerator, name, bits, log2_roundoff) bits,
#include "targets/base/dtype.inc"
#undef LACUNA_DTYPE
  };
  return kBits[static_cast<std::size_t>(dtype)] / 8;
}

// Unit roundoff u (half the spacing of numbers at 1); 0 for integers, whose sums are exact.
[[nodiscard]] inline double unit_roundoff(DType dtype) {
  constexpr std::array kLog2 = {
#define LACUNA_DTYPE(enumerator, name, bits, log2_roundoff) log2_roundoff,
#include "targets/base/dtype.inc"
#undef LACUNA_DTYPE
  };
  const int log2_roundoff = kLog2[static_cast<std::size_t>(dtype)];
  return log2_roundoff == 0 ? 0.0 : std::ldexp(1.0, log2_roundoff);
}

}  // namespace lacuna
