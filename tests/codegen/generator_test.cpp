// SPDX-License-Identifier: Apache-2.0
//
// The code generator keeps LLVM's passes from kernel to kernel: nothing of a kernel may show in the next one's bytes.
#include <algorithm>
#include <cstddef>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/kernel_spec.h"

namespace lacuna {
namespace {

// Of two targets; with and without constants in memory, loops in which scalars are spilled, masks.
const std::vector<std::string> kNames = {
    "spmm_bsr16x1_f32_brow_crow_zen4_row_mr16nv1ku1_po",
    "spmm_bsr16x16_f32_bcol_ccol_zen4_row_mr8nv3ku2_po_pack_scale_rows_bias_gelu_erf_residual",
    "spmm_bsr16x1_f32_brow_crow_skylake_x_row_mr4nv2ku1_po_bias_silu",
    "spmm_jam4_f32_brow_crow_zen4_row_mr4nv4ku1_to",
    "spmm_transposed_bsr8x16_f32_brow_crow_zen4_scatter_mr4nv2ku1_to",
    "sddmm_bsr16x16_f32_bcol_ccol_zen4_dot_mr8nv1ku2_po",
    "spmm_bsr16x2g2_bf16_brow_crow_zen4_row_mr16nv1ku1_po_pack"};

std::vector<std::byte> compile(const std::string& name) {
  const ParsedKernelName parsed = parse_kernel_name(name).value();
  // Names of kernels have no dashes.
  std::string target_name = parsed.target_name;
  std::ranges::replace(target_name, '_', '-');
  const auto target = find_target(target_name);
  if (!target) {
    ADD_FAILURE() << target.error().message;
    return {};
  }
  auto kernel = load_code_generator().value()->compile(parsed.spec, *target);
  EXPECT_TRUE(kernel) << name << ": " << (kernel ? "" : kernel.error().message);
  return kernel ? kernel->object : std::vector<std::byte>{};
}

TEST(Generator, MakesTheSameBytesWhateverCameBefore) {
  std::vector<std::vector<std::byte>> objects;
  for (const std::string& name : kNames)
    objects.push_back(compile(name));
  for (const std::size_t i :
       std::views::iota(std::size_t{0}, kNames.size()) | std::views::reverse) {
    EXPECT_EQ(compile(kNames[i]), objects[i]) << kNames[i];
    EXPECT_EQ(compile(kNames[i]), objects[i]) << kNames[i];
  }
}

TEST(Generator, MakesTheSameBytesInSeveralThreads) {
  std::vector<std::vector<std::byte>> expected;
  for (const std::string& name : kNames)
    expected.push_back(compile(name));
  constexpr std::size_t kThreads = 4;
  std::vector<std::vector<std::vector<std::byte>>> made(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&made, t] {
        for (std::size_t i = 0; i < kNames.size(); ++i)
          made[t].push_back(compile(kNames[(i + t) % kNames.size()]));
      });
  }
  for (std::size_t t = 0; t < kThreads; ++t)
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      const std::size_t number = (i + t) % kNames.size();
      EXPECT_EQ(made[t][i], expected[number]) << kNames[number];
    }
}

}  // namespace
}  // namespace lacuna
