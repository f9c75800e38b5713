// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"

namespace lacuna {
namespace {

Target make_target() {
  Target target;
  target.name = "zen4";
  target.llvm_cpu = "znver4";
  target.features = {"avx512f"};
  target.vector_bits = 512;
  target.vector_registers = 32;
  return target;
}

struct Change {
  const char* name;
  std::function<void(KernelSpec&, Target&)> apply;
  bool changes_key;
};

class KernelKey : public testing::TestWithParam<Change> {};

TEST_P(KernelKey, DependsOnWhatDecidesTheCode) {
  KernelSpec spec;
  Target target = make_target();
  const Hash128 before = kernel_key(spec, target);
  GetParam().apply(spec, target);
  EXPECT_EQ(kernel_key(spec, target) != before, GetParam().changes_key);
}

INSTANTIATE_TEST_SUITE_P(
    CodeGenerator, KernelKey,
    testing::Values(
        Change{"Nothing", [](KernelSpec&, Target&) {}, false},
        Change{"Op", [](KernelSpec& s, Target&) { s.op = Op::kSddmm; }, true},
        Change{"Format", [](KernelSpec& s, Target&) { s.format = Bsr{2, 3}; }, true},
        Change{"Schedule", [](KernelSpec& s, Target&) { s.schedule.ku = 2; }, true},
        Change{"Layout", [](KernelSpec& s, Target&) { s.layout_c = Layout::kColMajor; }, true},
        Change{"Epilogue", [](KernelSpec& s, Target&) { s.epilogue = {.bias = true}; }, true},
        Change{"Accumulate", [](KernelSpec& s, Target&) { s.accumulate = true; }, true},
        Change{"TargetName", [](KernelSpec&, Target& target) { target.name = "host"; }, true},
        Change{"Cpu", [](KernelSpec&, Target& target) { target.llvm_cpu = "znver5"; }, true},
        Change{"Features", [](KernelSpec&, Target& target) { target.features.emplace_back("fma"); },
               true},
        Change{"VectorBits", [](KernelSpec&, Target& target) { target.vector_bits = 256; }, true},
        Change{"VectorRegisters", [](KernelSpec&, Target& target) { target.vector_registers = 16; },
               true},
        Change{"CodeLimit", [](KernelSpec&, Target& target) { target.code_limit_bytes = 1; }, true},
        Change{"Pipes", [](KernelSpec&, Target& target) { target.pipes.fma_per_cycle = 2; }, false},
        Change{"Caches", [](KernelSpec&, Target& target) { target.caches.l2_bytes = 1; }, false}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lacuna
