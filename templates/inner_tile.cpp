// SPDX-License-Identifier: Apache-2.0
#include "templates/inner_tile.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <variant>
#include <vector>

#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/estimate_parts.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

namespace {

bool transposes_operands(const KernelSpec& spec) {
  return spec.layout_b == Layout::kColMajor || spec.layout_c == Layout::kColMajor;
}

}  // namespace

Result<> check_inner(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const auto* const bsr = std::get_if<Bsr>(&spec.format);
  if (spec.op != Op::kSddmm || bsr == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "the inner strategy is for sddmm on blocks");
  if (spec.types != ElementTypes::kF32)
    return make_error(ErrorCode::kUnsupported, "the inner strategy is for f32, not {}",
                      to_text(spec.types));
  if (s.pack != transposes_operands(spec))
    return make_error(ErrorCode::kInvalidArgument,
                      "the inner strategy packs column-major operands, and no others");
  if (s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument, "the inner strategy needs loop order po");
  const int most = std::min<int>(bsr->r, target.f32_lanes());
  if (s.mr > most)
    return make_error(ErrorCode::kInvalidArgument,
                      "mr {} exceeds {}, the rows of a block or the lanes of a vector", s.mr, most);
  // The vectors of the shorter side are held, and one of the other, which AVX-512 code needs no second of; with 16
  // registers, LLVM spills 12 sums beside 2 held vectors.
  const int others = target.has_feature("avx512f") ? 1 : 2;
  return check_registers(spec, target, s.mr * s.nv + std::min(s.mr, s.nv) + others);
}

std::vector<Schedule> enumerate_inners(const KernelSpec& spec, const Target& target) {
  std::vector<Schedule> legal;
  const auto* const bsr = std::get_if<Bsr>(&spec.format);
  if (bsr == nullptr) return legal;
  int last = 0;
  for (int parts = 1; parts <= bsr->r; ++parts) {
    const int mr = (bsr->r + parts - 1) / parts;
    if (mr == last) continue;
    last = mr;
    for (const int nv : {1, 2, 3, 4, 5, 6, 8, 12, 14})
      for (const int ku : {1, 2}) {
        constexpr int kMostUnrolled = 48;
        if (ku > 1 && mr * nv * ku > kMostUnrolled) continue;
        KernelSpec candidate = spec;
        candidate.schedule = {Strategy::kInnerTile,      mr, nv, ku, LoopOrder::kPanelOuter,
                              transposes_operands(spec), 0};
        if (check_schedule(candidate, target)) legal.push_back(candidate.schedule);
      }
  }
  return legal;
}

WorkEstimate inner_work(const KernelSpec& spec, const Target& target, const BlockCounts& counts,
                        std::int64_t n) {
  const Bsr& bsr = std::get<Bsr>(spec.format);
  const Schedule& s = spec.schedule;
  const double lanes = target.f32_lanes();
  const double steps = std::ceil(static_cast<double>(n) / lanes);
  const double panels = static_cast<double>(counts.panels);
  // The last tile of each panel is computed whole.
  const double columns = static_cast<double>(counts.blocks) * bsr.c + panels * (s.nv - 1) / 2.0;
  const double slices = std::ceil(static_cast<double>(bsr.r) / s.mr);
  const double tiles = columns / s.nv * slices;
  const double sums = columns * bsr.r;
  const double bytes_of_row = static_cast<double>(n) * 4;
  WorkEstimate work;
  work.fmas = sums * steps;
  work.vector_loads = (columns / s.nv * bsr.r + columns * slices) * steps;
  // Adding up the lanes: two shuffles and an addition halve the number of vectors; each sum takes part in one such step.
  work.shuffles = 2 * sums;
  work.fmas += sums;
  const double in_store = s.mr == bsr.r ? std::max(1.0, std::floor(lanes / s.mr)) * s.mr : s.mr;
  work.stores = sums / in_store;
  work.tile_passes = tiles;
  work.bytes_a = sums * 4;
  work.bytes_b = panels * bsr.r * bytes_of_row;
  work.bytes_c = columns * bytes_of_row;
  const auto transpose = [&](Layout layout, std::int64_t rows, double& bytes) {
    if (layout != Layout::kColMajor) return;
    const double row_squares = std::ceil(static_cast<double>(rows) / lanes);
    estimate::add_transposes(row_squares * steps, lanes, work);
    work.stores += static_cast<double>(rows) * steps;
    bytes += static_cast<double>(rows) * bytes_of_row;
  };
  transpose(spec.layout_b, counts.rows_out, work.bytes_b);
  transpose(spec.layout_c, counts.rows_in, work.bytes_c);
  return work;
}

}  // namespace lacuna
