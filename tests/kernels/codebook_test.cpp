// SPDX-License-Identifier: Apache-2.0
//
// Kernels on codebooks against the f32 kernel of the same schedule on the weights that the indices stand for: the same
// bits, for every strategy, epilogue and layout that the registry has.
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_case.h"

namespace lacuna::test {
namespace {

Result<LoadedKernel> compile_and_load(const KernelCase& kernel_case) {
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const CompiledKernel object, generator->compile(kernel_case.spec, kernel_case.target));
  return LoadedKernel::load(object);
}

KernelCase as_f32(const KernelCase& kernel_case) {
  KernelCase plain = kernel_case;
  plain.spec.types = ElementTypes::kF32;
  plain.name = kernel_name(plain.spec, plain.target.name);
  return plain;
}

KernelInputs decoded(const KernelInputs& inputs) {
  KernelInputs plain = inputs;
  plain.codebook.clear();
  pack_values(inputs.structure, inputs.a.data(), inputs.shape.k, DType::kF32, plain.values.data());
  return plain;
}

void expect_same_bits(const KernelCase& kernel_case, const LoadedKernel& kernel) {
  const KernelCase plain_case = as_f32(kernel_case);
  ASSERT_TRUE(check_schedule(plain_case.spec, plain_case.target));
  const auto plain_kernel = compile_and_load(plain_case);
  ASSERT_TRUE(plain_kernel) << plain_kernel.error().message;
  for (const RunShape& shape : shapes_of(kernel_case)) {
    if (shape.numbers != Numbers::kReal) continue;  // of which every sum is exact
    const KernelInputs inputs = make_inputs(kernel_case, shape);
    const KernelOutputs found = run_kernel(kernel_case, kernel, inputs, Side::kEnd, Calls::kWhole);
    const KernelOutputs plain =
        run_kernel(plain_case, *plain_kernel, decoded(inputs), Side::kEnd, Calls::kWhole);
    EXPECT_EQ(std::memcmp(found.c.data(), plain.c.data(), plain.c.size() * sizeof(float)), 0)
        << kernel_case.name << " " << testing::PrintToString(shape);
  }
}

// Of each kind of kernel (types, strategy, target) so many.
constexpr int kOfEachKind = 6;

TEST(CodebookKernels, GiveTheBitsOfDecodedWeights) {
  std::map<std::string, int> seen;
  for (const KernelCase& kernel_case : make_kernel_cases()) {
    const KernelSpec& spec = kernel_case.spec;
    if (!has_codebook(spec.types)) continue;
    const std::string kind = kernel_case.target.name + " " + std::string(to_text(spec.op)) + " " +
                             std::string(to_text(spec.types)) + " " +
                             std::string(to_text(spec.schedule.strategy)) +
                             (std::holds_alternative<Jam>(spec.format) ? " jammed" : "");
    if (seen[kind]++ >= kOfEachKind) continue;
    SCOPED_TRACE(kernel_case.name);
    const auto kernel = compile_and_load(kernel_case);
    ASSERT_TRUE(kernel) << kernel.error().message;
    ASSERT_NO_FATAL_FAILURE(expect_same_bits(kernel_case, *kernel));
    if (HasFailure()) return;
  }
  const bool has_kernels = !seen.empty();
  EXPECT_TRUE(!has_kernels || seen.size() >= 5U * 6) << seen.size();
}

}  // namespace
}  // namespace lacuna::test
