// SPDX-License-Identifier: Apache-2.0
//
// What lacuna.hpp asks for: an operation, its layouts and types, and what happens to a sum on its way to C. Values of
// lacuna.h under names; included by lacuna.hpp.
#ifndef LACUNA_PROBLEM_HPP_
#define LACUNA_PROBLEM_HPP_

#include <cstdint>

#include "lacuna/lacuna.h"

namespace lacuna::inline v0 {

enum class Op : std::int32_t {
  kSpmm = LACUNA_OP_SPMM,
  kSpmmTransposed = LACUNA_OP_SPMM_TRANSPOSED,
  kSddmm = LACUNA_OP_SDDMM,
};
enum class Layout : std::int32_t { kRowMajor = LACUNA_ROW_MAJOR, kColMajor = LACUNA_COL_MAJOR };
// Types of elements: values, B, result. lacuna.h says more.
enum class Types : std::int32_t {
  kF32 = LACUNA_TYPES_F32,
  kBf16 = LACUNA_TYPES_BF16,
  kBf16F32 = LACUNA_TYPES_BF16_F32,
  kS8S8F32 = LACUNA_TYPES_S8_S8_F32,
  kS8U8F32 = LACUNA_TYPES_S8_U8_F32,
  kS8S8Bf16 = LACUNA_TYPES_S8_S8_BF16,
  kS8U8Bf16 = LACUNA_TYPES_S8_U8_BF16,
  kS8S8S32 = LACUNA_TYPES_S8_S8_S32,
  kS8U8S32 = LACUNA_TYPES_S8_U8_S32,
  kC4F32 = LACUNA_TYPES_C4_F32,
  kC5F32 = LACUNA_TYPES_C5_F32,
  kC6F32 = LACUNA_TYPES_C6_F32,
  kC7F32 = LACUNA_TYPES_C7_F32,
  kC8F32 = LACUNA_TYPES_C8_F32,
};
// One of them.
enum class Type : std::int32_t {
  kF32 = LACUNA_TYPE_F32,
  kBf16 = LACUNA_TYPE_BF16,
  kS8 = LACUNA_TYPE_S8,
  kU8 = LACUNA_TYPE_U8,
  kS32 = LACUNA_TYPE_S32,
};
enum class Scale : std::int32_t {
  kNone = LACUNA_SCALE_NONE,
  kFactor = LACUNA_SCALE_FACTOR,
  kRows = LACUNA_SCALE_ROWS,
  kColumns = LACUNA_SCALE_COLUMNS,
  kRowsColumns = LACUNA_SCALE_ROWS_COLUMNS,
};
enum class Activation : std::int32_t {
  kNone = LACUNA_ACTIVATION_NONE,
  kRelu = LACUNA_ACTIVATION_RELU,
  kGeluErf = LACUNA_ACTIVATION_GELU_ERF,
  kGeluTanh = LACUNA_ACTIVATION_GELU_TANH,
  kSilu = LACUNA_ACTIVATION_SILU,
};

// What happens to a sum on its way to C: lacuna.h tells what the parts do, and in which order.
//     forward.epilogue = {.bias = true, .activation = lacuna::Activation::kGeluErf};
struct Epilogue {
  Scale scale = Scale::kNone;
  bool bias = false;
  Activation activation = Activation::kNone;
  bool derivative = false;
  bool glu = false;
  bool gate = false;
  bool residual = false;

  static const Epilogue kNone, kBias, kBiasRelu;
};
inline constexpr Epilogue Epilogue::kNone{};
inline constexpr Epilogue Epilogue::kBias{.bias = true};
inline constexpr Epilogue Epilogue::kBiasRelu{.bias = true, .activation = Activation::kRelu};

// lacuna_problem with defaults.
struct Problem {
  Op op = Op::kSpmm;
  Layout layout_b = Layout::kRowMajor;
  Layout layout_c = Layout::kRowMajor;
  Epilogue epilogue = {};
  bool accumulate = false;
  std::int64_t n = 0;  // expected dense columns; 0 = unknown
  Types types = Types::kF32;
};

}  // namespace lacuna::inline v0

#endif  // LACUNA_PROBLEM_HPP_
