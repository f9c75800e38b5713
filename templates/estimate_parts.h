// SPDX-License-Identifier: Apache-2.0
//
// What the estimates of blocks (estimate.cpp) and of jammed rows (estimate_jam.cpp) share.
#pragma once

#include <cmath>

#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna::estimate {

inline constexpr double kFloatBytes = 4;
inline constexpr double kIndexBytes = 4;

[[nodiscard]] inline double ceil_div(double a, double b) {
  return std::ceil(a / b);
}

struct Shape {
  double height,
      depth;  // output rows of a panel, reduced rows of a block in groups (element_types.h)
  double r, c;
  double group;
  double a_bytes, b_bytes, c_bytes;  // of an element
  double lanes, n, vectors;          // vectors: of a row of n
  double mr, nv;
};

// One lanes x lanes transpose (transpose.cpp): 8 shuffles for four columns, and loads of four floats.
[[nodiscard]] inline double transpose_shuffles(double lanes) {
  return 2 * lanes;
}
[[nodiscard]] inline double transpose_loads(double lanes) {
  return lanes * lanes / 4;
}

// So many transposes of lanes x lanes.
void add_transposes(double squares, double lanes, WorkEstimate& work);
// Copies and transposes that the packing kernels make of B and C.
void add_packing(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                 WorkEstimate& work);

// Vectors of weights that are widened in every tile of columns, or once for all.
void add_widening(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                  WorkEstimate& work);

// With gathers_values(): the weights of all panels into scratch, once.
void add_gathering(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                   WorkEstimate& work);

// How the row strategy walks B and C.
struct RowWalk {
  double tiles;   // of dense columns
  double chunks;  // of the reduced dimension
};

[[nodiscard]] RowWalk row_walk(const KernelSpec& spec, const Shape& s, const BlockCounts& counts);
// What the row strategy reads again, and with kc the sums on their way from chunk to chunk.
void add_row_walk(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                  WorkEstimate& work);

// Jammed rows, any operation.
[[nodiscard]] WorkEstimate jam_work(const KernelSpec& spec, const Shape& s,
                                    const BlockCounts& counts);

}  // namespace lacuna::estimate
