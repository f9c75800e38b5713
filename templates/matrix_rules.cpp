// SPDX-License-Identifier: Apache-2.0
#include "templates/matrix_rules.h"

#include <algorithm>
#include <variant>

#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

// Tiles of sums, those of the shorter side of the register tile, and two that take turns.
Result<> check_matrix_tile(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (spec.op != Op::kSpmm || group_elements(spec.types) == 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "the amx strategy is for spmm of bf16 and bytes");
  if (!target.has_feature("amx-tile") ||
      !target.has_feature(are_integers(spec.types) ? "amx-int8" : "amx-bf16"))
    return make_error(ErrorCode::kUnsupported, "{} has no matrix unit for {}", target.name,
                      to_text(spec.types));
  if (spec.layout_b != Layout::kColMajor || spec.layout_c != Layout::kColMajor)
    return make_error(ErrorCode::kInvalidArgument, "the amx strategy needs column-major B and C");
  constexpr int kTiles = 8;
  if (const int needed = s.mr * s.nv + std::min(s.mr, s.nv) + 2; needed > kTiles)
    return make_error(ErrorCode::kInvalidArgument, "mr {} x nv {} needs {} tiles, there are {}",
                      s.mr, s.nv, needed, kTiles);
  const auto [r, c, group] = std::get<Bsr>(spec.format);
  const int rows = static_cast<int>(kMatrixTileRows) * s.nv;
  if (r % rows != 0 && (s.nv > 1 || r > kMatrixTileRows))
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} rows of a block are not a multiple of nv {} tiles of {}", r, s.nv,
                      kMatrixTileRows);
  const int columns = static_cast<int>(kMatrixTileRows) * group;
  if (c > columns && c % columns != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} columns of a block are not a multiple of a tile's {}", c, columns);
  if (s.pack || s.ku != 1)
    return make_error(ErrorCode::kInvalidArgument, "the amx strategy needs ku 1, without pack");
  return {};
}

}  // namespace lacuna
