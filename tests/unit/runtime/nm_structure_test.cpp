// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_structure.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/abi.h"
#include "templates/format.h"

namespace lacuna {
namespace {

// Conforms to the format; a quarter of the weights that it allows are missing.
Mask conforming_mask(std::int64_t m, std::int64_t k, const NofM& nm) {
  std::mt19937 random(5);
  const Mask full = make_random_nm_mask(m, k, nm.n, nm.m, 3).value();
  auto builder = MaskBuilder::create(m, k).value();
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      if (full.at(i, j) && random() % 4 != 0) builder.insert(i, j);
  return std::move(builder).finish();
}

const std::vector<NofM>& formats() {
  static const std::vector<NofM> kFormats = {{1, 2}, {2, 3},  {2, 4},  {1, 5},
                                             {4, 8}, {1, 16}, {3, 17}, {31, 32}};
  return kFormats;
}

class NmStructureOf : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

TEST_P(NmStructureOf, PacksAndUnpacksTheMatrix) {
  const auto [m, k] = GetParam();
  for (const NofM& nm : formats()) {
    SCOPED_TRACE(to_text(nm));
    const Mask mask = conforming_mask(m, k, nm);
    std::vector<float> dense(static_cast<std::size_t>(m * k));
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < k; ++j)
        if (mask.at(i, j))
          dense[static_cast<std::size_t>(i * k + j)] = static_cast<float>(1 + i * k + j);
    const auto s = make_structure(mask, nm);
    ASSERT_TRUE(s) << s.error().message;
    EXPECT_EQ(format_of(*s), Format{nm});
    EXPECT_TRUE(is_exact(*s, mask));
    std::vector<float> values(static_cast<std::size_t>(values_count(*s)), -1.0F);
    pack_values(*s, dense.data(), k, DType::kF32, values.data());
    std::vector<float> found(dense.size(), -1.0F);
    unpack_values(*s, DType::kF32, values.data(), found.data(), k);
    EXPECT_EQ(found, dense);
    std::int64_t last = -1;
    std::int64_t weights = 0;
    double packed = 0;
    for_each_weight(*s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
      EXPECT_GT(index, last);  // in the order of the values
      last = index;
      ++weights;
      packed += values[static_cast<std::size_t>(index)];
      EXPECT_EQ(values[static_cast<std::size_t>(index)],
                dense[static_cast<std::size_t>(row * k + col)]);
    });
    EXPECT_EQ(weights, mask.nnz());
    double all = 0;
    for (const float value : values)
      all += value;
    EXPECT_EQ(all, packed) << "what is no weight is not zero";
  }
}

TEST_P(NmStructureOf, IsCountedExactlyWithoutBeingMade) {
  const auto [m, k] = GetParam();
  for (const NofM& nm : formats()) {
    const Mask mask = conforming_mask(m, k, nm);
    const Structure s = make_structure(mask, nm).value();
    const Format format = nm;
    const StoredCounts counted = count_stored(mask, std::span(&format, 1)).front();
    EXPECT_EQ(counted.weights, values_count(s)) << to_text(nm);
    const auto& stored = std::get<NmStructure>(s);
    EXPECT_EQ(counted.blocks, stored.panels() * stored.groups()) << to_text(nm);
  }
}

