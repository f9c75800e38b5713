// SPDX-License-Identifier: Apache-2.0
//
// How the activations are computed. All rest on 2^w for w <= 0 from one polynomial, kept as a mantissa and a power of two
// until the end, so that results that underflow lose accuracy only in their last rounding.
//
//   silu, gelu_tanh   x sigmoid(v). With t = e^-|v|: sigmoid(v) is 1 / (1 + t) for v >= 0, t / (1 + t) for v < 0.
//   gelu_erf          x Phi(x), Phi the normal distribution. Phi(-a) = e^(-a^2/2) R(a) for a >= 0; R falls slowly, like
//                     1/a, and R(a) (a + 2.5) is a polynomial in a / (a + 2.5). Phi(a) = 1 - Phi(-a).
//
// An error of w is multiplied by |w| in 2^w, up to 150: where w is a product, what rounding took from it is added to the
// fraction (one FMA gives the exact error of a product).
//
// The polynomials are minimax fits for relative error, found by Remez exchange in 40 digits; the coefficients were then
// rounded to f32 from the lowest degree on, the others fitted again after each. NaN goes through all steps; arguments
// beyond the point where the result is 0, x or 1 are clamped there, so that infinities need no care.
#include "templates/llvm/activations.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "templates/activation.h"

namespace lacuna {

using llvm::Value;

namespace {

// --- constants, all of them ---

// (2^r - 1) / r on [-1/2, 1/2]; error of 2^r 2.0e-9.
constexpr std::array kExp2 = {0x1.62e430p-1, 0x1.ebfbdcp-3,  0x1.c6aee8p-5,
                              0x1.3b2d4cp-7, 0x1.5f3e52p-10, 0x1.41fbbcp-13};
// R(a) (a + 2.5) in y = a / (a + 2.5), for a in [0, 14.6]; error 2.0e-8.
constexpr std::array kTail = {0x1.400000p+0, -0x1.3e4efcp+0, 0x1.5b63d0p-3, 0x1.2aa938p-2,
                              0x1.d53e76p-5, -0x1.3b5132p-3, 0x1.2bd0d8p-3, -0x1.4ae026p-2,
                              0x1.24b96cp-2, -0x1.4d735cp-4};
constexpr double kTailShift = 2.5;
// A number in two parts, the higher one an f32.
struct Parts {
  double high, low;
};
constexpr Parts kLog2E = {0x1.715476p+0, 0x1.4ae0c0p-26};
constexpr Parts kHalfLog2E = {0x1.715476p-1, 0x1.4ae0c0p-27};
// gelu_tanh: v log2(e) = x (linear + cubic x^2). The higher part of `linear` is a multiple of 2^-20, so that its
// difference with the sum, below 16, is exact.
constexpr Parts kGeluLinear = {0x1.26aec0p+1, 0x1.0de73ap-22};
constexpr Parts kGeluCubic = {0x1.a5a7d0p-4, -0x1.151aaep-29};
// v' = slope + cubic_slope x^2
constexpr double kGeluSlope = 0x1.988454p+0;
constexpr double kGeluCubicSlope = 0x1.b6676cp-3;
constexpr double kInvSqrt2Pi = 0x1.988454p-2;
// Beyond these, act(x) is 0 or x and act'(x) 0 or 1, to the last bit.
constexpr double kLeastSilu = 160, kLeastGeluTanh = 11.5, kLeastGeluErf = 14.6;
// Added to a small number, it rounds it to an integer, which then lies in the lowest bits.
constexpr double kRounder = 0x1.8p23;

// --- pieces ---

// Arithmetic on vectors, with constants from memory.
class Math {
 public:
  explicit Math(KernelBuilder& builder) : kb(builder) {}

