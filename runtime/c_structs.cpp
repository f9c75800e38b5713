// SPDX-License-Identifier: Apache-2.0
#include "runtime/c_structs.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/c_api_support.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/activation.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/problem.h"

namespace lacuna {
namespace {

// The enums of the C interface and of the table are the same numbers.
static_assert(static_cast<int>(Activation::kRelu) == LACUNA_ACTIVATION_RELU &&
              static_cast<int>(Activation::kGeluErf) == LACUNA_ACTIVATION_GELU_ERF &&
              static_cast<int>(Activation::kGeluTanh) == LACUNA_ACTIVATION_GELU_TANH &&
              static_cast<int>(Activation::kSilu) == LACUNA_ACTIVATION_SILU &&
              EnumNames<Activation>::kNames.size() == LACUNA_ACTIVATION_SILU + 1);
static_assert(static_cast<int>(ElementTypes::kBf16) == LACUNA_TYPES_BF16 &&
              static_cast<int>(ElementTypes::kBf16F32) == LACUNA_TYPES_BF16_F32 &&
              static_cast<int>(ElementTypes::kS8S8F32) == LACUNA_TYPES_S8_S8_F32 &&
              static_cast<int>(ElementTypes::kS8U8F32) == LACUNA_TYPES_S8_U8_F32 &&
              static_cast<int>(ElementTypes::kS8S8Bf16) == LACUNA_TYPES_S8_S8_BF16 &&
              static_cast<int>(ElementTypes::kS8U8Bf16) == LACUNA_TYPES_S8_U8_BF16 &&
              static_cast<int>(ElementTypes::kS8S8S32) == LACUNA_TYPES_S8_S8_S32 &&
              static_cast<int>(ElementTypes::kS8U8S32) == LACUNA_TYPES_S8_U8_S32 &&
              static_cast<int>(ElementTypes::kC4F32) == LACUNA_TYPES_C4_F32 &&
              static_cast<int>(ElementTypes::kC5F32) == LACUNA_TYPES_C5_F32 &&
              static_cast<int>(ElementTypes::kC6F32) == LACUNA_TYPES_C6_F32 &&
              static_cast<int>(ElementTypes::kC7F32) == LACUNA_TYPES_C7_F32 &&
              static_cast<int>(ElementTypes::kC8F32) == LACUNA_TYPES_C8_F32 &&
              EnumNames<ElementTypes>::kNames.size() == LACUNA_TYPES_C8_F32 + 1);
static_assert(static_cast<int>(DType::kBf16) == LACUNA_TYPE_BF16 &&
              static_cast<int>(DType::kS8) == LACUNA_TYPE_S8 &&
              static_cast<int>(DType::kU8) == LACUNA_TYPE_U8 &&
              static_cast<int>(DType::kS32) == LACUNA_TYPE_S32 &&
              EnumNames<DType>::kNames.size() == LACUNA_TYPE_S32 + 1);
static_assert(static_cast<int>(Scale::kFactor) == LACUNA_SCALE_FACTOR &&
              static_cast<int>(Scale::kRows) == LACUNA_SCALE_ROWS &&
              static_cast<int>(Scale::kColumns) == LACUNA_SCALE_COLUMNS &&
              static_cast<int>(Scale::kRowsColumns) == LACUNA_SCALE_ROWS_COLUMNS &&
              EnumNames<Scale>::kNames.size() == LACUNA_SCALE_ROWS_COLUMNS + 1);

Result<Epilogue> make_epilogue(const lacuna_problem& given) {
  LACUNA_TRY_VOID(require_in(given.epilogue, 0, LACUNA_EPILOGUE_BIAS_RELU, "epilogue"));
  LACUNA_TRY_VOID(require_in(given.scale, 0, LACUNA_SCALE_ROWS_COLUMNS, "scale"));
  LACUNA_TRY_VOID(require_in(given.activation, 0, LACUNA_ACTIVATION_SILU, "activation"));
  LACUNA_TRY_VOID(require_in(given.derivative, 0, 1, "derivative"));
  LACUNA_TRY_VOID(require_in(given.glu, 0, 1, "glu"));
  LACUNA_TRY_VOID(require_in(given.gate, 0, 1, "gate"));
  LACUNA_TRY_VOID(require_in(given.residual, 0, 1, "residual"));
  const bool has_relu = given.epilogue == LACUNA_EPILOGUE_BIAS_RELU;
  if (has_relu && given.activation != LACUNA_ACTIVATION_NONE)
    return make_error(ErrorCode::kInvalidArgument,
                      "activation {} beside epilogue bias_relu, which has one", given.activation);
  Epilogue epilogue;
  epilogue.scale = static_cast<Scale>(given.scale);
  epilogue.bias = given.epilogue != LACUNA_EPILOGUE_NONE;
  epilogue.activation = has_relu ? Activation::kRelu : static_cast<Activation>(given.activation);
  epilogue.derivative = given.derivative == 1;
  epilogue.glu = given.glu == 1;
  epilogue.gate = given.gate == 1;
  epilogue.residual = given.residual == 1;
  return epilogue;
}

Result<Problem> make_problem(const lacuna_problem& given, const Mask& mask) {
  LACUNA_TRY_VOID(require_in(given.op, 0, LACUNA_OP_SDDMM, "op"));
  LACUNA_TRY_VOID(require_in(given.layout_b, 0, LACUNA_COL_MAJOR, "layout_b"));
  LACUNA_TRY_VOID(require_in(given.layout_c, 0, LACUNA_COL_MAJOR, "layout_c"));
  LACUNA_TRY_VOID(require_in(given.accumulate, 0, 1, "accumulate"));
  LACUNA_TRY_VOID(require_in(given.types, 0, LACUNA_TYPES_C8_F32, "types"));
  LACUNA_TRY_VOID(require_in(given.reserved, 0, 0, "reserved"));
  Problem problem;
  problem.op = static_cast<Op>(given.op);
  problem.m = mask.m();
  problem.k = mask.k();
  problem.n = given.n;
  problem.types = static_cast<ElementTypes>(given.types);
  problem.layout_b = static_cast<Layout>(given.layout_b);
  problem.layout_c = static_cast<Layout>(given.layout_c);
  LACUNA_TRY(problem.epilogue, make_epilogue(given));
  problem.accumulate = given.accumulate == 1;
  return problem;
}

// Of operands only those of composed epilogues, which came later, may be missing.
Result<lacuna_operands> read_operands(const lacuna_operands& operands) {
  constexpr std::size_t kFirstSize = offsetof(lacuna_operands, scale);
  if (operands.struct_size < kFirstSize)
    return make_error(ErrorCode::kInvalidArgument, "operands.struct_size {} is less than {}",
                      operands.struct_size, kFirstSize);
  return read_struct(&operands, "operands");
}

}  // namespace

Result<std::vector<Problem>> make_problems(const lacuna_problem* given, std::size_t count,
                                           const Mask& mask) {
  std::vector<Problem> problems;
  if (count == 0) return problems;  // the planner reports it
  LACUNA_TRY_VOID(require(given, "problems"));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  const std::size_t stride = given->struct_size;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* const item = reinterpret_cast<const lacuna_problem*>(bytes + i * stride);
    LACUNA_TRY(const lacuna_problem problem, read_struct(item, "problem"));
    if (problem.struct_size != stride)
      return make_error(ErrorCode::kInvalidArgument, "problem {}: struct_size {} differs from {}",
                        i, problem.struct_size, stride);
    LACUNA_TRY(problems.emplace_back(), make_problem(problem, mask));
  }
  return problems;
}

Result<Operands> make_operands(const lacuna_operands& caller) {
  LACUNA_TRY(const lacuna_operands given, read_operands(caller));
  Operands operands;
  operands.values = given.values;
  operands.b = given.b;
  operands.ldb = given.ldb;
  operands.c = given.c;
  operands.ldc = given.ldc;
  operands.bias = given.bias;
  operands.n = given.n;
  operands.scale = given.scale;
  operands.preactivation = given.preactivation;
  operands.ld_preactivation = given.ld_preactivation;
  operands.gate = given.gate;
  operands.ld_gate = given.ld_gate;
  operands.residual = given.residual;
  operands.ld_residual = given.ld_residual;
  operands.scale_columns = given.scale_columns;
  operands.codebook = given.codebook;
  return operands;
}

}  // namespace lacuna
