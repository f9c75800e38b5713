// SPDX-License-Identifier: Apache-2.0
//
// Epilogue: what happens to a sum before it is stored to C, composed of independent parts. With s the sum of products,
// plus what C held where the problem accumulates, each element of C becomes
//
//   z = scale * s + bias
//   y = act(z)                    or, with `derivative`,   y = z * act'(x)
//   C = y * gate + residual
//
// in this order, a part that is not there left out. scale is one factor, one for each row of C, one for each column, or
// the product of both, rounded to f32 (of int8: weights are scaled by rows, activations by columns, that is by tokens);
// bias is one for each row of C. x, gate and residual are dense operands of C's shape, type and layout, each with a leading dimension of its
// own; none may alias C. x is what the activation was applied to in the forward pass (of relu its result does as well:
// only the sign counts). So
//
//   bias_silu_gate          silu(A * B + bias) * up: the second half of SwiGLU
//   bias_gelu_erf_residual  h + gelu(A * B + bias)
//   dgelu_erf               (A^T * B) * gelu'(x): a gradient, brought back through the activation before it, in one pass
//
// SwiGLU is two products on one mask or two, up = A_up B and then silu(A_gate B) * up; there is no kernel that does both in
// one pass over B. One would take a single A, whose panels of r rows are r/2 rows of A_gate and then the same r/2 rows of
// A_up (the same number of panels, M a multiple of r, so that none is shifted back), and write r/2 rows of C for each:
// gate and up of an element are then sums of one register tile, r/2 rows apart, and meet on their way through the tile of
// sums (registry.h), where every strategy has them in memory.
//
// What is added before a derivative is what C held (accumulate), after it the residual.
// A NaN in z, gate or residual stays a NaN. One exception: relu' chooses, it does not multiply. Where x <= 0 the gradient
// is 0 whatever z is, a NaN or an infinity too, as PyTorch has it; relu' of a NaN x counts as 1.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"
#include "templates/activation.h"
#include "templates/element_types.h"

namespace lacuna {

enum class Scale : std::uint8_t { kNone, kFactor, kRows, kColumns, kRowsColumns };

template <>
struct EnumNames<Scale> {
  static constexpr std::array kNames = {
      std::pair{Scale::kNone, std::string_view("none")},
      std::pair{Scale::kFactor, std::string_view("scale")},
      std::pair{Scale::kRows, std::string_view("scale_rows")},
      std::pair{Scale::kColumns, std::string_view("scale_columns")},
      std::pair{Scale::kRowsColumns, std::string_view("scale_rows_columns")}};
};

[[nodiscard]] constexpr bool scales_columns(Scale scale) {
  return scale == Scale::kColumns || scale == Scale::kRowsColumns;
}
[[nodiscard]] constexpr bool scales_rows(Scale scale) {
  return scale == Scale::kRows || scale == Scale::kRowsColumns;
}
// Reads the operand of one factor or of one for each row.
[[nodiscard]] constexpr bool has_factors(Scale scale) {
  return scale == Scale::kFactor || scales_rows(scale);
}

struct Epilogue {
  Scale scale = Scale::kNone;
  bool bias = false;
  Activation activation = Activation::kNone;
  bool derivative = false;  // of the activation: multiply by act'(x)
  bool gate = false;
  bool residual = false;

  auto operator<=>(const Epilogue&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("scale", self.scale);
    visit("bias", self.bias);
    visit("activation", self.activation);
    visit("derivative", self.derivative);
    visit("gate", self.gate);
    visit("residual", self.residual);
  }

  [[nodiscard]] bool is_none() const { return *this == Epilogue{}; }
  // Reads dense operands beside the sum.
  [[nodiscard]] bool has_operands() const { return derivative || gate || residual; }

  // In JSON an epilogue is its text.
  [[nodiscard]] static Result<Epilogue> from_text(std::string_view text);
};

// "none", or the parts in their order, joined by '_': [scale|scale_rows|scale_columns|scale_rows_columns] [bias] [<activation>|d<activation>] [gate]
// [residual]. "bias_relu", "scale_rows_bias_gelu_tanh_gate_residual", "dsilu_gate".
[[nodiscard]] std::string to_text(const Epilogue& epilogue);
[[nodiscard]] Result<Epilogue> parse_epilogue(std::string_view text);
// Cuts the epilogue that `text` ends with, and the '_' before each part, off its end. Nothing there is none.
[[nodiscard]] Epilogue cut_epilogue(std::string_view& text);

// "relu, gelu_erf, ...": all activations but none.
[[nodiscard]] std::string activation_names();

// Errors: kInvalidArgument (an unknown enumerator; a derivative without an activation; one on results of s32, which are
// the sums).
[[nodiscard]] Result<> check_epilogue(const Epilogue& epilogue, ElementTypes types);

}  // namespace lacuna