  [[nodiscard]] Value* number(double value) { return constant(static_cast<float>(value)); }
  [[nodiscard]] Value* fma(Value* a, Value* b, Value* c) { return kb.fma(a, b, c); }
  [[nodiscard]] Value* multiply(Value* a, Value* b) { return kb.ir().CreateFMul(a, b); }
  [[nodiscard]] Value* add(Value* a, Value* b) { return kb.fadd(a, b); }
  [[nodiscard]] Value* subtract(Value* a, Value* b) { return kb.ir().CreateFSub(a, b); }
  [[nodiscard]] Value* negate(Value* a) { return kb.ir().CreateFNeg(a); }
  // |a| and -|a|
  [[nodiscard]] Value* magnitude(Value* a) {
    return on_bits(a, 0x7FFFFFFF, [&](Value* x, Value* y) { return kb.ir().CreateAnd(x, y); });
  }
  [[nodiscard]] Value* minus_magnitude(Value* a) {
    return on_bits(a, 0x80000000, [&](Value* x, Value* y) { return kb.ir().CreateOr(x, y); });
  }
  [[nodiscard]] Value* reciprocal(Value* a) { return kb.ir().CreateFDiv(number(1), a); }
  [[nodiscard]] Value* is_negative(Value* a) { return kb.ir().CreateFCmpOLT(a, kb.zero()); }
  [[nodiscard]] Value* select(Value* condition, Value* a, Value* b) {
    return kb.ir().CreateSelect(condition, a, b);
  }
  // a, held in [-limit, limit]; a NaN stays one.
  [[nodiscard]] Value* clamp(Value* a, double limit) {
    Value* const high = number(limit);
    Value* const low = number(-limit);
    Value* const below = select(kb.ir().CreateFCmpOGT(a, high), high, a);
    return select(kb.ir().CreateFCmpOLT(below, low), low, below);
  }
  template <std::size_t n>
  [[nodiscard]] Value* polynomial(const std::array<double, n>& coefficients, Value* x) {
    Value* sum = number(coefficients.back());
    for (std::size_t i = n - 1; i-- > 0;)
      sum = fma(sum, x, number(coefficients[i]));
    return sum;
  }

  [[nodiscard]] llvm::Type* integers() {
    return llvm::FixedVectorType::get(kb.ir().getInt32Ty(), static_cast<unsigned>(kb.lanes()));
  }

  KernelBuilder& kb;

