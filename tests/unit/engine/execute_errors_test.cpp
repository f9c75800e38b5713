// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/problem.h"
#include "tests/unit/engine/engine_fixture.h"

namespace lacuna {
namespace {

using test::EngineFixture;
using test::make_mask;
using test::make_problem;
using test::make_request;
using test::Product;

struct BadOperand {
  const char* name;
  std::size_t
      problem;  // 0: spmm, row-major, scale_columns_bias; 1: spmm, column-major, all of an epilogue; 2: sddmm
  std::function<void(Operands&)> spoil;
  const char* message;
};

class ExecuteError : public EngineFixture, public testing::WithParamInterface<BadOperand> {};

// A is 40 x 24, n is 10.
TEST_P(ExecuteError, NamesOperandValueAndLimit) {
  const auto engine = make_engine();
  const Mask mask = make_mask(40, 24, 0.5);
  Problem with_bias = make_problem(mask);
  with_bias.epilogue = {.scale = Scale::kColumns, .bias = true};
  Problem col_major = make_problem(mask);
  col_major.layout_b = col_major.layout_c = Layout::kColMajor;
  col_major.epilogue = {.scale = Scale::kRowsColumns,
                        .bias = true,
                        .activation = Activation::kSilu,
                        .derivative = true,
                        .gate = true,
                        .residual = true};
  const auto plan = ExecutablePlan::create(
      *engine, make_request(mask, {with_bias, col_major, make_problem(mask, Op::kSddmm)}));
  ASSERT_TRUE(plan) << plan.error().message;
  const std::size_t index = std::min<std::size_t>(GetParam().problem, 2);
  Product product(**plan, index, mask, 10);
  Operands operands = product.operands();
  GetParam().spoil(operands);
  const auto done = (*plan)->execute(GetParam().problem, operands);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(done.error().message, GetParam().message);
  // The same call with good operands works.
  ASSERT_TRUE((*plan)->execute(index, product.operands()));
  product.verify(**plan);
}

INSTANTIATE_TEST_SUITE_P(
    ExecutablePlan, ExecuteError,
    testing::Values(
        BadOperand{"NoSuchProblem", 3, [](Operands&) {}, "problem 3 is not below the plan's 3"},
        BadOperand{"NegativeN", 0, [](Operands& o) { o.n = -1; }, "n -1 is negative"},
        BadOperand{"NullValues", 0, [](Operands& o) { o.values = nullptr; }, "values is null"},
        BadOperand{"NullB", 0, [](Operands& o) { o.b = nullptr; }, "b is null"},
        BadOperand{"NullC", 0, [](Operands& o) { o.c = nullptr; }, "c is null"},
        BadOperand{"NullBias", 0, [](Operands& o) { o.bias = nullptr; },
                   "bias is null, the epilogue is scale_columns_bias"},
        BadOperand{"NullScaleOfColumns", 0, [](Operands& o) { o.scale_columns = nullptr; },
                   "scale_columns is null, the epilogue is scale_columns_bias"},
        BadOperand{
            "NullScaleOfBoth", 1, [](Operands& o) { o.scale_columns = nullptr; },
            "scale_columns is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{"NullCOfSddmm", 2, [](Operands& o) { o.c = nullptr; }, "c is null"},
        BadOperand{"ShortRowsOfB", 0, [](Operands& o) { o.ldb = 9; },
                   "ldb 9 is less than the 10 columns of a row_major b"},
        BadOperand{"ShortRowsOfC", 0, [](Operands& o) { o.ldc = 9; },
                   "ldc 9 is less than the 10 columns of a row_major c"},
        BadOperand{"ShortColumnsOfB", 1, [](Operands& o) { o.ldb = 23; },
                   "ldb 23 is less than the 24 rows of a col_major b"},
        BadOperand{"ShortColumnsOfC", 1, [](Operands& o) { o.ldc = 39; },
                   "ldc 39 is less than the 40 rows of a col_major c"},
        BadOperand{"NullScale", 1, [](Operands& o) { o.scale = nullptr; },
                   "scale is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{"NullBiasOfMany", 1, [](Operands& o) { o.bias = nullptr; },
                   "bias is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{
            "NullPreactivation", 1, [](Operands& o) { o.preactivation = nullptr; },
            "preactivation is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{"NullGate", 1, [](Operands& o) { o.gate = nullptr; },
                   "gate is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{"NullResidual", 1, [](Operands& o) { o.residual = nullptr; },
                   "residual is null, the epilogue is scale_rows_columns_bias_dsilu_gate_residual"},
        BadOperand{"ShortColumnsOfPreactivation", 1, [](Operands& o) { o.ld_preactivation = 39; },
                   "ld_preactivation 39 is less than the 40 rows of a col_major preactivation"},
        BadOperand{"ShortColumnsOfGate", 1, [](Operands& o) { o.ld_gate = 0; },
                   "ld_gate 0 is less than the 40 rows of a col_major gate"},
        BadOperand{"ShortColumnsOfResidual", 1, [](Operands& o) { o.ld_residual = -40; },
                   "ld_residual -40 is less than the 40 rows of a col_major residual"},
        BadOperand{"HugeStrideOfGate", 1, [](Operands& o) { o.ld_gate = std::int64_t{1} << 60; },
                   "ld_gate 1152921504606846976 x 10 lines of gate exceed the address space"},
        BadOperand{"HugeStride", 0, [](Operands& o) { o.ldb = std::int64_t{1} << 60; },
                   "ldb 1152921504606846976 x 24 lines of b exceed the address space"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lacuna
