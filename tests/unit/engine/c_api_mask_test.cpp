// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"

namespace lacuna {
namespace {

// A pattern that lives as long as the call it is made for.
struct Pattern {
  lacuna_n_of_m value;
  operator const lacuna_n_of_m*() const { return &value; }
};
Pattern of_pattern(std::int32_t n, std::int32_t m, std::int32_t v) {
  return {{sizeof(lacuna_n_of_m), n, m, v}};
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
  Pattern sizeless = of_pattern(2, 4, 1);
  sizeless.value.struct_size = 0;
  EXPECT_EQ(lacuna_mask_prune_n_of_m(2, 6, a.data(), 6, sizeless, &pruned),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "pattern.struct_size 0 is not in [8, 4096]");
}

}  // namespace
}  // namespace lacuna
