// SPDX-License-Identifier: Apache-2.0
//
// What one call does on jammed rows, and to gather values as their spmm_transposed does, counted as in estimate.cpp.
#include <algorithm>
#include <cmath>
#include <variant>

#include "templates/estimate_parts.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna::estimate {
namespace {

// The ends of group loops in so many walks of a panel: those of groups that have columns; to find a group empty costs a
// fraction of that.
double group_loop_ends(const KernelSpec& spec, const BlockCounts& counts, double panels,
                       double walks) {
  constexpr double kOfAnEmptyGroup = 0.1;
  const double groups = std::get<Jam>(spec.format).groups();
  const double columns = panels > 0 ? static_cast<double>(counts.blocks) / panels : 0;
  return walks * (std::min(groups, columns) + kOfAnEmptyGroup * groups);
}

WorkEstimate jam_spmm(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const auto columns = static_cast<double>(counts.blocks);
  const auto weights = static_cast<double>(counts.weights);
  const auto panels = static_cast<double>(counts.panels);
  const auto [tiles, chunks] = row_walk(spec, s, counts);
  WorkEstimate work;
  work.fmas = weights * s.vectors;
  work.vector_loads = columns * s.vectors;
  work.broadcasts = (weights + columns) * tiles;  // and a number for each column
  work.stores = static_cast<double>(counts.rows_out) * s.vectors;
  work.tile_passes = panels * tiles * chunks;
  work.loop_ends = group_loop_ends(spec, counts, panels * chunks, work.tile_passes);
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  work.bytes_a = (weights * s.a_bytes + columns * kFloatBytes) * (streams_a ? tiles : 1);
  work.bytes_b = columns * s.n * kFloatBytes;
  work.bytes_c = static_cast<double>(counts.rows_out) * s.n * s.c_bytes;
  add_row_walk(spec, s, counts, work);
  add_widening(spec, s, counts, work);
  add_gathering(spec, s, counts, work);
  add_packing(spec, s, counts, work);
  return work;
}

WorkEstimate jam_scatter(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const auto columns = static_cast<double>(counts.blocks);
  const auto weights = static_cast<double>(counts.weights);
  const auto rows_in = static_cast<double>(counts.rows_in);
  const double panels = ceil_div(rows_in, s.r);
  const double tiles = ceil_div(s.vectors, s.nv);
  WorkEstimate work;
  work.fmas = weights * s.vectors;
  work.vector_loads = (columns + rows_in) * s.vectors;
  work.broadcasts = (weights + columns) * tiles;
  work.stores = (columns + static_cast<double>(counts.rows_out)) * s.vectors;
  work.tile_passes = panels * tiles;
  work.loop_ends = group_loop_ends(spec, counts, panels, work.tile_passes);
  work.bytes_a = (weights * s.a_bytes + columns * kFloatBytes) * tiles;
  work.bytes_b = rows_in * s.n * kFloatBytes;
  work.bytes_c = 2 * columns * s.n * kFloatBytes;
  add_widening(spec, s, counts, work);
  add_packing(spec, s, counts, work);
  return work;
}

WorkEstimate jam_sddmm(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const auto columns = static_cast<double>(counts.blocks);
  const auto weights = static_cast<double>(counts.weights);
  const auto panels = static_cast<double>(counts.panels);
  const auto rows_of_c = static_cast<double>(counts.rows_in);
  WorkEstimate work;
  work.fmas = weights * s.vectors;
  work.vector_loads = (columns + weights) * s.vectors;
  work.stores = weights;
  // Sums across, and of the ku sums of a weight.
  work.shuffles = weights * (std::log2(s.lanes) + spec.schedule.ku);
  work.tile_passes = columns;
  work.loop_ends = group_loop_ends(spec, counts, panels, panels);
  work.bytes_a = (weights + columns) * kFloatBytes;
  work.bytes_b = panels * s.r * s.n * kFloatBytes;
  work.bytes_c = columns * s.n * kFloatBytes;
  const auto add_copy = [&](Layout layout, double rows) {
    if (layout == Layout::kColMajor)
      add_transposes(ceil_div(rows, s.lanes) * s.vectors, s.lanes, work);
    if (widens(spec)) work.shuffles += rows * s.vectors;
    work.stores += rows * s.vectors;
  };
  const auto copies = [&](Layout layout) { return layout == Layout::kColMajor || widens(spec); };
  if (copies(spec.layout_b)) add_copy(spec.layout_b, panels * s.r);
  if (copies(spec.layout_c)) {
    add_copy(spec.layout_c, rows_of_c);
    work.bytes_c += rows_of_c * s.n * kFloatBytes;
  }
  return work;
}

}  // namespace

void add_gathering(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                   WorkEstimate& work) {
  if (!gathers_values(spec)) return;
  const auto weights = static_cast<double>(counts.weights);
  work.vector_loads += weights + weights / s.lanes;  // and the numbers
  work.stores += weights / s.lanes;
  work.bytes_a += weights * kIndexBytes;
}

WorkEstimate jam_work(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  switch (spec.op) {
    case Op::kSpmm:
      return jam_spmm(spec, s, counts);
    case Op::kSpmmTransposed:
      return gathers_values(spec) ? jam_spmm(spec, s, counts) : jam_scatter(spec, s, counts);
    case Op::kSddmm:
      return jam_sddmm(spec, s, counts);
  }
  return {};
}

}  // namespace lacuna::estimate
