// SPDX-License-Identifier: Apache-2.0
//
// The C interface on elements other than f32: packing, queries, products of small numbers, which are exact.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "targets/base/bf16.h"
#include "tests/unit/engine/c_api_fixture.h"

namespace lacuna {
namespace {

using test::CApi;
using test::kK;
using test::kM;
using test::kN;

class CApiTypes : public CApi {
 protected:
  void TearDown() override {
    lacuna_plan_destroy(plan_);
    CApi::TearDown();
  }
  // Blocks of 8 x 8, the mask's own, where no format is named. Returns the status.
  lacuna_status plan_for(std::vector<lacuna_problem> problems, const char* format = nullptr) {
    lacuna_plan_destroy(plan_);
    plan_ = nullptr;
    lacuna_plan_options options{};
    options.struct_size = sizeof options;
    options.block_r = options.block_c = 8;
    options.exact = 1;
    options.format = format;
    return lacuna_plan_create(context_, mask_, problems.data(), problems.size(), &options, &plan_);
  }
  static lacuna_problem problem_of(std::int32_t types, std::int32_t op = LACUNA_OP_SPMM) {
    lacuna_problem problem = LACUNA_PROBLEM_INIT;
    problem.op = op;
    problem.n = kN;
    problem.types = types;
    return problem;
  }
  [[nodiscard]] bool is_weight(std::int64_t i, std::int64_t j) const {
    const std::vector<std::uint8_t> flags = {1, 0, 0, 1, 1, 0};  // as in the fixture
    return flags[static_cast<std::size_t>(i / 8 * 2 + j / 8)] != 0;
  }
  [[nodiscard]] std::size_t values_count() const {
    return static_cast<std::size_t>(lacuna_plan_values_count(plan_));
  }
  [[nodiscard]] std::string first_kernel() const { return lacuna_plan_kernel(plan_, 0); }

  lacuna_plan* plan_ = nullptr;
};

// -3 .. 3
float small(std::size_t i) {
  return static_cast<float>(i * 5 % 7) - 3.0F;
}

template <class Element>
std::vector<Element> small_numbers(std::size_t count) {
  std::vector<Element> numbers;
  for (std::size_t i = 0; i < count; ++i)
    numbers.push_back(static_cast<Element>(small(i)));
  return numbers;
}

template <class Element>
lacuna_operands operands_of(void* values, const std::vector<Element>& b, void* c) {
  lacuna_operands operands = LACUNA_OPERANDS_INIT;
  operands.values = values;
  operands.b = b.data();
  operands.c = c;
  operands.ldb = operands.ldc = operands.n = kN;
  return operands;
}

// In pairs, and one by one.
class CApiBf16 : public CApiTypes, public testing::WithParamInterface<const char*> {};

TEST_P(CApiBf16, IsMultiplied) {
  const std::string format = GetParam();
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_BF16)}, format.c_str()), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(first_kernel().rfind("spmm_" + format + "_bf16_brow_crow_", 0), 0U) << first_kernel();
  EXPECT_EQ(lacuna_plan_type_of_values(plan_, 0), LACUNA_TYPE_BF16);
  EXPECT_EQ(lacuna_plan_type_of_b(plan_, 0), LACUNA_TYPE_BF16);
  EXPECT_EQ(lacuna_plan_type_of_c(plan_, 0), LACUNA_TYPE_BF16);
  const std::vector<float> a = small_numbers<float>(kM * kK);
  std::vector<Bf16> values(values_count());
  ASSERT_EQ(lacuna_plan_pack(plan_, a.data(), kK, values.data()), LACUNA_OK) << lacuna_last_error();
  const std::vector<Bf16> b = small_numbers<Bf16>(kK * kN);
  std::vector<Bf16> c(kM * kN, Bf16(std::nanf("")));
  const lacuna_operands operands = operands_of(values.data(), b, c.data());
  ASSERT_EQ(lacuna_plan_execute(plan_, 0, &operands), LACUNA_OK) << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t n = 0; n < kN; ++n) {
      float sum = 0;
      for (std::int64_t j = 0; j < kK; ++j)
        if (is_weight(i, j))
          sum += a[static_cast<std::size_t>(i * kK + j)] *
                 static_cast<float>(b[static_cast<std::size_t>(j * kN + n)]);
      EXPECT_EQ(c[static_cast<std::size_t>(i * kN + n)], Bf16(sum));
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, CApiBf16, testing::Values("bsr8x8g2", "bsr8x1", "jam4"),
                         [](const auto& test) { return std::string(test.param); });

