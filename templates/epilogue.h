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
// With `glu` (spmm only, without gate and derivative) a layer of gated units is one product: A is A_gate with A_up below
// it, 2M rows, scale and bias are of these rows, and C has M,
//
//   C = act(z of row i) * (z of row M + i) + residual
//
//   bias_silu_glu           SwiGLU, silu(A_gate * B + bias_gate) * (A_up * B + bias_up), in one pass over B
//
// (gelu_erf_glu is GeGLU, relu_glu is ReGLU; of bf16 for blocks of pairs only.) A kernel takes panel p of the gate's half and panel p of the other's in turn, each with a
// list of its own, and leaves their sums side by side in scratch, in L1, from where the epilogue takes both. B is packed
// once, masks of the halves may differ at no cost, and A is stored as without glu: other problems of the plan read the
// same values. Panels must not straddle the halves, so their height divides M. (The other way, panels of r/2 rows of one
// half and r/2 of the other, keeps both in one register tile, but stores the union of two masks, up to twice the
// work at low density, in an order of rows that spmm_transposed and sddmm would have to know.)
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
  bool glu = false;         // multiply by the other half of A's rows
  bool gate = false;
  bool residual = false;

  auto operator<=>(const Epilogue&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("scale", self.scale);
    visit("bias", self.bias);
    visit("activation", self.activation);
    visit("derivative", self.derivative);
    visit("glu", self.glu);
    visit("gate", self.gate);
    visit("residual", self.residual);
  }

  [[nodiscard]] bool is_none() const { return *this == Epilogue{}; }
  // Reads dense operands beside the sum.
  [[nodiscard]] bool has_operands() const { return derivative || gate || residual; }
  // Rows of sums that make one row of C.
  [[nodiscard]] std::int32_t halves() const { return glu ? 2 : 1; }

  // In JSON an epilogue is its text.
  [[nodiscard]] static Result<Epilogue> from_text(std::string_view text);
};

// "none", or the parts in their order, joined by '_': [scale|scale_rows|scale_columns|scale_rows_columns] [bias] [<activation>|d<activation>]
// [glu|gate] [residual]. "bias_relu", "scale_rows_bias_gelu_tanh_gate_residual", "dsilu_gate", "bias_silu_glu".
[[nodiscard]] std::string to_text(const Epilogue& epilogue);
[[nodiscard]] Result<Epilogue> parse_epilogue(std::string_view text);
// Cuts the epilogue that `text` ends with, and the '_' before each part, off its end. Nothing there is none.
[[nodiscard]] Epilogue cut_epilogue(std::string_view& text);

// "relu, gelu_erf, ...": all activations but none.
[[nodiscard]] std::string activation_names();

// Errors: kInvalidArgument (an unknown enumerator; a derivative without an activation; glu beside a gate or a derivative;
// one on results of s32, which are the sums).
[[nodiscard]] Result<> check_epilogue(const Epilogue& epilogue, ElementTypes types);

}  // namespace lacuna
