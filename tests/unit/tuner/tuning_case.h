// SPDX-License-Identifier: Apache-2.0
//
// What the tuner's tests share: an engine on this host, a small mask, and a folder of their own for records.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "runtime/engine.h"

namespace lacuna {

inline Mask blocky_mask(std::int64_t m = 96, std::int64_t k = 80, double density = 0.3) {
  auto mask = make_random_block_mask(m, k, 16, 8, density, 3);
  EXPECT_TRUE(mask) << mask.error().message;
  return std::move(mask).value();
}

inline Problem problem_of(const Mask& mask, Op op, std::int64_t n = 48) {
  Problem problem;
  problem.op = op;
  problem.m = mask.m();
  problem.k = mask.k();
  problem.n = n;
  return problem;
}

// Sets LACUNA_HOME to a fresh folder for the test's life. Tests run in one thread.
class TuningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!load_code_generator()) GTEST_SKIP() << load_code_generator().error().message;
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    home_ = std::filesystem::temp_directory_path() /
            ("lacuna-tuner-test-" + std::to_string(getpid())) / info->name();
    std::filesystem::remove_all(home_);
    if (const char* const old = std::getenv("LACUNA_HOME")) old_home_ = old;
    setenv("LACUNA_HOME", home_.c_str(), 1);
    EngineOptions options;
    options.threads = 1;
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(engine).value();
    request_.mask = &mask_;
    request_.target = engine_->target();
    request_.threads = 1;
  }
  void TearDown() override {
    if (old_home_) setenv("LACUNA_HOME", old_home_->c_str(), 1);
    std::filesystem::remove_all(home_);
  }

  Mask mask_ = blocky_mask();
  PlanRequest request_;
  std::unique_ptr<Engine> engine_;
  std::filesystem::path home_;
  std::optional<std::string> old_home_;
};

}  // namespace lacuna