// A trainer's problems of mixed precision: values and their gradient differ in type.
TEST_F(CApiTypes, UnpacksTheGradientInItsOwnType) {
  ASSERT_EQ(
      plan_for({problem_of(LACUNA_TYPES_BF16), problem_of(LACUNA_TYPES_BF16_F32, LACUNA_OP_SDDMM)}),
      LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(lacuna_plan_type_of_values(plan_, 1), LACUNA_TYPE_F32);
  EXPECT_EQ(lacuna_plan_type_of_b(plan_, 1), LACUNA_TYPE_BF16);
  EXPECT_EQ(lacuna_plan_type_of_c(plan_, 1), LACUNA_TYPE_BF16);
  const std::vector<Bf16> b(kM * kN, Bf16(2.0F)), c(kK * kN, Bf16(3.0F));
  std::vector<float> gradient(values_count(), std::nanf("")), dense(kM * kK, std::nanf(""));
  lacuna_operands operands = LACUNA_OPERANDS_INIT;
  operands.values = gradient.data();
  operands.b = b.data();
  operands.c = const_cast<Bf16*>(c.data());
  operands.ldb = operands.ldc = operands.n = kN;
  ASSERT_EQ(lacuna_plan_execute(plan_, 1, &operands), LACUNA_OK) << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack_to(plan_, 1, gradient.data(), dense.data(), LACUNA_TYPE_F32, kK),
            LACUNA_OK)
      << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t j = 0; j < kK; ++j)
      EXPECT_EQ(dense[static_cast<std::size_t>(i * kK + j)], is_weight(i, j) ? 6.0F * kN : 0.0F);
}

TEST_F(CApiTypes, MultipliesBytes) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_S8_U8_F32)}), LACUNA_OK) << lacuna_last_error();
  EXPECT_NE(first_kernel().find("_s8u8f32_"), std::string::npos) << first_kernel();
  EXPECT_EQ(lacuna_plan_type_of_values(plan_, 0), LACUNA_TYPE_S8);
  EXPECT_EQ(lacuna_plan_type_of_b(plan_, 0), LACUNA_TYPE_U8);
  EXPECT_EQ(lacuna_plan_type_of_c(plan_, 0), LACUNA_TYPE_F32);
  const std::vector<std::int8_t> a = small_numbers<std::int8_t>(kM * kK);
  std::vector<std::int8_t> values(values_count());
  ASSERT_EQ(lacuna_plan_pack_from(plan_, 0, a.data(), LACUNA_TYPE_S8, kK, values.data()), LACUNA_OK)
      << lacuna_last_error();
  std::vector<std::uint8_t> b(kK * kN);
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<std::uint8_t>(i * 37);
  std::vector<float> c(kM * kN, std::nanf(""));
  const lacuna_operands operands = operands_of(values.data(), b, c.data());
  ASSERT_EQ(lacuna_plan_execute(plan_, 0, &operands), LACUNA_OK) << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t n = 0; n < kN; ++n) {
      int sum = 0;
      for (std::int64_t j = 0; j < kK; ++j)
        if (is_weight(i, j))
          sum += a[static_cast<std::size_t>(i * kK + j)] * b[static_cast<std::size_t>(j * kN + n)];
      EXPECT_EQ(c[static_cast<std::size_t>(i * kN + n)], static_cast<float>(sum));
    }
}

