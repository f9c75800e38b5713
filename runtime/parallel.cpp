// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel.h"

#include <bit>
#include <cstdint>
#include <omp.h>

namespace lacuna {
namespace {

// The pool pointer carries the number of threads: there is no object to own.
void* to_pool(std::int32_t threads) {
  return std::bit_cast<void*>(static_cast<std::intptr_t>(threads));
}
int threads_of(void* pool) {
  return static_cast<int>(std::bit_cast<std::intptr_t>(pool));
}

void run_openmp(void* pool, std::int64_t tasks, ParallelFor::Body body, void* body_context) {
  const int threads = threads_of(pool);
  if (threads <= 1 || tasks <= 1) {
    for (std::int64_t task = 0; task < tasks; ++task)
      body(body_context, task);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t task = 0; task < tasks; ++task)
    body(body_context, task);
}

}  // namespace

ParallelFor openmp_parallel_for(std::int32_t threads) {
  return {run_openmp, to_pool(threads), threads};
}

std::int32_t openmp_max_threads() {
  return omp_get_max_threads();
}

}  // namespace lacuna
