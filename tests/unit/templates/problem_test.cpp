// SPDX-License-Identifier: Apache-2.0
#include "templates/problem.h"

#include <gtest/gtest.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

TEST(Problem, EveryCombinationThatKernelsHaveIsLegal) {
  for (const auto& [op, op_name] : EnumNames<Op>::kNames)
    for (const auto& [b, b_name] : EnumNames<Layout>::kNames)
      for (const auto& [c, c_name] : EnumNames<Layout>::kNames)
        for (const Epilogue& epilogue :
             {Epilogue{}, Epilogue{.bias = true}, Epilogue{.gate = true}})
          for (const bool accumulate : {false, true}) {
            const Problem problem{.op = op,
                                  .m = 3,
                                  .k = 5,
                                  .layout_b = b,
                                  .layout_c = c,
                                  .epilogue = epilogue,
                                  .accumulate = accumulate};
            const bool legal = op != Op::kSddmm || epilogue.is_none();
            EXPECT_EQ(check_problem(problem).has_value(), legal)
                << op_name << " " << to_text(epilogue);
          }
}

TEST(Problem, EmptyAndLargestExtentsAreLegal) {
  EXPECT_TRUE(check_problem(Problem{}));
  EXPECT_TRUE(check_problem(Problem{.m = 2147483647, .k = 2147483647, .n = 2147483647}));
}

struct BadProblem {
  const char* name;
  Problem problem;
  ErrorCode code;
  const char* message;
};

class ProblemFaults : public ::testing::TestWithParam<BadProblem> {};

TEST_P(ProblemFaults, NameTheValueAndTheLimit) {
  const auto status = check_problem(GetParam().problem);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, GetParam().code);
  EXPECT_EQ(status.error().message, GetParam().message);
}

constexpr auto kBad = ErrorCode::kInvalidArgument;
INSTANTIATE_TEST_SUITE_P(
    All, ProblemFaults,
    ::testing::Values(
        BadProblem{"M", {.m = -1}, kBad, "m -1 is not from 0 to 2147483647"},
        BadProblem{"K", {.k = 2147483648}, kBad, "k 2147483648 is not from 0 to 2147483647"},
        BadProblem{"N", {.n = -5}, kBad, "n -5 is not from 0 to 2147483647"},
        BadProblem{"SddmmBias",
                   {.op = Op::kSddmm, .epilogue = {.bias = true}},
                   kBad,
                   "sddmm takes no epilogue, not bias"},
        BadProblem{"Op", {.op = static_cast<Op>(9)}, kBad, "op 9 is not a known value"},
        BadProblem{"Types",
                   {.types = static_cast<ElementTypes>(99)},
                   kBad,
                   "types 99 is not a known value"},
        BadProblem{"LayoutB",
                   {.layout_b = static_cast<Layout>(2)},
                   kBad,
                   "layout_b 2 is not a known value"},
        BadProblem{"LayoutC",
                   {.layout_c = static_cast<Layout>(2)},
                   kBad,
                   "layout_c 2 is not a known value"},
        BadProblem{"Activation",
                   {.epilogue = {.activation = static_cast<Activation>(99)}},
                   kBad,
                   "activation 99 is not a known value"},
        BadProblem{"Scale",
                   {.epilogue = {.scale = static_cast<Scale>(5)}},
                   kBad,
                   "scale 5 is not a known value"},
        BadProblem{"Derivative",
                   {.epilogue = {.derivative = true}},
                   kBad,
                   "a derivative needs an activation"},
        BadProblem{"GluOfAnotherOperation",
                   {.op = Op::kSpmmTransposed, .m = 4, .k = 4, .epilogue = {.glu = true}},
                   kBad,
                   "glu is for spmm, not for spmm_transposed"},
        BadProblem{"GluWithAccumulate",
                   {.m = 4, .k = 4, .epilogue = {.glu = true}, .accumulate = true},
                   kBad,
                   "glu does not accumulate: C has no place for the sums of both halves"},
        BadProblem{"GluOfOddRows",
                   {.m = 5, .k = 4, .epilogue = {.glu = true}},
                   kBad,
                   "m 5 is not even: glu needs the rows of the gate and as many below them"},
        BadProblem{"BytesOfSddmm",
                   {.op = Op::kSddmm, .m = 4, .k = 4, .types = ElementTypes::kS8S8F32},
                   ErrorCode::kUnsupported,
                   "s8s8f32 has no kernels for sddmm, only for spmm and spmm_transposed"},
        BadProblem{"CodebookOfSddmm",
                   {.op = Op::kSddmm, .m = 4, .k = 4, .types = ElementTypes::kC4F32},
                   ErrorCode::kUnsupported,
                   "c4f32 has no kernels for sddmm: a gradient has no codebook, ask for f32"},
        BadProblem{"EpilogueOfSums",
                   {.m = 4, .k = 4, .types = ElementTypes::kS8S8S32, .epilogue = {.bias = true}},
                   kBad,
                   "s8s8s32 takes no epilogue, not bias: results are sums"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lacuna