// Sums beyond what f32 holds, and, of the last row, beyond 32 bits: they wrap.
TEST_F(CApi, SumsBytesExactly) {
  constexpr std::int64_t kRows = 2, kLong = 67'000, kColumns = 3;
  const std::vector<float> ones(kRows * kLong, 1.0F);
  lacuna_mask* mask = nullptr;
  ASSERT_EQ(lacuna_mask_from_dense(kRows, kLong, ones.data(), kLong, &mask), LACUNA_OK);
  for (const std::int32_t layout : {LACUNA_ROW_MAJOR, LACUNA_COL_MAJOR}) {
    lacuna_problem problem = LACUNA_PROBLEM_INIT;
    problem.types = LACUNA_TYPES_S8_U8_S32;
    problem.layout_b = problem.layout_c = layout;
    problem.accumulate = 1;
    lacuna_plan* plan = nullptr;
    ASSERT_EQ(lacuna_plan_create(context_, mask, &problem, 1, nullptr, &plan), LACUNA_OK)
        << lacuna_last_error();
    EXPECT_EQ(lacuna_plan_type_of_c(plan, 0), LACUNA_TYPE_S32);
    std::vector<std::int8_t> a(kRows * kLong, -128),
        values(static_cast<std::size_t>(lacuna_plan_values_count(plan)));
    std::fill_n(a.begin(), kLong, std::int8_t{0});
    std::fill_n(a.begin(), 1000, std::int8_t{127});
    a[1000] = 1;
    EXPECT_EQ(lacuna_plan_pack_from(plan, 0, a.data(), LACUNA_TYPE_S8, kLong, values.data()),
              LACUNA_OK)
        << lacuna_last_error();
    const std::vector<std::uint8_t> b(kLong * kColumns, 255);
    std::vector<std::int32_t> c(kRows * kColumns, 17);
    lacuna_operands operands = LACUNA_OPERANDS_INIT;
    operands.values = values.data();
    operands.b = b.data();
    operands.c = c.data();
    operands.n = kColumns;
    operands.ldb = layout == LACUNA_ROW_MAJOR ? kColumns : kLong;
    operands.ldc = layout == LACUNA_ROW_MAJOR ? kColumns : kRows;
    EXPECT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
    const auto wrapped =
        static_cast<std::int32_t>(std::int64_t{-128} * 255 * kLong + 17 + (std::int64_t{1} << 32));
    for (std::size_t i = 0; i < c.size(); ++i) {
      const bool first = layout == LACUNA_ROW_MAJOR ? i < kColumns : i % kRows == 0;
      EXPECT_EQ(c[i], first ? 127 * 255 * 1000 + 255 + 17 : wrapped) << i;
    }
    lacuna_plan_destroy(plan);
  }
  lacuna_mask_destroy(mask);
}

TEST_F(CApiTypes, PackingRoundsToTheNearestElement) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_BF16)}), LACUNA_OK) << lacuna_last_error();
  std::vector<float> a(kM * kK, 1.0F);
  a[0] = 1.0F + 0x1p-8F;  // halfway between two of bf16: to the even one
  a[1] = 1.0F + 3 * 0x1p-8F;
  std::vector<Bf16> values(values_count());
  std::vector<float> back(kM * kK, -1.0F);
  ASSERT_EQ(lacuna_plan_pack(plan_, a.data(), kK, values.data()), LACUNA_OK) << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack(plan_, values.data(), back.data(), kK), LACUNA_OK);
  EXPECT_EQ(back[0], 1.0F);
  EXPECT_EQ(back[1], 1.0F + 0x1p-6F);
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_S8_S8_F32)}), LACUNA_OK) << lacuna_last_error();
  const std::vector<float> given = {2.5F, 3.5F, -2.5F, 127.4F, 1e9F, -1e9F, -128.0F, std::nanf("")};
  const std::vector<float> nearest = {2, 4, -2, 127, 127, -128, -128, 0};
  for (std::size_t i = 0; i < given.size(); ++i)
    a[i] = given[i];
  std::vector<std::int8_t> bytes(values_count());
  ASSERT_EQ(lacuna_plan_pack(plan_, a.data(), kK, bytes.data()), LACUNA_OK) << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack(plan_, bytes.data(), back.data(), kK), LACUNA_OK);
  for (std::size_t i = 0; i < given.size(); ++i)
    EXPECT_EQ(back[i], nearest[i]) << given[i];
}

TEST_F(CApiTypes, PackingCopiesElementsOfTheValuesType) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_BF16)}), LACUNA_OK) << lacuna_last_error();
  std::vector<Bf16> a = small_numbers<Bf16>(kM * kK), values(values_count()), back(kM * kK);
  a[3].bits = 0x7FA5;  // a signalling NaN: any arithmetic would quiet it
  ASSERT_EQ(lacuna_plan_pack_from(plan_, 0, a.data(), LACUNA_TYPE_BF16, kK, values.data()),
            LACUNA_OK)
      << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack_to(plan_, 0, values.data(), back.data(), LACUNA_TYPE_BF16, kK),
            LACUNA_OK)
      << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t j = 0; j < kK; ++j) {
      const auto at = static_cast<std::size_t>(i * kK + j);
      EXPECT_EQ(back[at].bits, is_weight(i, j) ? a[at].bits : 0);
    }
}

