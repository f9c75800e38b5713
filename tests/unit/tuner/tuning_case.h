// SPDX-License-Identifier: Apache-2.0
//
// What the tuner's tests share: an engine on this host, a small mask, and a folder of their own for records.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "runtime/engine.h"
#include "tests/unit/targets/temp_folder.h"

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
    EngineOptions options;
    options.threads = 1;
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(engine).value();
    request_.mask = &mask_;
    request_.target = engine_->target();
    request_.threads = 1;
  }

  testing::TempFolder home_;
  testing::ScopedEnv env_{"LACUNA_HOME", home_.path().c_str()};
  Mask mask_ = blocky_mask();
  PlanRequest request_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace lacuna
