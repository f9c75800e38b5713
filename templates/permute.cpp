// SPDX-License-Identifier: Apache-2.0
#include "templates/permute.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr double kFloatBytes = 4;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// FMAs in the code: the unrolled groups and a single one, of nv panels and of one.
int fmas_in_code(const KernelSpec& spec, const PermuteShape& shape) {
  const Schedule& s = spec.schedule;
  const int panels = s.nv > 1 ? s.nv + 1 : 1;
  const int groups = s.ku > 1 ? s.ku + 1 : 1;
  return s.mr * panels * groups * std::get<NofM>(spec.format).n * shape.vectors;
}

}  // namespace

PermuteShape permute_shape(const KernelSpec& spec, int lanes) {
  const NofM& nm = std::get<NofM>(spec.format);
  const Schedule& s = spec.schedule;
  PermuteShape shape;
  shape.table_floats = std::max(4, static_cast<int>(std::bit_ceil(static_cast<unsigned>(nm.m))));
  shape.tables = std::max(1, shape.table_floats / lanes);
  shape.vectors = kNmPanelRows / lanes;
  // An addition takes about 4 cycles; a weight costs at least one.
  constexpr int kChains = 4;
  const int chains = s.mr * s.nv * shape.vectors;
  shape.sums = std::clamp((kChains + chains - 1) / chains, 1, s.ku * nm.n);
  // Of 16 registers, choosing between tables leaves none for partial sums.
  if (shape.tables > 1 && lanes == 8) shape.sums = 1;
  constexpr int kStretch = 16;
  shape.stretch = std::max(1, kStretch / s.mr) * s.mr;
  return shape;
}

Result<> check_permute(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (target.isa != Isa::kX86_64)
    return make_error(ErrorCode::kUnsupported, "target {}: no N:M kernels for {} yet", target.name,
                      to_text(target.isa));
  if (s.order != LoopOrder::kPanelOuter || !s.pack)
    return make_error(ErrorCode::kInvalidArgument,
                      "the perm strategy needs loop order po and pack");
  constexpr int kMostColumns = 8;
  constexpr int kMostPanels = 4;
  if (s.mr > kMostColumns || s.nv > kMostPanels)
    return make_error(ErrorCode::kInvalidArgument,
                      "the perm strategy takes at most mr {} and nv {}, not {} and {}",
                      kMostColumns, kMostPanels, s.mr, s.nv);
  const PermuteShape shape = permute_shape(spec, target.f32_lanes());
  // Sums and tables; a weight, an index and an element; where tables are chosen between, those in flight and the choice.
  const int chosen = shape.tables > 1 && target.f32_lanes() == 8 ? shape.tables / 2 + 1 : 0;
  // LLVM hoists masks of lanes and what makes them out of the loops that take sums through an epilogue in memory, and
  // without AVX-512 they are vectors.
  const bool finishes_beside =
      !finishes_in_registers(spec.epilogue) && !target.has_feature("avx512f");
  const int others = 3 + chosen + (finishes_beside ? 3 : 0);
  return check_registers(spec, target,
                         s.mr * (s.nv * shape.vectors * shape.sums + shape.tables) + others);
}

std::vector<Schedule> enumerate_permutes(const KernelSpec& spec, const Target& target) {
  std::vector<Schedule> legal;
  constexpr int kMostFmas = 256;  // compile time grows with the code
  for (const int mr : {1, 2, 3, 4, 6, 8})
    for (const int nv : {1, 2, 4})
      for (const int ku : {1, 2, 4, 8}) {
        KernelSpec candidate = spec;
        candidate.schedule = {.strategy = Strategy::kPermute,
                              .mr = mr,
                              .nv = nv,
                              .ku = ku,
                              .order = LoopOrder::kPanelOuter,
                              .pack = true};
        if (!check_schedule(candidate, target)) continue;
        if (fmas_in_code(candidate, permute_shape(candidate, target.f32_lanes())) <= kMostFmas)
          legal.push_back(candidate.schedule);
      }
  return legal;
}

// In the order of llvm/nm_pack.h: a row that absorbs, rows on their way through the epilogue, the results of nv panels, the
// tables of a stretch.
std::int64_t permute_scratch_floats(const KernelSpec& spec, const Target& target,
                                    std::int64_t rows_in, std::int64_t n) {
  const PermuteShape shape = permute_shape(spec, target.f32_lanes());
  const std::int64_t mr = spec.schedule.mr;
  const std::int64_t collected = spec.schedule.nv * ceil_div(mr, 4) * 4 * kNmPanelRows;
  const std::int64_t columns = ceil_div(std::min<std::int64_t>(n, shape.stretch), mr) * mr;
  const std::int64_t groups = ceil_div(rows_in, std::get<NofM>(spec.format).m);
  return kNmPanelRows + sums_tile_floats(spec, target.f32_lanes()) + collected +
         columns * groups * shape.table_floats;
}

WorkEstimate permute_work(const KernelSpec& spec, const Target& target, const BlockCounts& counts,
                          std::int64_t n) {
  const NofM& nm = std::get<NofM>(spec.format);
  const Schedule& s = spec.schedule;
  const PermuteShape shape = permute_shape(spec, target.f32_lanes());
  const auto groups = static_cast<double>(counts.blocks);  // of all panels
  const auto panels = static_cast<double>(counts.panels);
  const double tiles = std::ceil(static_cast<double>(n) / s.mr);
  const double columns = tiles * s.mr;
  const double slots = groups * nm.n;
  const double tables = groups / s.nv * columns * shape.tables;
  const double dense = static_cast<double>(counts.rows_in) * columns;
  WorkEstimate work;
  // A permute for each FMA, two and a choice where one cannot reach all of a group; an index is shifted into place.
  const int permutes = target.f32_lanes() == 8 ? 2 * shape.tables - 1 : 1;
  // They run on one of the two FMA units of Intel's cores, where both then do one thing each a cycle, and on a unit of
  // their own beside a shared one on AMD's.
  constexpr double kPermuteCost = 0.75;
  work.fmas = slots * shape.vectors * (columns * (1 + kPermuteCost * permutes) + tiles);
  work.vector_loads = slots * shape.vectors * tiles + tables;
  // Packing copies a table at a time where the rows of B lie side by side, about two elements where they are transposed.
  const double packed = dense / (spec.layout_b == Layout::kColMajor ? shape.table_floats : 2);
  work.broadcasts = slots * tiles + packed;
  work.stores = panels * shape.vectors * static_cast<double>(n) + packed;
  work.tile_passes = std::ceil(panels / s.nv) * tiles;
  work.bytes_a = slots * kNmPanelRows * (kFloatBytes + nm.index_bits() / 8.0);
  work.bytes_b = groups / s.nv * columns * shape.table_floats * kFloatBytes + dense * kFloatBytes;
  work.bytes_c = static_cast<double>(counts.rows_out) * static_cast<double>(n) * kFloatBytes;
  return work;
}

}  // namespace lacuna
