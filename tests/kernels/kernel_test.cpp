// SPDX-License-Identifier: Apache-2.0
//
// Every kernel of the registry (sampled schedules) against the reference. Follows the registry by itself.
#include "codegen/kernel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <signal.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_case.h"

namespace lacuna::test {
namespace {

// A kernel that touches a guard page kills the process: name it first.
std::array<char, 512> running{};

void announce(const std::string& text) {
  running.fill(0);
  std::memcpy(running.data(), text.data(), std::min(text.size(), running.size() - 2));
  running[std::min(text.size(), running.size() - 2)] = '\n';
}

void name_culprit(int /*signal*/) {
  if (write(STDERR_FILENO, running.data(), std::strlen(running.data())) < 0) _exit(1);
}

class Kernel : public testing::TestWithParam<KernelCase> {
 protected:
  static void SetUpTestSuite() {
    struct sigaction action = {};
    action.sa_handler = name_culprit;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second fault ends the process
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL})
      sigaction(signal, &action, nullptr);
  }
};

bool same_bytes(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

Result<LoadedKernel> compile_and_load(const KernelCase& kernel_case) {
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const CompiledKernel object, generator->compile(kernel_case.spec, kernel_case.target));
  return LoadedKernel::load(object);
}

TEST_P(Kernel, MatchesReference) {
  const KernelCase& kernel_case = GetParam();
  const auto kernel = compile_and_load(kernel_case);
  ASSERT_TRUE(kernel) << kernel.error().message;

  for (const RunShape& shape : shapes_of(kernel_case)) {
    SCOPED_TRACE(testing::PrintToString(shape));
    announce(kernel_case.name + " " + testing::PrintToString(shape));
    const KernelInputs inputs = make_inputs(kernel_case, shape);
    const KernelOutputs whole = run_kernel(kernel_case, *kernel, inputs, Side::kEnd, Calls::kWhole);
    verify(kernel_case, inputs, whole);
    const KernelOutputs split =
        run_kernel(kernel_case, *kernel, inputs, Side::kStart, Calls::kSplit);
    EXPECT_TRUE(same_bytes(whole.c, split.c) && same_bytes(whole.values, split.values))
        << "the result depends on how the call is split, or on alignment";
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, Kernel, testing::ValuesIn(make_kernel_cases()),
                         [](const auto& test) { return test.param.name; });

// Four vectors of columns are two tiles of two for nv = 3; split behind the third they are a tile of three and one of
// one, which once was summed in another order.
TEST(ScatterKernel, ASplitThatLeavesOneVectorChangesNoBit) {
  const auto host = find_target("host");
  if (!host) GTEST_SKIP() << host.error().message;
  KernelSpec spec;
  spec.op = Op::kSpmmTransposed;
  spec.format = Bsr{16, 1};
  std::vector<KernelCase> cases;
  for (const Schedule& schedule : enumerate_schedules(spec, *host)) {
    if (schedule.strategy != Strategy::kScatter || schedule.nv != 3 || schedule.pack) continue;
    spec.schedule = schedule;
    cases.push_back({spec, *host, kernel_name(spec, host->name)});
  }
  ASSERT_FALSE(cases.empty());
  RunShape shape;
  shape.m = 48;
  shape.k = 40;
  shape.n = 4 * host->f32_lanes();
  for (const KernelCase& kernel_case : cases) {
    const auto kernel = compile_and_load(kernel_case);
    ASSERT_TRUE(kernel) << kernel.error().message;
    const KernelInputs inputs = make_inputs(kernel_case, shape);
    const KernelOutputs whole = run_kernel(kernel_case, *kernel, inputs, Side::kEnd, Calls::kWhole);
    const KernelOutputs split = run_kernel(kernel_case, *kernel, inputs, Side::kEnd, Calls::kSplit);
    verify(kernel_case, inputs, whole);
    EXPECT_TRUE(same_bytes(whole.c, split.c)) << kernel_case.name;
  }
}

// The suite is empty only where no kernel can run at all.
TEST(KernelCases, ExistOnThisHost) {
  if (auto host = describe_host(); !host) GTEST_SKIP() << host.error().message;
  EXPECT_GT(make_kernel_cases().size(), 1000U);
}

}  // namespace
}  // namespace lacuna::test
