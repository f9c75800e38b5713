// SPDX-License-Identifier: Apache-2.0
//
// The option structs of the C interface: older and newer callers, fields that are out of range.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "tests/unit/engine/c_api_fixture.h"

namespace lacuna {
namespace {

using test::CApi;
using test::kK;
using test::kM;
using test::kN;
using test::make_operands;

// What a program built against another version passes.
struct NewerOptions {
  lacuna_plan_options known;
  std::int64_t unknown;
};

TEST_F(CApi, AcceptsOlderAndNewerCallers) {
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  lacuna_plan_options older{};
  older.struct_size = offsetof(lacuna_plan_options, exact);
  older.block_r = older.block_c = 8;
  older.exact = 77;  // beyond struct_size: not read
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &older, &plan), LACUNA_OK)
      << lacuna_last_error();
  lacuna_plan_destroy(plan);
  NewerOptions newer{};
  newer.known.struct_size = sizeof newer;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &newer.known, &plan), LACUNA_OK)
      << lacuna_last_error();
  lacuna_plan_destroy(plan);
  newer.unknown = 1;
  EXPECT_FAULT(lacuna_plan_create(context_, mask_, &problem, 1, &newer.known, &plan),
               LACUNA_ERROR_UNSUPPORTED, "options sets a field this version does not know");
}

// Problems and operands of programs built before epilogues were composed: what lies behind them is not read.
TEST_F(CApi, AcceptsTheStructsOfTheFirstVersion) {
  constexpr std::size_t kFirstProblem = 40, kFirstOperands = 64;
  ASSERT_EQ(offsetof(lacuna_problem, scale), kFirstProblem);
  ASSERT_EQ(offsetof(lacuna_operands, scale), kFirstOperands);
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.struct_size = kFirstProblem;
  problem.epilogue = LACUNA_EPILOGUE_BIAS_RELU;
  problem.activation = problem.gate = 77;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, nullptr, &plan), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_TRUE(std::string(lacuna_plan_kernel(plan, 0)).ends_with("_bias_relu"));
  std::vector<float> values(static_cast<std::size_t>(lacuna_plan_values_count(plan)));
  std::vector<float> b(kK * kN, 1.0F), c(kM * kN), bias(kM, 4.0F);
  lacuna_operands operands = make_operands(values, b, c, kN);
  operands.struct_size = kFirstOperands;
  operands.bias = bias.data();
  operands.ld_gate = -77;
  EXPECT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
  EXPECT_EQ(c, std::vector<float>(c.size(), 4.0F));
  operands.struct_size = kFirstOperands - 8;
  EXPECT_FAULT(lacuna_plan_execute(plan, 0, &operands), LACUNA_ERROR_INVALID_ARGUMENT,
               "operands.struct_size 56 is less than 64");
  lacuna_plan_destroy(plan);
}

struct NewerOperands {
  lacuna_operands known;
  std::int64_t unknown;
};

TEST_F(CApi, RefusesOperandsWithAFieldItDoesNotKnow) {
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, nullptr, &plan), LACUNA_OK)
      << lacuna_last_error();
  std::vector<float> values(static_cast<std::size_t>(lacuna_plan_values_count(plan)), 1.0F);
  std::vector<float> b(kK * kN, 1.0F), c(kM * kN);
  NewerOperands newer{};
  newer.known = make_operands(values, b, c, kN);
  newer.known.struct_size = sizeof newer;
  EXPECT_EQ(lacuna_plan_execute(plan, 0, &newer.known), LACUNA_OK) << lacuna_last_error();
  newer.unknown = 1;
  EXPECT_FAULT(lacuna_plan_execute(plan, 0, &newer.known), LACUNA_ERROR_UNSUPPORTED,
               "operands sets a field this version does not know");
  lacuna_plan_destroy(plan);
}

}  // namespace
}  // namespace lacuna
