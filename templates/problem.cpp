// SPDX-License-Identifier: Apache-2.0
#include "templates/problem.h"

#include <cstdint>
#include <limits>

#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/element_types.h"

namespace lacuna {
namespace {

// Kernels address rows of B by 32-bit element indices (abi.h).
Result<> check_extent(const char* field, std::int64_t extent) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  if (extent < 0 || extent > kMax)
    return make_error(ErrorCode::kInvalidArgument, "{} {} is not from 0 to {}", field, extent,
                      kMax);
  return {};
}

Result<> check_glu(const Problem& problem) {
  if (problem.op != Op::kSpmm)
    return make_error(ErrorCode::kInvalidArgument, "glu is for spmm, not for {}",
                      to_text(problem.op));
  if (problem.accumulate)
    return make_error(ErrorCode::kInvalidArgument,
                      "glu does not accumulate: C has no place for the sums of both halves");
  if (problem.m % 2 != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "m {} is not even: glu needs the rows of the gate and as many below them",
                      problem.m);
  return {};
}

}  // namespace

std::int64_t rows_of_c(const Problem& problem) {
  return problem.op == Op::kSpmm ? problem.m / problem.epilogue.halves() : problem.k;
}

DType values_type(const Problem& problem) {
  const OperandTypes types = operand_types(problem.types);
  return problem.op == Op::kSddmm ? types.result : types.weights;
}

DType dense_type_of_c(const Problem& problem) {
  const OperandTypes types = operand_types(problem.types);
  return problem.op == Op::kSddmm ? types.dense : types.result;
}

Result<> check_problem(const Problem& problem) {
  LACUNA_TRY_VOID(check_known("op", problem.op));
  LACUNA_TRY_VOID(check_known("types", problem.types));
  LACUNA_TRY_VOID(check_known("layout_b", problem.layout_b));
  LACUNA_TRY_VOID(check_known("layout_c", problem.layout_c));
  LACUNA_TRY_VOID(check_epilogue(problem.epilogue, problem.types));
  LACUNA_TRY_VOID(check_extent("m", problem.m));
  LACUNA_TRY_VOID(check_extent("k", problem.k));
  LACUNA_TRY_VOID(check_extent("n", problem.n));
  if (problem.op == Op::kSddmm && !problem.epilogue.is_none())
    return make_error(ErrorCode::kInvalidArgument, "sddmm takes no epilogue, not {}",
                      to_text(problem.epilogue));
  if (problem.epilogue.glu) LACUNA_TRY_VOID(check_glu(problem));
  if (are_integers(problem.types) && problem.op == Op::kSddmm)
    return make_error(ErrorCode::kUnsupported,
                      "{} has no kernels for {}, only for spmm and spmm_transposed",
                      to_text(problem.types), to_text(problem.op));
  if (has_codebook(problem.types) && problem.op == Op::kSddmm)
    return make_error(ErrorCode::kUnsupported,
                      "{} has no kernels for sddmm: a gradient has no codebook, ask for f32",
                      to_text(problem.types));
  return {};
}

}  // namespace lacuna
