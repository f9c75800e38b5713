// SPDX-License-Identifier: Apache-2.0
//
// Which types have kernels for an operation, a format, a target, and what has kernels with glu (declared in registry.h).
#include <cstdint>
#include <variant>
#include <vector>

#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "templates/spec_dims.h"

namespace lacuna {

Result<> check_operation(Op op, ElementTypes types, const Format& format) {
  const bool nm = std::holds_alternative<NofM>(format);
  if (nm && op != Op::kSpmm)
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} has kernels for spmm only, not for {}", to_text(format),
                      to_text(op));
  if (!nm || types == ElementTypes::kF32) return {};
  return make_error(ErrorCode::kUnsupported, "N:M kernels are for f32, not for {}", to_text(types));
}

std::vector<Format> stored_as(const Format& format, ElementTypes types) {
  const auto* const bsr = std::get_if<Bsr>(&format);
  const std::int32_t group = group_elements(types);
  if (bsr == nullptr || bsr->group != 1 || group == 1) return {format};
  std::vector<Format> stored;
  if (bsr->c % group == 0) stored.emplace_back(Bsr{bsr->r, bsr->c, group});
  stored.push_back(format);
  return stored;
}

bool widens(const KernelSpec& spec) {
  return group_elements(spec.types) != 1 && group_of(spec.format) == 1;
}

Result<> check_glu(const KernelSpec& spec) {
  const Strategy strategy = spec.schedule.strategy;
  if (is_nm(spec) || is_baked(spec))
    return make_error(ErrorCode::kUnsupported, "glu is for blocks and jammed rows, not for {}",
                      to_text(spec.format));
  if (spec.op != Op::kSpmm || spec.accumulate)
    return make_error(ErrorCode::kInvalidArgument, "glu is for spmm without accumulation");
  if (strategy != Strategy::kRowTile && strategy != Strategy::kColumnTile)
    return make_error(ErrorCode::kInvalidArgument, "glu is for the strategies row and col, not {}",
                      to_text(strategy));
  // Weights are widened for one panel at a time, and there are two.
  if (widens(spec))
    return make_error(ErrorCode::kUnsupported, "glu of {} is for blocks of groups, not for {}",
                      to_text(spec.types), to_text(spec.format));
  // What sums start from is made once for a panel, and there are two.
  if (strategy == Strategy::kColumnTile && shifts_dense(spec))
    return make_error(ErrorCode::kInvalidArgument, "the col strategy of {} has no glu",
                      to_text(spec.types));
  return {};
}

bool multiplies_groups(ElementTypes types, const Target& target) {
  switch (operand_types(types).dense) {
    case DType::kF32:
      return true;
    case DType::kBf16:
      return target.has_feature("avx512bf16") && target.vector_bits == 512;
    case DType::kS8:
    case DType::kU8:
      return target.has_feature("avx512vnni") && target.vector_bits == 512;
    case DType::kS32:
      break;
  }
  return false;
}

}  // namespace lacuna
