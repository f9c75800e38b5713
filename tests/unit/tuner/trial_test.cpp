// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "tests/unit/tuner/tuning_case.h"
#include "tuner/baseline.h"

namespace lacuna {
namespace {

TEST(ElementBuffer, IsAlignedAndSized) {
  const auto buffer = ElementBuffer::make(DType::kF32, 100);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer->size(), 100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 64, 0U);
  EXPECT_TRUE(ElementBuffer::make(DType::kF32, 0));
}

TEST(ElementBuffer, RoundsToItsType) {
  auto buffer = ElementBuffer::make(DType::kBf16, 2).value();
  EXPECT_EQ(buffer.at(1), 0.0F);
  buffer.set(1, 1.0F + 0x1p-8F);  // half-way between two neighbours: to the even one
  EXPECT_EQ(buffer.at(1), 1.0F);
  buffer.set(1, 1.0F + 0x1.8p-7F);
  EXPECT_EQ(buffer.at(1), 1.0F + 0x1p-6F);
  EXPECT_EQ(buffer.at(0), 0.0F);
}

TEST(ElementBuffer, TooMuchIsAnError) {
  const auto buffer = ElementBuffer::make(DType::kF32, std::int64_t{1} << 58);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code, ErrorCode::kIo);
  EXPECT_EQ(buffer.error().message, "no memory for 1152921504606846976 bytes of operands");
}

TEST(TrialWeight, DependsOnThePlace) {
  EXPECT_EQ(trial_weight(3, 4), trial_weight(3, 4));
  EXPECT_NE(trial_weight(3, 4), trial_weight(4, 3));
}

// Values of A in a format, unpacked, are the trial's weights on the mask and zero elsewhere, edge blocks included.
TEST(Trial, MakesTheSameMatrixInEveryFormat) {
  const Mask mask = blocky_mask(50, 37);
  const auto trial = Trial::make(mask, problem_of(mask, Op::kSpmm, 8));
  ASSERT_TRUE(trial) << trial.error().message;
  for (const Format& format : {Format{Bsr{1, 1}}, Format{Bsr{16, 8}}, Format{Bsr{7, 5}},
                               Format{Bsr{50, 37}}, Format{Jam{4}}}) {
    const auto structure = make_structure(mask, format);
    ASSERT_TRUE(structure) << structure.error().message;
    const auto values = trial->make_values(*structure);
    ASSERT_TRUE(values);
    std::vector<float> dense(50 * 37);
    unpack_values(*structure, DType::kF32, values->data(), dense.data(), 37);
    for (std::int64_t i = 0; i < 50; ++i)
      for (std::int64_t j = 0; j < 37; ++j)
        ASSERT_EQ(dense[static_cast<std::size_t>(i * 37 + j)],
                  mask.at(i, j) ? trial_weight(i, j) : 0.0F)
            << to_text(format) << " at " << i << ", " << j;
  }
}

struct DenseCase {
  Op op;
  Layout layout_b, layout_c;
};

class DenseCheckTest : public ::testing::TestWithParam<DenseCase> {};

// A plain product in double over the dense operands that a baseline gets, through make_gemm_call.
void run_gemm(const GemmCall& g) {
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < g.k; ++l)
        sum += static_cast<double>(g.trans_a ? g.a[l * g.lda + i] : g.a[i * g.lda + l]) *
               static_cast<double>(g.trans_b ? g.b[j * g.ldb + l] : g.b[l * g.ldb + j]);
      g.c[i * g.ldc + j] = static_cast<float>(sum);
    }
}