 private:
  Value* constant(float value) {
    ConstantTable& table = kb.constants();
    if (constants_ == nullptr) constants_ = table.address(kb.ir());
    Value* const address = kb.at(constants_, table.offset_of(value));
    return table.is_scalar() ? kb.broadcast(address) : kb.load(address);
  }
  template <class F>
  Value* on_bits(Value* a, std::uint32_t bits, F&& operation) {
    auto& ir = kb.ir();
    Value* const other = ir.CreateBitCast(constant(std::bit_cast<float>(bits)), integers());
    return ir.CreateBitCast(operation(ir.CreateBitCast(a, integers()), other), a->getType());
  }
  Value* constants_ = nullptr;  // from the first use on
};

// mantissa * power[0] * power[1], the mantissa in [0.7, 1.5]; one power would not reach 2^-230.
struct Scaled {
  Value* mantissa = nullptr;
  std::array<Value*, 2> powers{};
  [[nodiscard]] Value* apply(Math& m, Value* factor) const {
    return m.multiply(m.multiply(factor, powers[0]), powers[1]);
  }
};

// 2^i for the integer i that was added to kRounder, as two powers of half of it.
std::array<Value*, 2> powers_of_two(Math& m, Value* shifted) {
  auto& ir = m.kb.ir();
  const auto lanes = static_cast<unsigned>(m.kb.lanes());
  const auto integer = [&](std::uint32_t i) { return ir.CreateVectorSplat(lanes, ir.getInt32(i)); };
  Value* const exponent = ir.CreateSub(ir.CreateBitCast(shifted, m.integers()),
                                       ir.CreateBitCast(m.number(kRounder), m.integers()));
  Value* const half = ir.CreateAShr(exponent, integer(1));
  constexpr std::uint32_t kMantissaBits = 23;
  // The exponent of 1, added as bits.
  Value* const one = ir.CreateBitCast(m.number(1), m.integers());
  const auto power = [&](Value* e) {
    Value* const bits = ir.CreateAdd(ir.CreateShl(e, integer(kMantissaBits)), one);
    return ir.CreateBitCast(bits, shifted->getType());
  };
  return {power(half), power(ir.CreateSub(exponent, half))};
}

// 2^w, -250 < w <= 0, where w = factor * multiplier + correction and the rounding of the product must not be felt.
Scaled exp2_of_product(Math& m, Value* factor, Value* multiplier, Value* correction) {
  Value* const shifted = m.fma(factor, multiplier, m.number(kRounder));
  Value* const whole = m.subtract(shifted, m.number(kRounder));
  Value* const fraction = m.add(m.fma(factor, multiplier, m.negate(whole)), correction);
  Value* const mantissa = m.fma(m.polynomial(kExp2, fraction), fraction, m.number(1));
  return {mantissa, powers_of_two(m, shifted)};
}

// --- x sigmoid(v) and its slope ---

// The parts of sigmoid(v): with t = e^-|v|.
struct Sigmoid {
  Value* negative = nullptr;  // v < 0
  Scaled exponential;         // t
  Value* t = nullptr;
  Value* reciprocal = nullptr;  // 1 / (1 + t)
};

Sigmoid make_sigmoid(Math& m, Value* v_sign, const Scaled& exponential) {
  Sigmoid s;
  s.negative = m.is_negative(v_sign);
  s.exponential = exponential;
  s.t = exponential.apply(m, exponential.mantissa);
  s.reciprocal = m.reciprocal(m.add(m.number(1), s.t));
  return s;
}

Value* times_sigmoid(Math& m, Value* x, const Sigmoid& s) {
  Value* const numerator = m.select(s.negative, m.multiply(x, s.exponential.mantissa), x);
  Value* const quotient = m.multiply(numerator, s.reciprocal);
  return m.select(s.negative, s.exponential.apply(m, quotient), quotient);
}

// sigmoid(v) (1 + w sigmoid(-v)): the slope of x sigmoid(v), with w = x v'.
Value* slope_of_sigmoid(Math& m, const Sigmoid& s, Value* w) {
  Value* const other_side = m.select(s.negative, m.number(1), s.t);
  Value* const grown = m.fma(m.multiply(w, s.reciprocal), other_side, m.number(1));
  Value* const side = m.select(s.negative, s.exponential.mantissa, m.number(1));
  Value* const product = m.multiply(m.multiply(side, s.reciprocal), grown);
  return m.select(s.negative, s.exponential.apply(m, product), product);
}

Sigmoid sigmoid_of_silu(Math& m, Value* x) {
  Value* const w = m.minus_magnitude(x);
  return make_sigmoid(
      m, x, exp2_of_product(m, w, m.number(kLog2E.high), m.multiply(w, m.number(kLog2E.low))));
}

Sigmoid sigmoid_of_gelu_tanh(Math& m, Value* x) {
  Value* const square = m.multiply(x, x);
  Value* const square_low = m.fma(x, x, m.negate(square));
  Value* const cubic = m.number(kGeluCubic.high);
  Value* const q = m.fma(cubic, square, m.number(kGeluLinear.high));
  // What is missing in q: its rounding, the low parts of the constants, and that of x^2.
  Value* low = m.fma(cubic, square, m.subtract(m.number(kGeluLinear.high), q));
  low = m.add(low, m.fma(m.number(kGeluCubic.low), square, m.number(kGeluLinear.low)));
  low = m.fma(cubic, square_low, low);
  Value* const w = m.minus_magnitude(x);
  return make_sigmoid(m, x, exp2_of_product(m, w, q, m.multiply(w, low)));
}

// --- the normal distribution ---

// Phi(-a) = exponential * ratio, for a in [0, 14.6].
struct NormalTail {
  Scaled exponential;      // e^(-a^2/2)
  Value* ratio = nullptr;  // R(a)
};

NormalTail normal_tail(Math& m, Value* a) {
  Value* const square = m.multiply(a, a);
  Value* const square_low = m.fma(a, a, m.negate(square));
  Value* const half = m.number(-kHalfLog2E.high);
  Value* const low = m.fma(square, m.number(-kHalfLog2E.low), m.multiply(square_low, half));
  NormalTail tail;
  tail.exponential = exp2_of_product(m, square, half, low);
  Value* const reciprocal = m.reciprocal(m.add(a, m.number(kTailShift)));
  Value* const y = m.multiply(a, reciprocal);
  tail.ratio = m.multiply(m.polynomial(kTail, y), reciprocal);
  return tail;
}

// --- the functions of the table ---

using Gradient = std::function<Value*()>;

Value* scaled_by(Math& m, const Gradient& gradient, Value* slope) {
  Value* const computed = m.kb.compute_first(slope);
  return m.multiply(gradient(), computed);
}

Value* relu(Math& m, Value* x) {
  return m.kb.max_zero(x);
}

Value* relu_slope(Math& m, Value* x, const Gradient& gradient) {
  Value* const off = m.kb.ir().CreateFCmpOLE(x, m.kb.zero());
  return m.select(off, m.kb.zero(), gradient());
}

Value* gelu_erf(Math& m, Value* x) {
  Value* const held = m.clamp(x, kLeastGeluErf);
  const NormalTail tail = normal_tail(m, m.magnitude(held));
  Value* const share = m.multiply(tail.exponential.mantissa, tail.ratio);
  Value* const below = tail.exponential.apply(m, m.multiply(held, share));
  Value* const above = m.multiply(x, m.subtract(m.number(1), tail.exponential.apply(m, share)));
  return m.select(m.is_negative(x), below, above);
}

Value* gelu_erf_slope(Math& m, Value* x, const Gradient& gradient) {
  Value* const a = m.magnitude(m.clamp(x, kLeastGeluErf));
  const NormalTail tail = normal_tail(m, a);
  // Phi(-a) - a phi(a)
  Value* const share =
      m.multiply(tail.exponential.mantissa, m.fma(m.number(-kInvSqrt2Pi), a, tail.ratio));
  Value* const below = tail.exponential.apply(m, share);
  Value* const slope = m.select(m.is_negative(x), below, m.subtract(m.number(1), below));
  return scaled_by(m, gradient, slope);
}

Value* gelu_tanh(Math& m, Value* x) {
  Value* const held = m.clamp(x, kLeastGeluTanh);
  Value* const kept = m.select(m.is_negative(x), held, x);
  return times_sigmoid(m, kept, sigmoid_of_gelu_tanh(m, held));
}

Value* gelu_tanh_slope(Math& m, Value* x, const Gradient& gradient) {
  Value* const held = m.clamp(x, kLeastGeluTanh);
  Value* const slope_of_v =
      m.fma(m.number(kGeluCubicSlope), m.multiply(held, held), m.number(kGeluSlope));
  Value* const w = m.multiply(held, slope_of_v);
  return scaled_by(m, gradient, slope_of_sigmoid(m, sigmoid_of_gelu_tanh(m, held), w));
}

Value* silu(Math& m, Value* x) {
  Value* const held = m.clamp(x, kLeastSilu);
  Value* const kept = m.select(m.is_negative(x), held, x);
  return times_sigmoid(m, kept, sigmoid_of_silu(m, held));
}

Value* silu_slope(Math& m, Value* x, const Gradient& gradient) {
  Value* const held = m.clamp(x, kLeastSilu);
  return scaled_by(m, gradient, slope_of_sigmoid(m, sigmoid_of_silu(m, held), held));
}

struct Bodies {
  Value* (*value)(Math&, Value*);
  Value* (*slope)(Math&, Value*, const Gradient&);
};

constexpr std::array kBodies = {
#define LACUNA_ACTIVATION(enumerator, name, slope, ulps, slope_ulps, work, slope_work) \
  Bodies{name, name##_slope},
#include "templates/activations.inc"
#undef LACUNA_ACTIVATION
};

}  // namespace

Value* apply_activation(KernelBuilder& kb, Activation activation, Value* x) {
  Math math(kb);
  return kBodies.at(static_cast<std::size_t>(activation) - 1).value(math, x);
}

Value* apply_slope(KernelBuilder& kb, Activation activation, Value* x,
                   const std::function<Value*()>& gradient) {
  Math math(kb);
  return kBodies.at(static_cast<std::size_t>(activation) - 1).slope(math, x, gradient);
}

}  // namespace lacuna
