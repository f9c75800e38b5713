// SPDX-License-Identifier: Apache-2.0
//
// Which types have kernels for an operation, a format, a target (declared in registry.h).
#include <variant>

#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

Result<> check_operation(Op op, ElementTypes types, const Format& format) {
  const bool nm = std::holds_alternative<NofM>(format);
  if (nm && op != Op::kSpmm)
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} has kernels for spmm only, not for {}", to_text(format),
                      to_text(op));
  const bool fits = nm ? types == ElementTypes::kF32 : group_elements(types) == 1;
  if (fits || !(nm || std::holds_alternative<Jam>(format))) return {};
  return make_error(ErrorCode::kUnsupported, "{} are for f32, not for {}",
                    nm ? "N:M kernels" : "jammed rows", to_text(types));
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