TEST_P(DenseCheckTest, GemmCallComputesTheProblemAndErrorsAreSeen) {
  const Mask mask = blocky_mask(33, 29);
  Problem problem = problem_of(mask, GetParam().op, 11);
  problem.layout_b = GetParam().layout_b;
  problem.layout_c = GetParam().layout_c;
  auto trial = Trial::make(mask, problem);
  ASSERT_TRUE(trial) << trial.error().message;
  std::vector<float> dense(33 * 29);
  for (std::int64_t i = 0; i < 33; ++i)
    for (std::int64_t j = 0; j < 29; ++j)
      if (mask.at(i, j)) dense[static_cast<std::size_t>(i * 29 + j)] = trial_weight(i, j);
  const auto unused = ElementBuffer::make(DType::kF32, 1);
  const Operands x = trial->operands(*unused);
  const GemmCall call = make_gemm_call(
      problem, 11,
      {dense.data(), static_cast<const float*>(x.b), x.ldb, static_cast<float*>(x.c), x.ldc});
  run_gemm(call);
  const auto good = trial->check_dense(dense.data());
  EXPECT_TRUE(good) << good.error().message;
  // Any sampled output that is off, or NaN, is found and named.
  call.c[0] = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t i = 0; i < 29; ++i)
    call.c[i] += 0.5F;
  const auto bad = trial->check_dense(dense.data());
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInternal);
  EXPECT_TRUE(bad.error().message.starts_with("wrong result at row ")) << bad.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, DenseCheckTest,
    ::testing::Values(DenseCase{Op::kSpmm, Layout::kRowMajor, Layout::kRowMajor},
                      DenseCase{Op::kSpmm, Layout::kColMajor, Layout::kColMajor},
                      DenseCase{Op::kSpmm, Layout::kRowMajor, Layout::kColMajor},
                      DenseCase{Op::kSpmm, Layout::kColMajor, Layout::kRowMajor},
                      DenseCase{Op::kSpmmTransposed, Layout::kRowMajor, Layout::kRowMajor},
                      DenseCase{Op::kSpmmTransposed, Layout::kColMajor, Layout::kColMajor},
                      DenseCase{Op::kSddmm, Layout::kRowMajor, Layout::kRowMajor},
                      DenseCase{Op::kSddmm, Layout::kColMajor, Layout::kColMajor},
                      DenseCase{Op::kSddmm, Layout::kColMajor, Layout::kRowMajor}),
    [](const auto& test) {
      return std::string(to_text(test.param.op)) + "_b_" +
             std::string(to_text(test.param.layout_b)) + "_c_" +
             std::string(to_text(test.param.layout_c));
    });

// The libraries compute the same product; without them the error names the package.
TEST(SgemmBaseline, AgreesWithTheReferenceOrSaysWhatToInstall) {
  for (const GemmLibrary library : {GemmLibrary::kOpenBlas, GemmLibrary::kOneDnn}) {
    const auto opened = SgemmBaseline::open(library, 1);
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
      EXPECT_NE(opened.error().message.find("apt-get install "), std::string::npos);
      continue;
    }
    EXPECT_TRUE(opened->version().starts_with(to_text(library))) << opened->version();
    const std::vector<float> a = {1, 2, 3, 4, 5, 6};
    const std::vector<float> b = {1, 0, 2, 1, 0, 3};
    std::vector<float> c(4, 100.0F);
    opened->run({.m = 2,
                 .n = 2,
                 .k = 3,
                 .a = a.data(),
                 .lda = 3,
                 .b = b.data(),
                 .ldb = 2,
                 .beta = 1,
                 .c = c.data(),
                 .ldc = 2});
    EXPECT_EQ(c, (std::vector<float>{105, 111, 114, 123})) << opened->version();
    opened->run({.trans_b = true,
                 .m = 2,
                 .n = 2,
                 .k = 3,
                 .a = a.data(),
                 .lda = 3,
                 .b = b.data(),
                 .ldb = 3,
                 .c = c.data(),
                 .ldc = 2});
    EXPECT_EQ(c, (std::vector<float>{7, 10, 16, 22})) << opened->version();
  }
}

class TrialOnKernelsTest : public TuningTest {};

TEST_F(TrialOnKernelsTest, AcceptsARightPlanAndKeepsItsOperands) {
  Problem problem = problem_of(mask_, Op::kSpmm, 21);
  problem.epilogue = {.bias = true, .activation = Activation::kRelu};
  request_.problems = {problem};
  const auto plan = ExecutablePlan::create(*engine_, request_);
  ASSERT_TRUE(plan) << plan.error().message;
  auto trial = Trial::make(mask_, problem);
  ASSERT_TRUE(trial) << trial.error().message;
  for (int i = 0; i < 2; ++i) {
    const auto checked = trial->check(**plan, 0);
    EXPECT_TRUE(checked) << checked.error().message;
  }
}

// Whole plans of narrow elements, as the default planner makes them: one storage format for all three operations, an odd
// number of columns, edge blocks.
TEST_F(TrialOnKernelsTest, AcceptsPlansOfPairs) {
  const Mask mask = blocky_mask(90, 76);
  request_.mask = &mask;
  for (const ElementTypes types : {ElementTypes::kBf16, ElementTypes::kBf16F32})
    for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
      request_.problems.clear();
      for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm}) {
        Problem problem = problem_of(mask, op, 21);
        problem.types = types;
        problem.layout_b = problem.layout_c = layout;
        request_.problems.push_back(problem);
      }
      const auto plan = ExecutablePlan::create(*engine_, request_);
      ASSERT_TRUE(plan) << plan.error().message;
      EXPECT_EQ(group_of((*plan)->plan().format), 2);
      for (std::size_t i = 0; i < request_.problems.size(); ++i) {
        auto trial = Trial::make(mask, request_.problems[i]);
        ASSERT_TRUE(trial) << trial.error().message;
        const auto checked = trial->check(**plan, i);
        EXPECT_TRUE(checked) << (*plan)->kernel_name_of(i) << ": " << checked.error().message;
      }
    }
}

