// SPDX-License-Identifier: Apache-2.0
//
// Buffers whose element type is known at run time.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "targets/base/bf16.h"
#include "targets/base/dtype.h"

namespace lacuna {

// Calls body with `data` as a pointer to elements of `type`: float*, Bf16*, ... (const where `data` is).
template <class Void, class Body>
  requires std::is_void_v<Void>
void with_elements(DType type, Void* data, Body&& body) {
  const auto as = [&]<class T>(std::type_identity<T>) {
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    std::forward<Body>(body)(static_cast<Element*>(data));
  };
  switch (type) {
    case DType::kF32:
      return as(std::type_identity<float>{});
    case DType::kBf16:
      return as(std::type_identity<Bf16>{});
    case DType::kS8:
      return as(std::type_identity<std::int8_t>{});
    case DType::kU8:
      return as(std::type_identity<std::uint8_t>{});
    case DType::kS32:
      return as(std::type_identity<std::int32_t>{});
  }
}

// The nearest element, ties to even; integers beyond the type's range become its ends, and a NaN 0.
template <class Element>
[[nodiscard]] Element nearest_element(float value) {
  if constexpr (std::is_integral_v<Element>) {
    using Limits = std::numeric_limits<Element>;
    if (std::isnan(value)) return 0;
    const float rounded = std::nearbyint(value);
    if (rounded <= static_cast<float>(Limits::min())) return Limits::min();
    if (rounded >= static_cast<float>(Limits::max())) return Limits::max();
    return static_cast<Element>(rounded);
  } else {
    return static_cast<Element>(value);
  }
}

}  // namespace lacuna
