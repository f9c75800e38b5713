// SPDX-License-Identifier: Apache-2.0
//
// The inner strategy (sddmm on blocks, A[m,k] = sum over n of B[m,n] * C[k,n], f32): vectors run along n, of row-major operands in place,
// of column-major ones that are transposed into scratch first (llvm/sddmm_rows.h). A tile of mr rows of B and nv rows of C keeps mr * nv sums, one vector each: a step of n takes mr + nv loads for
// mr * nv FMAs, where the dot strategy needs blocks of whole vectors of rows. The lanes of the sums are added up at the
// end, four and more sums at once (llvm/lane_sums.h).
//
// The blocks of a block row lie one behind the other, each by columns, so that its values are one matrix of r rows: tiles
// run over its columns and may join blocks or part of them.
#pragma once

#include <cstdint>
#include <vector>

#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {

// As check_schedule, enumerate_schedules and estimate_work.
[[nodiscard]] Result<> check_inner(const KernelSpec& spec, const Target& target);
[[nodiscard]] std::vector<Schedule> enumerate_inners(const KernelSpec& spec, const Target& target);
[[nodiscard]] WorkEstimate inner_work(const KernelSpec& spec, const Target& target,
                                      const BlockCounts& counts, std::int64_t n);

}  // namespace lacuna
