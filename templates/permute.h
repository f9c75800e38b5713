// SPDX-License-Identifier: Apache-2.0
//
// The permute strategy (spmm on N:M with few dense columns): what registry.cpp, estimate.cpp and the body in llvm/ agree
// on.
#pragma once

#include <cstdint>
#include <vector>

#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {

// The columns of a group of one dense column lie in one or more vector registers, its table, from which a permute takes
// an element for each row of A.
struct PermuteShape {
  int table_floats = 4;  // stored of a table: the power of two from 4 on that holds m
  int tables = 1;        // registers it takes; a narrower table is repeated in, or part of, one
  int vectors = 1;       // that hold a panel's rows
  int sums = 1;     // partial sums of each element, so that additions do not wait for each other
  int stretch = 1;  // dense columns that are packed at a time, a multiple of mr
};
[[nodiscard]] PermuteShape permute_shape(const KernelSpec& spec, int lanes);

// As check_schedule, enumerate_schedules, scratch_floats and estimate_work.
[[nodiscard]] Result<> check_permute(const KernelSpec& spec, const Target& target);
[[nodiscard]] std::vector<Schedule> enumerate_permutes(const KernelSpec& spec,
                                                       const Target& target);
[[nodiscard]] std::int64_t permute_scratch_floats(const KernelSpec& spec, const Target& target,
                                                  std::int64_t rows_in, std::int64_t n);
[[nodiscard]] WorkEstimate permute_work(const KernelSpec& spec, const Target& target,
                                        const BlockCounts& counts, std::int64_t n);

// Whether so many vector registers are there. The error says which tile needs them.
[[nodiscard]] Result<> check_registers(const KernelSpec& spec, const Target& target, int needed);

}  // namespace lacuna