TEST_F(TrialOnKernelsTest, AcceptsPlansOfBytes) {
  const bool in_fours = multiplies_groups(ElementTypes::kS8S8F32, engine_->target());
  const Mask blocky = blocky_mask(90, 76);
  const Mask unstructured = make_random_block_mask(90, 77, 1, 1, 0.3, 1).value();
  for (const Mask* const mask : {&blocky, &unstructured})
    for (const ElementTypes types :
         {ElementTypes::kS8S8F32, ElementTypes::kS8U8Bf16, ElementTypes::kS8S8S32})
      for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor})
        for (const Op op : {Op::kSpmm, Op::kSpmmTransposed}) {
          Problem problem = problem_of(*mask, op, 21);
          problem.types = types;
          // Sums of s32 on top of any number of 32 bits: they wrap, and nothing is rounded.
          problem.accumulate = types == ElementTypes::kS8S8S32;
          if (!problem.accumulate) problem.epilogue.scale = Scale::kRowsColumns;
          problem.layout_b = problem.layout_c = layout;
          request_.mask = mask;
          request_.problems = {problem};
          const auto plan = ExecutablePlan::create(*engine_, request_);
          ASSERT_TRUE(plan) << plan.error().message;
          if (mask == &blocky && op == Op::kSpmm && in_fours) {
            EXPECT_EQ(group_of((*plan)->plan().format), 4);
          }
          auto trial = Trial::make(*mask, problem);
          ASSERT_TRUE(trial) << trial.error().message;
          const auto checked = trial->check(**plan, 0);
          EXPECT_TRUE(checked) << (*plan)->kernel_name_of(0) << ": " << checked.error().message;
        }
}

TEST_F(TrialOnKernelsTest, AcceptsPlansOfBothHalves) {
  const Mask mask = blocky_mask(96, 77);
  request_.mask = &mask;
  for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor}) {
    Problem problem = problem_of(mask, Op::kSpmm, 21);
    problem.epilogue = parse_epilogue("scale_rows_columns_bias_gelu_erf_glu_residual").value();
    problem.layout_b = problem.layout_c = layout;
    request_.problems = {problem};
    const auto plan = ExecutablePlan::create(*engine_, request_);
    ASSERT_TRUE(plan) << plan.error().message;
    auto trial = Trial::make(mask, problem);
    ASSERT_TRUE(trial) << trial.error().message;
    const auto checked = trial->check(**plan, 0);
    EXPECT_TRUE(checked) << (*plan)->kernel_name_of(0) << ": " << checked.error().message;
  }
}

TEST_F(TrialOnKernelsTest, AcceptsPlansOfCodebooks) {
  for (const ElementTypes types : {ElementTypes::kC4F32, ElementTypes::kC8F32})
    for (const Op op : {Op::kSpmm, Op::kSpmmTransposed}) {
      Problem problem = problem_of(mask_, op, 21);
      problem.types = types;
      problem.accumulate = true;
      request_.mask = &mask_;
      request_.problems = {problem};
      const auto plan = ExecutablePlan::create(*engine_, request_);
      ASSERT_TRUE(plan) << plan.error().message;
      auto trial = Trial::make(mask_, problem);
      ASSERT_TRUE(trial) << trial.error().message;
      const auto checked = trial->check(**plan, 0);
      EXPECT_TRUE(checked) << (*plan)->kernel_name_of(0) << ": " << checked.error().message;
    }
}

// A plan for another mask computes other numbers: the check must say so.
TEST_F(TrialOnKernelsTest, RefusesWrongNumbers) {
  const Problem problem = problem_of(mask_, Op::kSpmm, 21);
  const Mask other = make_random_block_mask(96, 80, 16, 8, 0.3, 4).value();
  request_.mask = &other;
  request_.problems = {problem};
  const auto plan = ExecutablePlan::create(*engine_, request_);
  ASSERT_TRUE(plan) << plan.error().message;
  auto trial = Trial::make(mask_, problem);
  ASSERT_TRUE(trial) << trial.error().message;
  const auto checked = trial->check(**plan, 0);
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().message.starts_with("wrong result at row "))
      << checked.error().message;
}

}  // namespace
}  // namespace lacuna
