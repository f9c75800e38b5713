// SPDX-License-Identifier: Apache-2.0
//
// Activation: the functions an epilogue can apply, from the table activations.inc, with their reference in double.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"

namespace lacuna {

enum class Activation : std::uint8_t {
  kNone,
#define LACUNA_ACTIVATION(enumerator, name, slope, ulps, slope_ulps, work, slope_work) enumerator,
#include "templates/activations.inc"
#undef LACUNA_ACTIVATION
};

template <>
struct EnumNames<Activation> {
  static constexpr std::array kNames = {
      std::pair{Activation::kNone, std::string_view("none")},
#define LACUNA_ACTIVATION(enumerator, name, slope, ulps, slope_ulps, work, slope_work) \
  std::pair{Activation::enumerator, std::string_view(#name)},
#include "templates/activations.inc"
#undef LACUNA_ACTIVATION
  };
};

// The reference: what the generated code is compared with. Accurate also where act(x) underflows in float.
namespace reference {

inline double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
// The distribution and the density of the standard normal.
inline double normal_below(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}
inline double normal_at(double x) {
  return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}
// gelu_tanh(x) = x sigmoid(gelu_argument(x))
inline constexpr double kGeluCubic = 0.044715;
inline double gelu_argument(double x) {
  return 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi * (x + kGeluCubic * x * x * x);
}

inline double relu(double x) {
  return x < 0 ? 0 : x;
}
inline double relu_slope(double x) {
  return x <= 0 ? 0 : 1;
}
// x times the probability that a normal variable is below x.
inline double gelu_erf(double x) {
  return x == -INFINITY ? -0.0 : x * normal_below(x);
}
inline double gelu_erf_slope(double x) {
  return std::isinf(x) ? normal_below(x) : normal_below(x) + x * normal_at(x);
}
inline double gelu_tanh(double x) {
  return x == -INFINITY ? -0.0 : x * sigmoid(gelu_argument(x));
}
inline double gelu_tanh_slope(double x) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  const double v = gelu_argument(x);
  const double slope_of_v =
      2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi * (1 + 3 * kGeluCubic * x * x);
  return sigmoid(v) * (1 + x * slope_of_v * sigmoid(-v));
}
inline double silu(double x) {
  return x == -INFINITY ? -0.0 : x * sigmoid(x);
}
inline double silu_slope(double x) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  return sigmoid(x) * (1 + x * sigmoid(-x));
}

}  // namespace reference

// A row of the table.
struct ActivationFacts {
  double (*value)(double);
  double (*slope)(double);
  double max_slope, ulps, slope_ulps;
  double work, slope_work;
};

// Of an activation that is not kNone.
[[nodiscard]] inline const ActivationFacts& facts_of(Activation activation) {
  static constexpr std::array kTable = {
#define LACUNA_ACTIVATION(enumerator, name, slope, ulps, slope_ulps, work, slope_work)     \
  ActivationFacts{reference::name, reference::name##_slope, slope, ulps, slope_ulps, work, \
                  slope_work},
#include "templates/activations.inc"
#undef LACUNA_ACTIVATION
  };
  return kTable.at(static_cast<std::size_t>(activation) - 1);
}

}  // namespace lacuna
