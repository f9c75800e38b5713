// SPDX-License-Identifier: Apache-2.0
//
// How one call of a kernel is laid out (declared in registry.h): what it packs, what it keeps in scratch, and along which
// dimensions it may be split.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "targets/base/dtype.h"
#include "targets/target.h"
#include "templates/activation.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "templates/spec_dims.h"
#include "templates/stream.h"

namespace lacuna {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

// At least 64 rows, and whole vectors of 16 where twice as many rows are enough for that: a few KiB, which stay in L1.
std::int64_t panels_per_group(const KernelSpec& spec) {
  const std::int64_t height = dims_of(spec).height;
  constexpr std::int64_t kLeastRows = 64;
  constexpr std::int64_t kRowsOfAVector = 16;
  const std::int64_t least = (kLeastRows + height - 1) / height;
  const std::int64_t whole = round_up(least, kRowsOfAVector / std::gcd(height, kRowsOfAVector));
  return whole * height <= 2 * kLeastRows ? whole : least;
}

std::int64_t chunked_columns(const KernelSpec& spec, std::int64_t lanes) {
  constexpr std::int64_t kColumns = 256;
  return round_up(kColumns, spec.schedule.nv * lanes);
}

std::int64_t chunk_capacity(const KernelSpec& spec) {
  return spec.schedule.kc + kMaxBlockDim;
}

std::int64_t chunks_of(const KernelSpec& spec, std::int64_t rows_in) {
  const std::int64_t kc = spec.schedule.kc;
  return kc == 0 ? 1 : std::max<std::int64_t>(1, (rows_in + kc - 1) / kc);
}

bool finishes_in_registers(const Epilogue& epilogue) {
  const bool costs_nothing =
      epilogue.activation == Activation::kNone || epilogue.activation == Activation::kRelu;
  return costs_nothing && !epilogue.has_operands() && !epilogue.glu;
}

bool collects_halves(const KernelSpec& spec) {
  return spec.epilogue.glu && spec.schedule.strategy == Strategy::kRowTile &&
         spec.layout_c == Layout::kRowMajor;
}

bool stores_baked_sums(const KernelSpec& spec) {
  return is_baked(spec) && spec.layout_c == Layout::kRowMajor &&
         (spec.accumulate || !spec.epilogue.is_none());
}

std::int64_t sums_tile_floats(const KernelSpec& spec, std::int64_t lanes) {
  const Schedule& s = spec.schedule;
  if (stores_baked_sums(spec)) return s.mr * lanes;
  if (finishes_in_registers(spec.epilogue)) return 0;
  const std::int64_t halves = spec.epilogue.halves();
  const std::int64_t rows = collects_halves(spec) ? dims_of(spec).height : s.mr;
  const std::int64_t registers = halves * rows * s.nv * lanes;
  const std::int64_t columns = halves * kTransposedColumns * kTransposedRows;
  const bool transposes = spec.layout_c == Layout::kColMajor;
  switch (s.strategy) {
    case Strategy::kRowTile:
      return transposes ? columns : registers;
    case Strategy::kColumnTile:
      return registers;
    case Strategy::kScatter:
      return transposes ? columns : 0;  // a row-major C, or its copy in scratch, is such a tile
    case Strategy::kPermute:            // their results lie in scratch, column by column
    case Strategy::kStream:
      return transposes ? 0 : kNmPanelRows * lanes;
    case Strategy::kMatrixTile:  // all its sums go through scratch
    case Strategy::kSddmmTile:
    case Strategy::kInnerTile:
      break;
  }
  return 0;
}

bool groups_columns(const KernelSpec& spec) {
  if (is_jammed(spec) || spec.schedule.nv != 1) return false;
  const bool packs_rows = packs_c(spec) && group_of(spec.format) == 1;
  return spec.layout_c == Layout::kRowMajor || packs_rows;
}

bool takes_stretches(const KernelSpec& spec) {
  return packs_c(spec) && operand_types(spec.types).result == DType::kF32;
}

bool shifts_dense(const KernelSpec& spec) {
  return operand_types(spec.types).dense == DType::kS8 && !widens(spec) &&
         spec.schedule.strategy != Strategy::kMatrixTile;
}

bool permutes_codebook(const KernelSpec& spec, std::int64_t lanes) {
  constexpr std::int64_t kLanesOfAvx512 = 16;
  return lanes == kLanesOfAvx512 && codebook_entries(spec.types) <= 2 * lanes;
}

std::int64_t stored_lane_bytes(const KernelSpec& spec) {
  return has_codebook(spec.types) ? 1 : 4;
}

bool gathers_values(const KernelSpec& spec) {
  return spec.op == Op::kSpmmTransposed && spec.schedule.strategy == Strategy::kRowTile &&
         (is_jammed(spec) || is_baked(spec));
}

bool stages_values(const KernelSpec& spec) {
  if (gathers_values(spec)) return true;
  const bool by_column = spec.schedule.strategy == Strategy::kColumnTile;
  // Weights that come first are rows of the reduced dimension (llvm/matrix_unit.h).
  if (spec.schedule.strategy == Strategy::kMatrixTile && spec.layout_c == Layout::kRowMajor)
    return true;
  const bool transposes = by_column || group_of(spec.format) != 1;
  return (spec.op == Op::kSpmmTransposed && transposes) || (spec.op != Op::kSddmm && widens(spec));
}

bool packs_c(const KernelSpec& spec) {
  return !is_jammed(spec) && spec.schedule.strategy == Strategy::kSddmmTile && spec.schedule.pack &&
         (spec.layout_c == Layout::kColMajor || widens(spec));
}

std::int64_t packed_row_of_c(const Target& target, std::int64_t count) {
  return round_up(count, target.f32_lanes()) | kLineFloats;
}

namespace {

// Lanes of the staged values of `panels` panels, whose blocks might be all there; or of what the sums start from.
// `rows`: A's dimension along the panels.
std::int64_t staged_floats(const KernelSpec& spec, std::int64_t rows, std::int64_t panels) {
  if (shifts_dense(spec)) return kMaxBlockDim;
  if (gathers_values(spec)) return rows * dims_of(spec).height * panels;
  const bool by_row = panel_direction(spec) == PanelDirection::kBlockRows;
  const Bsr block = counted_as(spec.format);
  const std::int64_t along = by_row ? block.c : block.r, across = by_row ? block.r : block.c;
  return stages_values(spec) ? (rows + along) * across * panels / block.group : 0;
}

std::int64_t row_tile_scratch(const KernelSpec& spec, const Target& target, std::int64_t rows_in,
                              std::int64_t rows_out, std::int64_t n) {
  const std::int64_t lanes = target.f32_lanes();
  const std::int64_t width = spec.schedule.nv * lanes;
  const std::int64_t fixed = width + sums_tile_floats(spec, lanes);
  if (!spec.schedule.pack)
    return fixed + (gathers_values(spec) ? staged_floats(spec, rows_in, 1) : 0);
  const bool whole = spec.schedule.order == LoopOrder::kPanelOuter;
  const bool collects = spec.layout_c == Layout::kColMajor;
  const std::int64_t panels = collects ? panels_per_group(spec) : 1;
  const std::int64_t halves = spec.epilogue.halves();
  const std::int64_t c =
      collects ? halves * round_up(panels * dims_of(spec).height, lanes) * width : 0;
  const std::int64_t group = group_of(spec.format);
  if (spec.schedule.kc > 0) {
    const std::int64_t columns = std::min(round_up(n, width), chunked_columns(spec, lanes));
    const bool several = chunks_of(spec, rows_in) > 1;
    const std::int64_t partial = several ? halves * round_up(rows_out, dims_of(spec).height) : 0;
    return fixed + c + (chunk_capacity(spec) / group + partial) * columns;
  }
  const std::int64_t b = round_up(rows_in / group, lanes) * (whole ? round_up(n, width) : width);
  return fixed + b + c + staged_floats(spec, rows_in, panels);
}

std::int64_t sddmm_scratch(const KernelSpec& spec, const Target& target, std::int64_t rows_in,
                           std::int64_t rows_out, std::int64_t n) {
  const std::int64_t lanes = target.f32_lanes();
  if (!spec.schedule.pack) return 0;
  if (is_jammed(spec) || spec.schedule.strategy == Strategy::kInnerTile) {
    const auto copied = [&](Layout layout, std::int64_t rows) {
      return layout == Layout::kColMajor || widens(spec) ? rows : 0;
    };
    return (copied(spec.layout_c, rows_in) + copied(spec.layout_b, rows_out)) * round_up(n, lanes);
  }
  const std::int64_t columns = takes_stretches(spec) ? kPackedColumns : round_up(n, lanes);
  const std::int64_t group = group_of(spec.format);
  const std::int64_t groups = columns / group;
  const std::int64_t row_of_c = takes_stretches(spec) ? kPackedRowOfC : packed_row_of_c(target, n);
  const std::int64_t c = !packs_c(spec) ? 0
                         : group == 1   ? round_up(rows_in, lanes) * row_of_c
                                        : groups * packed_row_of_c(target, rows_in);
  return groups * round_up(counted_as(spec.format).r, lanes) + c;
}

std::int64_t matrix_scratch(const KernelSpec& spec, std::int64_t rows_in, std::int64_t n) {
  const std::int64_t sums = kMatrixTileRows * kMatrixTileRows * spec.schedule.mr * spec.schedule.nv;
  const std::int64_t depth = dims_of(spec).depth;
  const std::int64_t blocks = (rows_in + depth - 1) / depth;
  const std::int64_t b = spec.schedule.pack
                             ? round_up(n, kMatrixTileRows) * blocks * depth / group_of(spec.format)
                             : 0;
  return kTileConfigFloats + sums + b + staged_floats(spec, rows_in, 1);
}

}  // namespace

std::int64_t scratch_floats(const KernelSpec& spec, const Target& target, std::int64_t rows_in,
                            std::int64_t rows_out, std::int64_t n) {
  const std::int64_t lanes = target.f32_lanes();
  const std::int64_t width = spec.schedule.nv * lanes;
  switch (spec.schedule.strategy) {
    case Strategy::kRowTile:
      return row_tile_scratch(spec, target, rows_in, rows_out, n);
    case Strategy::kScatter: {
      const std::int64_t rows = round_up(rows_in, lanes) + round_up(rows_out, lanes);
      return width + sums_tile_floats(spec, lanes) + (spec.schedule.pack ? rows * width : 0) +
             staged_floats(spec, rows_out, 1);
    }
    case Strategy::kColumnTile:
      return sums_tile_floats(spec, lanes) + staged_floats(spec, rows_in, 1);
    case Strategy::kMatrixTile:
      return matrix_scratch(spec, rows_in, n);
    case Strategy::kSddmmTile:
    case Strategy::kInnerTile:
      return sddmm_scratch(spec, target, rows_in, rows_out, n);
    case Strategy::kPermute:
      return permute_scratch_floats(spec, target, rows_in, n);
    case Strategy::kStream:
      return stream_scratch_floats(spec, target, rows_in, n);
  }
  return 0;
}

PanelDirection panel_direction(const KernelSpec& spec) {
  const bool by_column =
      spec.op == Op::kSpmmTransposed && spec.schedule.strategy != Strategy::kScatter;
  return by_column ? PanelDirection::kBlockColumns : PanelDirection::kBlockRows;
}

Splits allowed_splits(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const std::int32_t width = s.nv * target.f32_lanes();
  switch (s.strategy) {
    case Strategy::kRowTile:
      // A packed tile is packed once, for all panels.
      return {!s.pack, true, width, false, spec.epilogue.halves()};
    case Strategy::kScatter:
      return {false, true, width};  // panels share rows of C
    case Strategy::kColumnTile:
      return {true, true, s.mr, false, spec.epilogue.halves()};
    case Strategy::kMatrixTile:
      return {!s.pack, true, static_cast<std::int32_t>(s.mr * kMatrixTileRows)};
    case Strategy::kSddmmTile:
      // The reduction runs over n.
      return {true, false, width,
              packs_c(spec) ||
                  (is_jammed(spec) && (spec.layout_c == Layout::kColMajor || widens(spec)))};
    case Strategy::kPermute:
      return {true, true, s.mr, true};
    case Strategy::kInnerTile:
      return {true, false, width, spec.layout_c == Layout::kColMajor};
    case Strategy::kStream:
      return {true, true, s.mr, s.pack};
  }
  return {};
}

}  // namespace lacuna
