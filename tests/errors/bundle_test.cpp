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
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "targets/host.h"
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
  void write() {
    const auto files = cli::write_bundle(request_, "", bundle_.path());
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_FALSE(files->empty());
    for (const fs::path& file : *files)
      EXPECT_TRUE(fs::exists(file)) << file;
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
  write();
  EXPECT_EQ(serve({1, 2, 3, 4, 7, 8, 15, 16, 31, 64, 100, 1000, 4096}), "served");
}

TEST_F(BundleTest, HoldsWhatReplacesARejectedKernel) {
  write();
  std::int64_t largest = 0;
  for (const auto& item : fs::directory_iterator(bundle_.path())) {
    largest = std::max(largest, static_cast<std::int64_t>(item.file_size()));
    fs::remove(item.path());
  }
  constexpr std::int64_t kHeaderBytes = 48;
  request_.target.code_limit_bytes = largest - kHeaderBytes - 1;
  write();
  expect_choice_ = false;
  EXPECT_EQ(serve({1, 8, 64}), "served");
  const auto is_rejection = [](const auto& item) { return item.path().extension() == ".lkr"; };
  EXPECT_TRUE(std::any_of(fs::directory_iterator(bundle_.path()), {}, is_rejection));
}

}  // namespace
}  // namespace lacuna::test
