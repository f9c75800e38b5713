// SPDX-License-Identifier: Apache-2.0
#include "templates/estimate_parts.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna::estimate {

void add_transposes(double squares, double lanes, WorkEstimate& work) {
  work.vector_loads += squares * transpose_loads(lanes);
  work.shuffles += squares * transpose_shuffles(lanes);
}

// Copies and transposes that the packing kernels make of B and C.
void add_packing(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                 WorkEstimate& work) {
  if (!spec.schedule.pack) return;
  const auto rows_in = static_cast<double>(counts.rows_in);
  const auto rows_out = static_cast<double>(counts.rows_out) * spec.epilogue.halves();
  const double packed_rows = rows_in / s.group;
  work.stores += packed_rows * s.vectors;
  work.bytes_b += rows_in * s.n * s.b_bytes;
  if (spec.layout_b == Layout::kColMajor)
    add_transposes(ceil_div(packed_rows, s.lanes) * s.vectors, s.lanes, work);
  else
    work.vector_loads += rows_in * s.vectors;
  if (s.group > 1 || widens(spec)) work.shuffles += packed_rows * s.vectors;
  // The row tile collects a column-major C in L1, scatter any C as a whole.
  const bool scatter = spec.schedule.strategy == Strategy::kScatter;
  if (scatter) work.bytes_c += 2 * rows_out * s.n * s.c_bytes;
  if (scatter || spec.layout_c == Layout::kColMajor) work.stores += rows_out * s.vectors;
  if (spec.layout_c == Layout::kColMajor)
    add_transposes(ceil_div(rows_out, s.lanes) * s.vectors, s.lanes, work);
  else if (scatter)
    work.vector_loads += rows_out * s.vectors;
}

void add_widening(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                  WorkEstimate& work) {
  if (!stages_values(spec) || !widens(spec)) return;
  const bool once = spec.schedule.order == LoopOrder::kPanelOuter;
  const double vectors =
      static_cast<double>(counts.weights) / s.lanes * (once ? 1 : ceil_div(s.vectors, s.nv));
  work.vector_loads += vectors;
  work.stores += vectors;
  work.shuffles += vectors;
}

RowWalk row_walk(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  return {ceil_div(s.vectors, s.nv), static_cast<double>(chunks_of(spec, counts.rows_in))};
}

void add_row_walk(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                  WorkEstimate& work) {
  const RowWalk walk = row_walk(spec, s, counts);
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  const double bytes_of_row =
      spec.schedule.pack ? kFloatBytes / s.group : s.b_bytes;  // per dense column
  double rows = static_cast<double>(counts.rows_in);
  double columns = streams_a ? std::min(s.n, s.nv * s.lanes) : s.n;
  if (spec.schedule.kc > 0) {
    const auto most =
        static_cast<double>(chunked_columns(spec, static_cast<std::int64_t>(s.lanes)));
    columns = std::min(s.n, most);
    rows = std::min<double>(rows, spec.schedule.kc);
    work.bytes_a *= ceil_div(s.n, most);
    const double rows_of_a = static_cast<double>(counts.rows_out) * spec.epilogue.halves();
    const double sums = (walk.chunks - 1) * rows_of_a * s.vectors;
    work.stores += sums;
    work.vector_loads += sums;
    work.bytes_c += 2 * sums * s.lanes * kFloatBytes;
  }
  work.reused_bytes = rows * columns * bytes_of_row;
}

}  // namespace lacuna::estimate