// Weights of small integers are kept exactly, and so are products of them; f32's sddmm shares the plan.
TEST_F(CApiTypes, MultipliesWeightsOfACodebook) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_C4_F32),
                      problem_of(LACUNA_TYPES_C4_F32, LACUNA_OP_SPMM_TRANSPOSED),
                      problem_of(LACUNA_TYPES_F32, LACUNA_OP_SDDMM)}),
            LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(first_kernel().rfind("spmm_bsr8x8_c4f32_brow_crow_", 0), 0U) << first_kernel();
  EXPECT_EQ(lacuna_plan_type_of_values(plan_, 0), LACUNA_TYPE_U8);
  EXPECT_EQ(lacuna_plan_type_of_b(plan_, 0), LACUNA_TYPE_F32);
  EXPECT_EQ(lacuna_plan_type_of_values(plan_, 2), LACUNA_TYPE_F32);
  const std::vector<float> a = small_numbers<float>(kM * kK), b = small_numbers<float>(kK * kN);
  std::vector<float> codebook(16, std::nanf(""));
  std::vector<std::uint8_t> indices(a.size()), values(values_count());
  ASSERT_EQ(lacuna_codebook_make(a.data(), kM * kK, 4, codebook.data(), indices.data()), LACUNA_OK)
      << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_pack_from(plan_, 0, indices.data(), LACUNA_TYPE_U8, kK, values.data()),
            LACUNA_OK)
      << lacuna_last_error();
  std::vector<float> c(kM * kN, std::nanf(""));
  lacuna_operands operands = operands_of(values.data(), b, c.data());
  EXPECT_FAULT(lacuna_plan_execute(plan_, 0, &operands), LACUNA_ERROR_INVALID_ARGUMENT,
               "codebook is null, c4f32 needs 16 entries");
  std::vector<float> shifted = codebook;
  shifted[0] = 0.5F;
  operands.codebook = shifted.data();
  EXPECT_FAULT(lacuna_plan_execute(plan_, 0, &operands), LACUNA_ERROR_INVALID_ARGUMENT,
               "codebook[0] is 0.5, not 0: index 0 stands for no weight");
  operands.codebook = codebook.data();
  ASSERT_EQ(lacuna_plan_execute(plan_, 0, &operands), LACUNA_OK) << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t n = 0; n < kN; ++n) {
      float sum = 0;
      for (std::int64_t j = 0; j < kK; ++j)
        if (is_weight(i, j))
          sum += a[static_cast<std::size_t>(i * kK + j)] * b[static_cast<std::size_t>(j * kN + n)];
      EXPECT_EQ(c[static_cast<std::size_t>(i * kN + n)], sum);
    }
}

TEST_F(CApiTypes, RefusesIndicesThatTheCodebookDoesNotHave) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_C5_F32)}), LACUNA_OK) << lacuna_last_error();
  std::vector<std::uint8_t> indices(kM * kK, 31), values(values_count());
  const auto pack = [&] {
    return lacuna_plan_pack_from(plan_, 0, indices.data(), LACUNA_TYPE_U8, kK, values.data());
  };
  EXPECT_EQ(pack(), LACUNA_OK) << lacuna_last_error();
  indices[0] = 32;
  EXPECT_FAULT(pack(), LACUNA_ERROR_INVALID_ARGUMENT,
               "value 0 is index 32, the codebook of c5f32 has 32 entries");
}

