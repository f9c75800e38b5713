// SPDX-License-Identifier: Apache-2.0
//
// The epilogue in double, with the error that generated code may make: what tests and measurements compare with.
#pragma once

#include <algorithm>
#include <cmath>

#include "targets/base/dtype.h"
#include "templates/activation.h"
#include "templates/epilogue.h"

namespace lacuna::reference {

// A number, and how far the float that stands for it may be off.
struct Bounded {
  double value = 0, error = 0;
};

// What the epilogue of one element reads; parts that it does not have are not looked at.
struct EpilogueTerms {
  double scale = 1, bias = 0, preactivation = 0, gate = 1, residual = 0;
  Bounded other_half = {1, 0};  // of glu: scale_and_bias() of the sum it multiplies by

  // The product of the scales of row and column is rounded to f32.
  void scale_by_column(float factor) { scale = static_cast<float>(scale) * factor; }
};

// Half the smallest denormal: what rounding costs at least where a result underflows.
inline constexpr double kHalfDenormal = 0x1p-150;

// act(z): an error of z is multiplied by the slope, and the table says what the function itself is off.
inline Bounded activate(Activation activation, const Bounded& z) {
  if (activation == Activation::kNone) return z;
  const ActivationFacts& facts = facts_of(activation);
  const double y = facts.value(z.value);
  const double own = facts.ulps * unit_roundoff(DType::kF32) * std::abs(y);
  return {y, facts.max_slope * z.error + own + (facts.ulps > 0 ? kHalfDenormal : 0)};
}

// z * act'(x), x exact.
inline Bounded times_slope(Activation activation, const Bounded& z, double x) {
  const ActivationFacts& facts = facts_of(activation);
  const double u = unit_roundoff(DType::kF32);
  const double slope = facts.slope(x);
  if (activation == Activation::kRelu && slope == 0) return {};  // of any z, see epilogue.h
  const double near = std::abs(slope) + std::min(1.0, std::abs(facts.value(x)));
  const double own = facts.slope_ulps > 0 ? facts.slope_ulps * u * near + kHalfDenormal : 0;
  const double y = z.value * slope;
  return {y, std::abs(slope) * z.error + (std::abs(z.value) + z.error) * own + u * std::abs(y)};
}

inline Bounded scale_and_bias(const Epilogue& epilogue, const Bounded& sum,
                              const EpilogueTerms& terms) {
  const double u = unit_roundoff(DType::kF32);
  Bounded z = sum;
  if (epilogue.scale != Scale::kNone) {
    z = {z.value * terms.scale, z.error * std::abs(terms.scale)};
    z.error += u * std::abs(z.value);
  }
  if (epilogue.bias) {
    z.value += terms.bias;
    z.error += u * std::abs(z.value);
  }
  return z;
}

// x * y, rounded.
inline Bounded times(const Bounded& x, const Bounded& y) {
  const double value = x.value * y.value;
  const double error =
      std::abs(x.value) * y.error + std::abs(y.value) * x.error + x.error * y.error;
  return {value, error + unit_roundoff(DType::kF32) * (std::abs(value) + error)};
}

// C, of type `result`, of one sum s. Each step adds its rounding to what the error of the step before has become; none is counted where a
// step is exact (a part that is not there, relu).
inline Bounded apply_epilogue(const Epilogue& epilogue, const Bounded& sum,
                              const EpilogueTerms& terms, DType result) {
  const double u = unit_roundoff(DType::kF32);
  Bounded y = scale_and_bias(epilogue, sum, terms);
  y = epilogue.derivative ? times_slope(epilogue.activation, y, terms.preactivation)
                          : activate(epilogue.activation, y);
  if (epilogue.glu) y = times(y, terms.other_half);
  if (epilogue.gate) {
    y = {y.value * terms.gate, y.error * std::abs(terms.gate)};
    y.error += u * std::abs(y.value);
  }
  if (epilogue.residual) {
    y.value += terms.residual;
    y.error += u * std::abs(y.value);
  }
  if (result == DType::kBf16) {
    // The conversion of AVX-512 makes zeros of denormal numbers, all below 2^-126.
    constexpr double kLeastNormal = 0x1p-126;
    y.error += unit_roundoff(result) * (std::abs(y.value) + y.error) + kLeastNormal;
  }
  return y;
}

// Whether small integers for every operand give a result without rounding.
inline bool is_exact_on_integers(const Epilogue& epilogue) {
  return epilogue.activation == Activation::kNone || facts_of(epilogue.activation).ulps == 0;
}

}  // namespace lacuna::reference
