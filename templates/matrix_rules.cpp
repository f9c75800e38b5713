// SPDX-License-Identifier: Apache-2.0
#include "templates/matrix_rules.h"

#include <algorithm>

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
namespace {

// What the amx strategy transposes goes four 32-bit lanes at a time: blocks of spmm, and a column-major B.
Result<> check_quads(const KernelSpec& spec) {
  constexpr int kQuad = 4;
  const auto [height, depth] = dims_of(spec);
  if (spec.op == Op::kSpmm && height % kQuad != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} output rows of a block are not a multiple of {}, which the amx "
                      "strategy needs with a row-major C",
                      height, kQuad);
  if (spec.layout_b == Layout::kColMajor && depth % (kQuad * group_of(spec.format)) != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the block's depth of {} is not a multiple of {}, which the amx strategy "
                      "needs with a column-major B and a row-major C",
                      depth, kQuad * group_of(spec.format));
  return {};
}

}  // namespace

// Tiles of sums, those of the shorter side of the register tile, and two that take turns.
Result<> check_matrix_tile(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (spec.op == Op::kSddmm || group_of(spec.format) == 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "the amx strategy is for bf16 and bytes in groups, and not for sddmm");
  if (!target.has_feature("amx-tile") || target.f32_lanes() != kMatrixTileRows ||
      !target.has_feature(are_integers(spec.types) ? "amx-int8" : "amx-bf16"))
    return make_error(ErrorCode::kUnsupported, "{} has no matrix unit for {}", target.name,
                      to_text(spec.types));
  const bool all_col_major =
      spec.layout_b == Layout::kColMajor && spec.layout_c == Layout::kColMajor;
  if (!s.pack && (!all_col_major || spec.op != Op::kSpmm))
    return make_error(ErrorCode::kInvalidArgument,
                      "the amx strategy needs pack but for spmm with column-major B and C");
  if (stages_values(spec) && s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument,
                      "the amx strategy rearranges a panel once: it needs loop order po here");
  constexpr int kTiles = 8;
  if (const int needed = s.mr * s.nv + std::min(s.mr, s.nv) + 2; needed > kTiles)
    return make_error(ErrorCode::kInvalidArgument, "mr {} x nv {} needs {} tiles, there are {}",
                      s.mr, s.nv, needed, kTiles);
  const auto [height, depth] = dims_of(spec);
  const int rows = static_cast<int>(kMatrixTileRows) * s.nv;
  if (height % rows != 0 && (s.nv > 1 || height > kMatrixTileRows))
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} output rows of a block are not a multiple of nv {} tiles of {}",
                      height, s.nv, kMatrixTileRows);
  const int group = group_of(spec.format);
  const int columns = static_cast<int>(kMatrixTileRows) * group;
  if (depth > columns && depth % columns != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the block's depth of {} is not a multiple of a tile's {}", depth, columns);
  if (spec.layout_c == Layout::kRowMajor) LACUNA_TRY_VOID(check_quads(spec));
  if (s.ku != 1) return make_error(ErrorCode::kInvalidArgument, "the amx strategy needs ku 1");
  return {};
}

}  // namespace lacuna
