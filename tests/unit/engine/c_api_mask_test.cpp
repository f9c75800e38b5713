// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna {
namespace {

// A pattern that lives as long as the call it is made for.
struct Pattern {
  lacuna_n_of_m value;
  operator const lacuna_n_of_m*() const { return &value; }
};
Pattern of_pattern(std::int32_t n, std::int32_t m, std::int32_t v) {
  return {{sizeof(lacuna_n_of_m), n, m, v, 0}};
}

TEST(CApiMask, RefusesPatternsOfLaterVersions) {
  const std::vector<float> a = {1, -2, 3, -4};
  Pattern pattern = of_pattern(2, 4, 1);
  pattern.value.reserved = 1;
  lacuna_mask* pruned = nullptr;
  EXPECT_EQ(lacuna_mask_prune_n_of_m(1, 4, a.data(), 4, pattern, &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "reserved 1 is not in [0, 0]");
}

TEST(CApiMask, PrunesToNOfMAndChecksIt) {
  const std::vector<float> a = {1, -2, 3, -4, 5, 0, 0, 0, 0, 0, 2, 1};
  lacuna_mask* pruned = nullptr;
  ASSERT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, of_pattern(2, 4, 1), &pruned), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(lacuna_mask_rows(pruned), 2);
  EXPECT_EQ(lacuna_mask_columns(pruned), 6);
  EXPECT_EQ(lacuna_mask_nnz(pruned), 2 * (2 + 1));
  EXPECT_EQ(lacuna_mask_check_n_of_m(pruned, of_pattern(2, 4, 1)), LACUNA_OK);
  EXPECT_EQ(lacuna_mask_check_n_of_m(pruned, of_pattern(1, 4, 1)), LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "row 0 has weights in 2 of the columns 0 to 3, 1:4 allows 1");
  EXPECT_EQ(lacuna_mask_check_n_of_m(pruned, of_pattern(2, 4, 2)), LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(
      lacuna_last_error(),
      "rows 0 to 1 together have weights in 4 of the columns 0 to 3, 2:4 by 2 rows allows 2");
  lacuna_mask_destroy(pruned);
  ASSERT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, of_pattern(2, 4, 2), &pruned), LACUNA_OK);
  EXPECT_EQ(lacuna_mask_check_n_of_m(pruned, of_pattern(2, 4, 2)), LACUNA_OK);
  lacuna_mask_destroy(pruned);
}

TEST(CApiMask, ReportsWhatPruningCannotDo) {
  const std::vector<float> a(12, 1.0F);
  lacuna_mask* pruned = nullptr;
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, of_pattern(4, 4, 1), &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "pattern 4:4: 4 of a group is not in [1, 3]");
  EXPECT_EQ(pruned, nullptr);
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, nullptr, 6, of_pattern(2, 4, 1), &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "a is null");
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 5, of_pattern(2, 4, 1), &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "lda 5 is less than k 6");
  EXPECT_EQ(lacuna_mask_check_n_of_m(nullptr, of_pattern(2, 4, 1)), LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "mask is null");
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, nullptr, &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "pattern is null");
  lacuna_n_of_m sizeless = *of_pattern(2, 4, 1);
  sizeless.struct_size = 0;
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, &sizeless, &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "pattern.struct_size 0 is not in [8, 4096]");
}

// From dense weights to a product with one column: the pattern's own format.
TEST(CApiMask, APrunedMaskIsDecodedInItsFormat) {
  constexpr std::int64_t kM = 70, kK = 130;
  const test::TempCache cache;
  const std::string folder = cache.path().string();
  lacuna_context_options options{};
  options.struct_size = sizeof options;
  options.cache_folder = folder.c_str();
  lacuna_context* context = nullptr;
  ASSERT_EQ(lacuna_context_create(&options, &context), LACUNA_OK) << lacuna_last_error();
  std::vector<float> a(kM * kK), b(kK), c(kM, -1.0F);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<float>(i * 7 % 23) - 11;  // products of integers are exact
  for (std::size_t j = 0; j < b.size(); ++j)
    b[j] = static_cast<float>(j % 5) - 2;
  lacuna_mask* mask = nullptr;
  ASSERT_EQ(lacuna_mask_prune_n_of_m(kM, kK, a.data(), kK, of_pattern(2, 8, 1), &mask), LACUNA_OK);
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.n = 1;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context, mask, &problem, 1, nullptr, &plan), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_STREQ(lacuna_plan_format(plan), "nm2of8");
  ASSERT_EQ(lacuna_plan_values_count(plan), 80 * 17 * 2);
  std::vector<float> values(80 * 17 * 2), pruned(kM * kK);
  ASSERT_EQ(lacuna_plan_pack(plan, a.data(), kK, values.data()), LACUNA_OK);
  ASSERT_EQ(lacuna_plan_unpack(plan, values.data(), pruned.data(), kK), LACUNA_OK);
  lacuna_operands operands = LACUNA_OPERANDS_INIT;
  operands.values = values.data();
  operands.b = b.data();
  operands.ldb = 1;
  operands.c = c.data();
  operands.ldc = 1;
  operands.n = 1;
  ASSERT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
  for (std::size_t i = 0; i < kM; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < kK; ++j)
      sum += pruned[i * kK + j] * b[j];
    EXPECT_EQ(c[i], sum) << i;
  }
  lacuna_plan_destroy(plan);

  problem.op = LACUNA_OP_SDDMM;
  lacuna_plan_options pinned{};
  pinned.struct_size = sizeof pinned;
  pinned.format = "nm2of8";
  EXPECT_EQ(lacuna_plan_create(context, mask, &problem, 1, &pinned, &plan),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "format nm2of8 has kernels for spmm only, not for sddmm");
  lacuna_mask_destroy(mask);
  lacuna_context_destroy(context);
}

}  // namespace
}  // namespace lacuna
