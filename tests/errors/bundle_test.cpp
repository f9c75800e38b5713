// SPDX-License-Identifier: Apache-2.0
//
// Ahead-of-time bundles, used as on a machine without a code generator and with an empty cache: each case in a child.
#include "tuner/cli/bundle.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <initializer_list>
#include <stdlib.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "targets/host.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/problem.h"
#include "tests/errors/child_process.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna::test {
namespace {

namespace fs = std::filesystem;

Target host_target() {
  auto host = describe_host();
  EXPECT_TRUE(host) << host.error().message;
  return host->target;
}

// In a child, so that this process and the later ones hold no code generator.
void write_bundle(const PlanRequest& request, const fs::path& folder) {
  const std::string fault = text_of_child([&] {
    const auto files = cli::write_bundle(request, "", folder);
    if (!files) return files.error().message;
    return std::string(std::ranges::all_of(*files, [](const fs::path& f) { return fs::exists(f); })
                           ? ""
                           : "a file is missing");
  });
  ASSERT_EQ(fault, "");
  ASSERT_FALSE(fs::is_empty(folder));
}

// One row-major spmm and its weight gradient over few columns, where the number of threads changes the choice.
class BundleTest : public testing::Test {
 protected:
  BundleTest() : mask_(make_random_block_mask(512, 512, 8, 4, 0.3, 1).value()) {
    request_.mask = &mask_;
    request_.problems.resize(2);
    request_.problems[1].op = Op::kSddmm;
    for (Problem& problem : request_.problems) {
      problem.m = problem.k = 512;
      problem.n = 16;
    }
    request_.target = host_target();
  }
  // "served" if each number of threads finds its kernels in the bundle.
  [[nodiscard]] std::string serve(std::initializer_list<std::int32_t> threads) const {
    return text_of_child([&]() -> std::string {
      setenv("LACUNA_CODEGEN_PLUGIN", "/nowhere/plugin.so", 1);
      for (const std::int32_t count : threads)
        if (const std::string fault = fault_with(count); !fault.empty())
          return fmt::format("{} threads: {}", count, fault);
      return "served";
    });
  }

  Mask mask_;
  PlanRequest request_;
  TempCache bundle_;

 private:
  [[nodiscard]] std::string fault_with(std::int32_t threads) const {
    EngineOptions options;
    options.target = request_.target;
    options.cache_folder = "";
    options.bundle_folders = {bundle_.path()};
    options.threads = threads;
    const auto engine = Engine::create(options);
    if (!engine) return engine.error().message;
    PlanRequest request = request_;
    request.threads = threads;
    const auto chosen = (*engine)->planner().plan(request);
    if (!chosen) return chosen.error().message;
    const auto plan = ExecutablePlan::create(**engine, request);
    if (!plan) return plan.error().message;
    if (!expect_choice_ || (*plan)->plan() == *chosen) return "";
    return "another plan than the planner's";
  }

 protected:
  bool expect_choice_ = true;
};

TEST_F(BundleTest, ServesEveryNumberOfThreads) {
  request_.threads = 2;
  write_bundle(request_, bundle_.path());
  EXPECT_EQ(serve({1, 2, 3, 4, 7, 8, 15, 16, 31, 64, 100, 1000, 4096}), "served");
}

TEST_F(BundleTest, HoldsWhatReplacesARejectedKernel) {
  write_bundle(request_, bundle_.path());
  std::int64_t largest = 0;
  for (const auto& item : fs::directory_iterator(bundle_.path())) {
    largest = std::max(largest, static_cast<std::int64_t>(item.file_size()));
    fs::remove(item.path());
  }
  constexpr std::int64_t kHeaderBytes = 48;
  request_.target.code_limit_bytes = largest - kHeaderBytes - 1;
  write_bundle(request_, bundle_.path());
  expect_choice_ = false;
  EXPECT_EQ(serve({1, 8, 64}), "served");
  const auto is_rejection = [](const auto& item) { return item.path().extension() == ".lkr"; };
  EXPECT_TRUE(std::any_of(fs::directory_iterator(bundle_.path()), {}, is_rejection));
}

// What a framework's program does with a bundle made elsewhere for a machine of a given name.
std::string multiply_through_c(const char* bundle, const char* target) {
  lacuna_context_options options{};
  options.struct_size = sizeof options;
  options.cache_folder = "";
  options.bundle_folder = bundle;
  options.target = target;
  lacuna_context* context = nullptr;
  if (lacuna_context_create(&options, &context) != LACUNA_OK) return lacuna_last_error();
  const std::vector<float> dense(40 * 40, 1.0F);
  lacuna_mask* mask = nullptr;
  if (lacuna_mask_from_dense(40, 40, dense.data(), 40, &mask) != LACUNA_OK)
    return lacuna_last_error();
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  if (lacuna_plan_create(context, mask, &problem, 1, nullptr, &plan) != LACUNA_OK)
    return lacuna_last_error();
  std::vector<float> values(static_cast<std::size_t>(lacuna_plan_values_count(plan)));
  const std::vector<float> b(40 * 8, 2.0F);
  std::vector<float> c(40 * 8);
  lacuna_operands operands = LACUNA_OPERANDS_INIT;
  operands.values = values.data();
  operands.b = b.data();
  operands.c = c.data();
  operands.ldb = operands.ldc = operands.n = 8;
  if (lacuna_plan_pack(plan, dense.data(), 40, values.data()) != LACUNA_OK ||
      lacuna_plan_execute(plan, 0, &operands) != LACUNA_OK)
    return lacuna_last_error();
  const bool right = std::ranges::all_of(c, [](float x) { return x == 80.0F; });
  const std::string kernel = lacuna_plan_kernel(plan, 0);
  lacuna_plan_destroy(plan);
  lacuna_mask_destroy(mask);
  lacuna_context_destroy(context);
  return right ? kernel : "wrong";
}

TEST(BundleOfATarget, ServesAContextOfThatTarget) {
  const TempCache bundle;
  const std::vector<float> dense(40 * 40, 1.0F);
  const auto mask = Mask::from_dense(40, 40, dense, 40);
  const auto target = find_target("x86-64-v3");
  ASSERT_TRUE(mask && target);
  PlanRequest request;
  request.mask = &*mask;
  request.problems = {Problem{.m = 40, .k = 40}};
  request.target = *target;
  write_bundle(request, bundle.path());
  const auto multiply = [&](const char* name) {
    return text_of_child([&] {
      setenv("LACUNA_CODEGEN_PLUGIN", "/nowhere/plugin.so", 1);
      return multiply_through_c(bundle.path().c_str(), name);
    });
  };
  EXPECT_NE(multiply("x86-64-v3").find("_x86_64_v3_"), std::string::npos) << multiply("x86-64-v3");
  EXPECT_EQ(multiply(nullptr).rfind("no code generator", 0), 0U);
  EXPECT_EQ(multiply("z80").rfind("no target 'z80', known are: ", 0), 0U);
  EXPECT_EQ(multiply("neoverse-v1").rfind("target neoverse-v1 ", 0), 0U) << multiply("neoverse-v1");
}

}  // namespace
}  // namespace lacuna::test
