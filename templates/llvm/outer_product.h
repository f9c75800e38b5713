// SPDX-License-Identifier: Apache-2.0
//
// The register tile: mr x nv accumulators updated by outer products of mr broadcast scalars and nv vectors. Every
// BSR kernel is this tile with other streams feeding it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Accumulators, row by row: acc[i * vectors + v].
struct RegisterTile {
  int scalars = 1;
  int vectors = 1;
};

// One update. `vector(v)` loads vector v, `scalar(i)` broadcasts scalar i; each is called once, vectors first, so that
// a vector is loaded once and used by all scalars (with one vector, LLVM folds the broadcast into the FMA).
[[nodiscard]] Values outer_product(KernelBuilder& kb, const RegisterTile& tile, const Values& acc,
                                   const std::function<llvm::Value*(int)>& vector,
                                   const std::function<llvm::Value*(int)>& scalar);

// `steps` updates with one vector each, whose scalars lie side by side: scalar i of step d is the d-th float at row(i).
// The vectors of all steps are loaded first; four scalars at a time then go through the steps, each from an address in
// a register of its own. (An FMA with a broadcast from base + index is two instructions to an Intel front end: 84
// instead of 93 % of the peak.)
[[nodiscard]] Values outer_products(KernelBuilder& kb, int scalars, std::int64_t steps,
                                    const Values& acc,
                                    const std::function<llvm::Value*(std::int64_t step)>& vector,
                                    const std::function<llvm::Value*(int i)>& row);

// Runs `depth` steps of a reduction with pointers that advance by fixed amounts, unrolled by the schedule's ku:
// step(acc, pointers) emits one step; after it each pointer advances by its stride. Returns the accumulators.
struct ReductionPointer {
  llvm::Value* start = nullptr;
  llvm::Value* stride = nullptr;  // i64 bytes per step
};
using ReductionStep = std::function<Values(const Values& acc, const Values& pointers)>;
[[nodiscard]] Values reduce(KernelBuilder& kb, std::int64_t depth,
                            const std::vector<ReductionPointer>& streams, const Values& acc,
                            const ReductionStep& step);

// The same with a depth known at call time, 0 included: `unroll` steps at a time, then single steps.
[[nodiscard]] Values reduce_n(KernelBuilder& kb, llvm::Value* depth,
                              const std::vector<ReductionPointer>& streams, const Values& acc,
                              std::int64_t unroll, const ReductionStep& step);

// The same for bodies that order the work of several steps themselves: group(acc, pointers, steps) emits `steps` steps
// (unroll or 1) from the same pointers.
using ReductionGroup =
    std::function<Values(const Values& acc, const Values& pointers, std::int64_t steps)>;
[[nodiscard]] Values reduce_n_in_groups(KernelBuilder& kb, llvm::Value* depth,
                                        const std::vector<ReductionPointer>& streams,
                                        const Values& acc, std::int64_t unroll,
                                        const ReductionGroup& group);

// Sums in several parts, each `count` long, one behind the other: the parts added, in pairs.
[[nodiscard]] Values add_parts(KernelBuilder& kb, const Values& parts, std::size_t count);

}  // namespace lacuna