TEST_F(CApiTypes, ReportsBadCodebooks) {
  const std::vector<float> weights(4, 1.0F);
  std::vector<float> entries(256);
  std::vector<std::uint8_t> indices(4);
  EXPECT_FAULT(lacuna_codebook_make(weights.data(), 4, 9, entries.data(), indices.data()),
               LACUNA_ERROR_INVALID_ARGUMENT, "bits 9 is not in [4, 8]");
  EXPECT_FAULT(lacuna_codebook_make(weights.data(), -1, 4, entries.data(), indices.data()),
               LACUNA_ERROR_INVALID_ARGUMENT, "count -1 is not in [0, 1152921504606846976]");
  EXPECT_FAULT(lacuna_codebook_make(nullptr, 4, 4, entries.data(), indices.data()),
               LACUNA_ERROR_INVALID_ARGUMENT, "weights is null");
  EXPECT_FAULT(lacuna_codebook_make(weights.data(), 4, 4, nullptr, indices.data()),
               LACUNA_ERROR_INVALID_ARGUMENT, "codebook is null");
  EXPECT_FAULT(lacuna_codebook_make(weights.data(), 4, 4, entries.data(), nullptr),
               LACUNA_ERROR_INVALID_ARGUMENT, "indices is null");
  EXPECT_EQ(lacuna_codebook_make(nullptr, 0, 4, entries.data(), nullptr), LACUNA_OK);
}

TEST_F(CApiTypes, KnowsTheSizesOfTypes) {
  EXPECT_EQ(lacuna_type_bytes(LACUNA_TYPE_F32), 4);
  EXPECT_EQ(lacuna_type_bytes(LACUNA_TYPE_BF16), 2);
  EXPECT_EQ(lacuna_type_bytes(LACUNA_TYPE_S8), 1);
  EXPECT_EQ(lacuna_type_bytes(LACUNA_TYPE_U8), 1);
  EXPECT_EQ(lacuna_type_bytes(LACUNA_TYPE_S32), 4);
  EXPECT_EQ(lacuna_type_bytes(5), 0);
  EXPECT_EQ(lacuna_type_bytes(-1), 0);
}

TEST_F(CApiTypes, HasNoTypeForOperandsThatAreNotThere) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_F32)}), LACUNA_OK) << lacuna_last_error();
  for (const auto type_of :
       {lacuna_plan_type_of_values, lacuna_plan_type_of_b, lacuna_plan_type_of_c}) {
    EXPECT_EQ(type_of(plan_, 0), LACUNA_TYPE_F32);
    EXPECT_EQ(type_of(plan_, 1), -1);
    EXPECT_EQ(type_of(nullptr, 0), -1);
  }
}

TEST_F(CApiTypes, ReportsBadPacking) {
  ASSERT_EQ(plan_for({problem_of(LACUNA_TYPES_BF16)}), LACUNA_OK) << lacuna_last_error();
  std::vector<float> a(kM * kK);
  std::vector<Bf16> values(values_count());
  const auto pack = [&](std::size_t problem, std::int32_t type) {
    return lacuna_plan_pack_from(plan_, problem, a.data(), type, kK, values.data());
  };
  EXPECT_FAULT(pack(1, LACUNA_TYPE_F32), LACUNA_ERROR_INVALID_ARGUMENT,
               "problem 1 is not below the plan's 1");
  EXPECT_FAULT(pack(0, 5), LACUNA_ERROR_INVALID_ARGUMENT, "type 5 is not in [0, 4]");
  EXPECT_FAULT(pack(0, LACUNA_TYPE_S8), LACUNA_ERROR_INVALID_ARGUMENT,
               "a is of s8, but values of bf16 are packed from f32 or from bf16");
  EXPECT_FAULT(lacuna_plan_unpack_to(plan_, 0, values.data(), a.data(), LACUNA_TYPE_S32, kK),
               LACUNA_ERROR_INVALID_ARGUMENT,
               "a is of s32, but values of bf16 are packed from f32 or from bf16");
  EXPECT_FAULT(lacuna_plan_unpack_to(nullptr, 0, values.data(), a.data(), 0, kK),
               LACUNA_ERROR_INVALID_ARGUMENT, "plan is null");
}

TEST_F(CApiTypes, ReportsProblemsThatTypesDoNotAllow) {
  EXPECT_FAULT(plan_for({problem_of(LACUNA_TYPES_S8_S8_F32, LACUNA_OP_SDDMM)}),
               LACUNA_ERROR_UNSUPPORTED,
               "problem 0: s8s8f32 has no kernels for sddmm, only for spmm and spmm_transposed");
  EXPECT_FAULT(plan_for({problem_of(LACUNA_TYPES_BF16), problem_of(LACUNA_TYPES_F32)}),
               LACUNA_ERROR_INVALID_ARGUMENT,
               "problem 1 is of f32, problem 0 of bf16: they cannot share values");
}

}  // namespace
}  // namespace lacuna
