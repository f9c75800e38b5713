// SPDX-License-Identifier: Apache-2.0
#include "runtime/operand_checks.h"

#include <cstdint>

#include "runtime/engine.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/problem.h"

namespace lacuna {
namespace {

std::int64_t rows_of_b(const Problem& problem) {
  return problem.op == Op::kSpmm ? problem.k : problem.m;
}

struct DenseOperand {
  const char* name;
  const char* ld_name;
  const void* data;
  std::int64_t ld;
  Layout layout;
  std::int64_t rows;
  DType type;
};

Result<> check_dense(const DenseOperand& x, std::int64_t n) {
  if (x.rows == 0 || n == 0) return {};  // never touched
  if (x.data == nullptr) return make_error(ErrorCode::kInvalidArgument, "{} is null", x.name);
  const bool row_major = x.layout == Layout::kRowMajor;
  const std::int64_t width = row_major ? n : x.rows;
  const std::int64_t lines = row_major ? x.rows : n;
  if (x.ld < width)
    return make_error(ErrorCode::kInvalidArgument, "{} {} is less than the {} {} of a {} {}",
                      x.ld_name, x.ld, width, row_major ? "columns" : "rows", to_text(x.layout),
                      x.name);
  std::int64_t extent = 0;
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 62;
  if (__builtin_mul_overflow(x.ld, lines, &extent) || extent > kMaxBytes / size_bytes(x.type))
    return make_error(ErrorCode::kInvalidArgument,
                      "{} {} x {} lines of {} exceed the address space", x.ld_name, x.ld, lines,
                      x.name);
  return {};
}

// An operand that the epilogue has must be there; others are not looked at.
Result<> check_epilogue_operands(const Problem& problem, const Operands& operands) {
  const std::int64_t rows = rows_of_c(problem);
  if (rows == 0 || operands.n == 0) return {};
  const Epilogue& epilogue = problem.epilogue;
  const auto need = [&](bool needed, const void* data, const char* name) -> Result<> {
    if (!needed || data != nullptr) return {};
    return make_error(ErrorCode::kInvalidArgument, "{} is null, the epilogue is {}", name,
                      to_text(epilogue));
  };
  LACUNA_TRY_VOID(need(has_factors(epilogue.scale), operands.scale, "scale"));
  LACUNA_TRY_VOID(need(scales_columns(epilogue.scale), operands.scale_columns, "scale_columns"));
  LACUNA_TRY_VOID(need(epilogue.bias, operands.bias, "bias"));
  const auto need_dense = [&](bool needed, const char* name, const char* ld_name, const void* data,
                              std::int64_t ld) -> Result<> {
    if (!needed) return {};
    LACUNA_TRY_VOID(need(needed, data, name));
    return check_dense(
        {name, ld_name, data, ld, problem.layout_c, rows, operand_types(problem.types).result},
        operands.n);
  };
  LACUNA_TRY_VOID(need_dense(epilogue.derivative, "preactivation", "ld_preactivation",
                             operands.preactivation, operands.ld_preactivation));
  LACUNA_TRY_VOID(need_dense(epilogue.gate, "gate", "ld_gate", operands.gate, operands.ld_gate));
  return need_dense(epilogue.residual, "residual", "ld_residual", operands.residual,
                    operands.ld_residual);
}

Result<> check_codebook(const Problem& problem, const float* codebook) {
  if (!has_codebook(problem.types)) return {};
  if (codebook == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "codebook is null, {} needs {} entries",
                      to_text(problem.types), codebook_entries(problem.types));
  if (codebook[0] != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "codebook[0] is {}, not 0: index 0 stands for no weight", codebook[0]);
  return {};
}

}  // namespace

Result<> check_operands(const Problem& problem, std::int64_t values, const Operands& operands) {
  if (operands.n < 0)
    return make_error(ErrorCode::kInvalidArgument, "n {} is negative", operands.n);
  if (operands.values == nullptr && values != 0)
    return make_error(ErrorCode::kInvalidArgument, "values is null");
  LACUNA_TRY_VOID(check_codebook(problem, operands.codebook));
  const OperandTypes types = operand_types(problem.types);
  LACUNA_TRY_VOID(check_dense(
      {"b", "ldb", operands.b, operands.ldb, problem.layout_b, rows_of_b(problem), types.dense},
      operands.n));
  LACUNA_TRY_VOID(check_dense({"c", "ldc", operands.c, operands.ldc, problem.layout_c,
                               rows_of_c(problem), dense_type_of_c(problem)},
                              operands.n));
  return check_epilogue_operands(problem, operands);
}

}  // namespace lacuna
