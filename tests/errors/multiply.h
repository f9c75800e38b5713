// SPDX-License-Identifier: Apache-2.0
//
// One product from mask to result, told as a line of text: what a user of the engine would see.
#pragma once

#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "tests/kernels/reference.h"

namespace lacuna::test {

// "right" if every element of C[40,21] = A[40,30] * B is within the bound.
inline std::string multiply_with(Engine& engine) {
  const auto mask = make_random_block_mask(40, 30, 4, 2, 0.5, 3);
  if (!mask) return mask.error().message;
  PlanRequest request;
  request.mask = &*mask;
  request.problems.resize(1);
  request.problems[0].m = 40;
  request.problems[0].k = 30;
  request.pinned_format = Bsr{4, 2};
  const auto plan = ExecutablePlan::create(engine, request);
  if (!plan) return plan.error().message;
  std::mt19937 random(1);
  const auto draw = [&](std::size_t count) {
    std::vector<float> v(count);
    for (float& x : v)
      x = static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F;
    return v;
  };
  std::vector<float> dense = draw(40 * 30), b = draw(30 * 21), c(40 * 21, std::nanf("")),
                     a(40 * 30);
  std::vector<float> values(static_cast<std::size_t>((*plan)->values_count()));
  pack_values((*plan)->structure(), dense.data(), 30, DType::kF32, values.data());
  unpack_values((*plan)->structure(), DType::kF32, values.data(), a.data(), 30);
  const auto done = (*plan)->execute(0, {values.data(), b.data(), 21, c.data(), 21, nullptr, 21});
  if (!done) return done.error().message;
  const auto sums = multiply(a, 40, 30, false, {b.data(), 30, 21, 21, Layout::kRowMajor});
  for (std::size_t i = 0; i < c.size(); ++i)
    if (!(std::abs(c[i] - sums[i].value) <= error_bound(30, sums[i], DType::kF32))) return "wrong";
  return "right";
}

// The same with a new engine; then how the kernel was got, and what the cache complained about:
// "right, compiled 1, cache hits 0, fault: ...".
inline std::string multiply_in(const std::filesystem::path& cache_folder,
                               std::optional<Target> target = std::nullopt) {
  EngineOptions options;
  options.target = std::move(target);
  options.cache_folder = cache_folder;
  options.threads = 1;
  const auto engine = Engine::create(options);
  if (!engine) return engine.error().message;
  std::string result = multiply_with(**engine);
  if (result != "right") return result;
  const Engine::Counters counters = (*engine)->counters();
  const std::string fault = (*engine)->cache_fault();
  return fmt::format("{}, compiled {}, cache hits {}{}{}", result, counters.compiled,
                     counters.cache_hits, fault.empty() ? "" : ", fault: ", fault);
}

}  // namespace lacuna::test
