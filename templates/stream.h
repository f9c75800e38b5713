// SPDX-License-Identifier: Apache-2.0
//
// The stream strategy (spmm on blocks with few dense columns): what registry.cpp, estimate.cpp and the body in llvm/
// agree on. Values are read as vectors, in the order they lie in memory; B's elements are brought to the lanes.
#pragma once

#include <cstdint>
#include <vector>

#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {

// Blocks as high as a vector or higher: a column of a block is nv vectors, each element of B is broadcast. Lower ones: a
// vector covers several columns, of one block or of several, and is met by as many elements of B.
struct StreamShape {
  int columns = 1;     // of A that a vector of values covers
  int blocks = 1;      // that it covers, where it covers several
  int steps = 1;       // to get through those blocks
  int together = 1;    // times so many blocks whose steps stand one after the other
  int sums = 1;        // partial sums of each element, so that additions do not wait for each other
  int panels = 1;      // whose results are collected before they are stored
  int collected = 16;  // rows of those panels
  int stretch = 1;     // dense columns that are packed at a time, a multiple of mr
};
[[nodiscard]] StreamShape stream_shape(const KernelSpec& spec, int lanes);
// Elements of B that lie apart, for several blocks of a vector, are loaded one by one, or gathered.
[[nodiscard]] bool gathers_dense(const StreamShape& shape);
// Whether B is transposed into scratch: vectors of its elements are read along k.
[[nodiscard]] bool streams_packed(const KernelSpec& spec, int lanes);
// Floats from one packed column of B to the next.
[[nodiscard]] std::int64_t stream_column_floats(std::int64_t rows_in);
// Floats before the collected results: a shifted panel (format.h) begins before the rows that are its own.
inline constexpr std::int64_t kRowsBeforeCollected = kMaxBlockDim;

// As check_schedule, enumerate_schedules, scratch_floats and estimate_work.
[[nodiscard]] Result<> check_stream(const KernelSpec& spec, const Target& target);
[[nodiscard]] std::vector<Schedule> enumerate_streams(const KernelSpec& spec, const Target& target);
[[nodiscard]] std::int64_t stream_scratch_floats(const KernelSpec& spec, const Target& target,
                                                 std::int64_t rows_in, std::int64_t n);
[[nodiscard]] WorkEstimate stream_work(const KernelSpec& spec, const Target& target,
                                       const BlockCounts& counts, std::int64_t n);

}  // namespace lacuna
