// SPDX-License-Identifier: Apache-2.0
//
// How the runtime runs tasks in parallel: OpenMP's team, or the caller's own parallel_for. The runtime creates no
// threads of its own.
#pragma once

#include <cstdint>

namespace lacuna {

// Calls body(context, task) once for each task in [0, tasks), in any order and concurrency, and returns when all
// are done.
struct ParallelFor {
  using Body = void (*)(void* body_context, std::int64_t task);
  void (*run)(void* pool, std::int64_t tasks, Body body, void* body_context) = nullptr;
  void* pool = nullptr;
  std::int32_t threads = 1;  // how many tasks may run at once (decides the split, never the result)
};

// OpenMP with the given number of threads (dynamic schedule); one thread runs the tasks in place.
[[nodiscard]] ParallelFor openmp_parallel_for(std::int32_t threads);
[[nodiscard]] std::int32_t openmp_max_threads();

}  // namespace lacuna