TEST_P(NmStructureOf, StoresDistinctAscendingColumnsOfEachGroup) {
  const auto [m, k] = GetParam();
  for (const NofM& nm : formats()) {
    const auto s = make_nm_structure(conforming_mask(m, k, nm), nm).value();
    EXPECT_EQ(static_cast<std::int64_t>(s.by_row.origin.size()),
              s.by_row.ptr.back() + kOriginPadding);
    EXPECT_EQ(s.by_row.panels(), s.panels());
    for (std::int64_t group = 0; group < s.panels() * s.groups(); ++group)
      for (std::int64_t i = 0; i < kNmPanelRows; ++i)
        for (std::int64_t slot = group * nm.n; slot < (group + 1) * nm.n; ++slot) {
          ASSERT_LT(s.index_at(slot, i), nm.m);
          const bool first = slot == group * nm.n;
          ASSERT_TRUE(first || s.index_at(slot, i) > s.index_at(slot - 1, i));
        }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NmStructureOf,
                         testing::Values(std::pair{1, 1}, std::pair{3, 70}, std::pair{16, 64},
                                         std::pair{37, 129}, std::pair{100, 5}, std::pair{0, 8},
                                         std::pair{8, 0}));

// Row i of 16 keeps column i % m of the only group.
std::vector<std::uint32_t> words_of_diagonal(const NofM& nm) {
  auto builder = MaskBuilder::create(16, nm.m).value();
  for (std::int64_t i = 0; i < 16; ++i)
    builder.insert(i, i % nm.m);
  const auto s = make_nm_structure(builder.mask(), nm).value();
  std::vector<std::uint32_t> words(s.by_row.origin.begin(), s.by_row.origin.end() - kOriginPadding);
  return words;
}

// The words that format.h promises.
TEST(NmStructure, PacksIndicesAsKernelsShiftThem) {
  using Words = std::vector<std::uint32_t>;
  EXPECT_EQ(words_of_diagonal({1, 4}), (Words{0xE4E4E4E4}));
  // Even rows in word 0, odd ones in word 1, row 0 and 1 lowest.
  EXPECT_EQ(words_of_diagonal({1, 16}), (Words{0xECA86420, 0xFDB97531}));
  // Rows i, i + 4, i + 8, i + 12 in word i.
  EXPECT_EQ(words_of_diagonal({1, 32}), (Words{0x0C080400, 0x0D090501, 0x0E0A0602, 0x0F0B0703}));
}

TEST(NmStructure, FillsUpWithTheLowestOtherColumns) {
  auto builder = MaskBuilder::create(1, 6).value();
  builder.insert(0, 2);
  const auto s = make_nm_structure(builder.mask(), {2, 4}).value();
  EXPECT_EQ(s.values_count(), 2 * 2 * 16);
  EXPECT_EQ(s.index_at(0, 0), 0);
  EXPECT_EQ(s.index_at(1, 0), 2);
  EXPECT_EQ(s.owned, (std::vector<std::uint16_t>{0, 1, 0, 0}));
  for (std::int64_t i = 1; i < 16; ++i)
    EXPECT_EQ(s.index_at(1, i), 1);
  std::vector<float> values(64, 5.0F);
  clear_unowned(Structure{s}, DType::kF32, values.data());
  EXPECT_EQ(values[16], 5.0F);
  values[16] = 0;
  EXPECT_EQ(values, std::vector<float>(64, 0.0F));
}

TEST(NmStructure, RefusesMasksThatDoNotConform) {
  const Mask mask = make_random_nm_mask(20, 16, 3, 8, 1).value();
  const auto s = make_structure(mask, NofM{2, 8});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(s.error().message,
            "format nm2of8: row 0 has weights in 3 of the columns 0 to 7, 2:8 allows 2");
}

TEST(NmStructure, RefusesFormatsOutOfRange) {
  const Mask mask = make_random_nm_mask(4, 8, 2, 4, 1).value();
  for (const NofM& nm : {NofM{0, 4}, NofM{4, 4}, NofM{1, 1}, NofM{1, 33}}) {
    const auto s = make_structure(mask, nm);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().message, std::to_string(nm.n) + " of " + std::to_string(nm.m) +
                                     " columns is not N of M with 1 <= N < M <= 32");
  }
}

TEST(NmStructure, RefusesMoreWeightsThanItsIndexHolds) {
  const Mask mask = MaskBuilder::create(std::int64_t{1} << 27, 1).value().mask();
  const auto s = make_nm_structure(mask, {31, 32});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().message,
            "format nm31of32 of 134217728 x 1 stores 4160749568 weights, limit 2147483647");
}

}  // namespace
}  // namespace lacuna
