// SPDX-License-Identifier: Apache-2.0
//
// lacuna.hpp on the shared library alone: only what an installed program has.
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.hpp"

namespace {

static_assert(!std::is_copy_constructible_v<lacuna::Plan> &&
              std::is_nothrow_move_constructible_v<lacuna::Plan>);

lacuna::Context make_context() {
  lacuna::ContextOptions options;
  options.cache_folder = "";
  options.threads = 1;
  return lacuna::Context(options);
}

// Small integers: every sum is exact.
std::vector<float> integers(std::size_t count) {
  std::vector<float> v(count);
  for (std::size_t i = 0; i < count; ++i)
    v[i] = static_cast<float>(i * 5 % 9) - 4.0F;
  return v;
}

TEST(CppApi, RunsForwardBackwardAndWeightGradient) {
  constexpr std::int64_t kM = 20, kK = 12, kN = 9;
  const lacuna::Context context = make_context();
  const lacuna::Mask mask =
      lacuna::Mask::from_blocks(kM, kK, 4, 4, {1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(mask.rows(), kM);
  EXPECT_EQ(mask.columns(), kK);
  EXPECT_EQ(mask.nnz(), 7 * 16);
  lacuna::Problem forward, input_gradient, weight_gradient;
  forward.layout_c = lacuna::Layout::kColMajor;
  input_gradient.op = lacuna::Op::kSpmmTransposed;
  weight_gradient.op = lacuna::Op::kSddmm;
  lacuna::PlanOptions options;
  options.format = "bsr4x4";
  options.exact = true;
  const lacuna::Plan plan(context, mask, {forward, input_gradient, weight_gradient}, options);
  EXPECT_EQ(plan.format(), "bsr4x4");
  EXPECT_EQ(plan.provenance(), "default");
  EXPECT_EQ(plan.kernel(1).rfind("spmm_transposed_bsr4x4_", 0), 0U);
  EXPECT_EQ(plan.values_count(), mask.nnz());

  const std::vector<float> dense = integers(kM * kK), x = integers(kK * kN), dy = integers(kM * kN);
  const std::vector<float> values = plan.pack(dense.data(), kK);
  const std::vector<float> a = plan.unpack(values.data());
  std::vector<float> y(kM * kN, std::nanf("")), dx(kK * kN, std::nanf("")),
      dw(values.size(), std::nanf(""));
  plan.spmm(0, values.data(), {x.data(), kN}, {y.data(), kM}, kN);
  plan.spmm(1, values.data(), {dy.data(), kN}, {dx.data(), kN}, kN);
  plan.sddmm(2, dw.data(), {dy.data(), kN}, {x.data(), kN}, kN);

  const auto at = [](const std::vector<float>& v, std::int64_t i, std::int64_t j, std::int64_t ld) {
    return v[static_cast<std::size_t>(i * ld + j)];
  };
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::int64_t i = 0; i < kM; ++i) {
      float sum = 0;
      for (std::int64_t j = 0; j < kK; ++j)
        sum += at(a, i, j, kK) * at(x, j, n, kN);
      EXPECT_EQ(at(y, n, i, kM), sum);
    }
    for (std::int64_t j = 0; j < kK; ++j) {
      float sum = 0;
      for (std::int64_t i = 0; i < kM; ++i)
        sum += at(a, i, j, kK) * at(dy, i, n, kN);
      EXPECT_EQ(at(dx, j, n, kN), sum);
    }
  }
  const std::vector<float> gradient = plan.unpack(dw.data());
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t j = 0; j < kK; ++j) {
      float sum = 0;
      for (std::int64_t n = 0; n < kN; ++n)
        sum += at(dy, i, n, kN) * at(x, j, n, kN);
      EXPECT_TRUE(at(gradient, i, j, kK) == sum || at(gradient, i, j, kK) == 0);
    }
}

// The two halves of SwiGLU on one mask: up = W B, and relu in silu's place, so that all is exact: relu(W B + bias) * up.
TEST(CppApi, ComposesEpilogues) {
  constexpr std::int64_t kM = 8, kK = 4, kN = 5;
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(kM, kK, 4, 4, {1, 1});
  lacuna::Problem up, gated;
  gated.epilogue = {.bias = true, .activation = lacuna::Activation::kRelu, .gate = true};
  const lacuna::Plan plan(context, mask, {up, gated});
  EXPECT_TRUE(plan.kernel(1).ends_with("_bias_relu_gate"));
  const std::vector<float> dense = integers(kM * kK), x = integers(kK * kN), bias = integers(kM);
  const std::vector<float> values = plan.pack(dense.data(), kK);
  std::vector<float> u(kM * kN), y(kM * kN, std::nanf(""));
  plan.spmm(0, values.data(), {x.data(), kN}, {u.data(), kN}, kN);
  lacuna::EpilogueOperands operands;
  operands.bias = bias.data();
  operands.gate = {u.data(), kN};
  plan.spmm(1, values.data(), {x.data(), kN}, {y.data(), kN}, kN, operands);
  for (std::size_t i = 0; i < u.size(); ++i) {
    const float z = u[i] + bias[i / kN];
    EXPECT_EQ(y[i], (z < 0 ? 0 : z) * u[i]);
  }
  EXPECT_THROW(plan.spmm(1, values.data(), {x.data(), kN}, {y.data(), kN}, kN, bias.data()),
               lacuna::Exception);  // no gate
}

// A gated layer as one product: the rows of the gate, then those that it multiplies; relu, so that all is exact.
TEST(CppApi, MultipliesTheHalvesOfAGatedLayer) {
  constexpr std::int64_t kM = 8, kK = 4, kN = 5;
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(2 * kM, kK, 4, 4, {1, 0, 1, 1});
  lacuna::Problem gated, plain;
  gated.epilogue = {.bias = true, .activation = lacuna::Activation::kRelu, .glu = true};
  const lacuna::Plan plan(context, mask, {gated, plain});
  EXPECT_TRUE(plan.kernel(0).ends_with("_bias_relu_glu"));
  const std::vector<float> dense = integers(2 * kM * kK), x = integers(kK * kN),
                           bias = integers(2 * kM);
  const std::vector<float> values = plan.pack(dense.data(), kK);
  std::vector<float> sums(2 * kM * kN), y(kM * kN, std::nanf(""));
  plan.spmm(1, values.data(), {x.data(), kN}, {sums.data(), kN}, kN);
  plan.spmm(0, values.data(), {x.data(), kN}, {y.data(), kN}, kN, bias.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float gate = sums[i] + bias[i / kN], up = sums[i + y.size()] + bias[i / kN + kM];
    EXPECT_EQ(y[i], (gate < 0 ? 0 : gate) * up);
  }
}

// Every other part, on one mask: 2 * W x * relu'(h) + residual, and rows of C scaled one by one.
TEST(CppApi, PassesEveryOperandOfAnEpilogue) {
  constexpr std::int64_t kM = 8, kK = 4, kN = 5;
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(kM, kK, 4, 4, {1, 1});
  lacuna::Problem plain, slope, scaled, by_token;
  slope.epilogue = {.scale = lacuna::Scale::kFactor,
                    .activation = lacuna::Activation::kRelu,
                    .derivative = true,
                    .residual = true};
  scaled.epilogue = {.scale = lacuna::Scale::kRows};
  by_token.epilogue = {.scale = lacuna::Scale::kRowsColumns};
  const lacuna::Plan plan(context, mask, {plain, slope, scaled, by_token});
  EXPECT_TRUE(plan.kernel(1).ends_with("_scale_drelu_residual"));
  EXPECT_TRUE(plan.kernel(2).ends_with("_scale_rows"));
  const std::vector<float> dense = integers(kM * kK), x = integers(kK * kN), h = integers(kM * kN),
                           residual = integers(kM * kN + 3), rows = integers(kM);
  const std::vector<float> values = plan.pack(dense.data(), kK);
  std::vector<float> sums(kM * kN), y(kM * kN, std::nanf("")), z(kM * kN, std::nanf(""));
  plan.spmm(0, values.data(), {x.data(), kN}, {sums.data(), kN}, kN);
  const float two = 2;
  lacuna::EpilogueOperands operands;
  operands.scale = &two;
  operands.preactivation = {h.data(), kN};
  operands.residual = {residual.data() + 3, kN};
  plan.spmm(1, values.data(), {x.data(), kN}, {y.data(), kN}, kN, operands);
  lacuna::EpilogueOperands of_rows;
  of_rows.scale = rows.data();
  plan.spmm(2, values.data(), {x.data(), kN}, {z.data(), kN}, kN, of_rows);
  const std::vector<float> columns = {3, -1, 2, 0, 5};
  of_rows.scale_columns = columns.data();
  std::vector<float> w(kM * kN, std::nanf(""));
  plan.spmm(3, values.data(), {x.data(), kN}, {w.data(), kN}, kN, of_rows);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_EQ(w[i], z[i] * columns[i % kN]);
    EXPECT_EQ(y[i], (h[i] > 0 ? 2 * sums[i] : 0) + residual[i + 3]);
    EXPECT_EQ(z[i], sums[i] * rows[i / kN]);
  }
}

// Small integers are numbers of bf16; so is every sum here.
TEST(CppApi, MultipliesBf16) {
  constexpr std::int64_t kM = 8, kK = 4, kN = 5;
  const auto bf16 = [](float value) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  };
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(kM, kK, 4, 4, {1, 1});
  lacuna::Problem problem, gradient;
  problem.types = lacuna::Types::kBf16;
  gradient.types = lacuna::Types::kBf16F32;
  gradient.op = lacuna::Op::kSddmm;
  const lacuna::Plan plan(context, mask, {problem, gradient});
  EXPECT_EQ(plan.type_of_values(0), lacuna::Type::kBf16);
  EXPECT_EQ(plan.type_of_values(1), lacuna::Type::kF32);
  EXPECT_EQ(plan.type_of_b(1), lacuna::Type::kBf16);
  EXPECT_EQ(plan.type_of_c(0), lacuna::Type::kBf16);
  const std::vector<float> dense = integers(kM * kK);
  std::vector<std::uint16_t> narrow, b(kK * kN, bf16(1.0F)), c(kM * kN);
  for (const float weight : dense)
    narrow.push_back(bf16(weight));
  const auto values = plan.pack<std::uint16_t>(dense.data(), kK);
  EXPECT_EQ(values, plan.pack_elements(narrow.data(), kK));
  EXPECT_EQ(plan.unpack(values.data()), dense);
  plan.spmm(0, values.data(), {b.data(), kN}, {c.data(), kN}, kN);
  for (std::size_t i = 0; i < kM; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < kK; ++j)
      sum += dense[i * kK + j];
    EXPECT_EQ(c[i * kN], bf16(sum));
  }
}

TEST(CppApi, MultipliesWeightsOfACodebook) {
  constexpr std::int64_t kM = 8, kK = 4, kN = 5;
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(kM, kK, 4, 4, {1, 1});
  lacuna::Problem problem;
  problem.types = lacuna::Types::kC4F32;
  const lacuna::Plan plan(context, mask, {problem});
  const std::vector<float> dense = integers(kM * kK), b(kK * kN, 1.0F);
  const lacuna::Codebook codebook = lacuna::Codebook::make(dense.data(), kM * kK, 4);
  const auto values = plan.pack_elements(codebook.indices.data(), kK);
  std::vector<float> c(kM * kN, std::nanf(""));
  plan.spmm(0, {values.data(), codebook.entries.data()}, {b.data(), kN}, {c.data(), kN}, kN);
  for (std::size_t i = 0; i < kM; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < kK; ++j)
      sum += dense[i * kK + j];
    EXPECT_EQ(c[i * kN], sum);
  }
  EXPECT_THROW((void)lacuna::Codebook::make(dense.data(), kM * kK, 40), lacuna::Exception);
  EXPECT_THROW((void)lacuna::Codebook::make(dense.data(), -1, 4), lacuna::Exception);
}

TEST(CppApi, PlansMoveAndOutliveTheirMask) {
  const lacuna::Context context = make_context();
  std::vector<lacuna::Plan> plans;
  {
    const std::vector<float> ones(16, 1.0F);
    const lacuna::Mask mask = lacuna::Mask::from_dense(4, 4, ones.data(), 4);
    plans.emplace_back(context, mask, std::vector<lacuna::Problem>{{}});
  }
  const lacuna::Plan plan = std::move(plans.front());
  const std::vector<float> a(16, 2.0F), b(4, 1.0F);
  std::vector<float> c(4);
  plan.spmm(0, plan.pack(a.data(), 4).data(), {b.data(), 1}, {c.data(), 1}, 1);
  EXPECT_EQ(c, std::vector<float>(4, 8.0F));
}

template <class F>
void expect_exception(F&& function, lacuna_status status, const std::string& message) {
  try {
    function();
    FAIL() << "no exception";
  } catch (const lacuna::Exception& e) {
    EXPECT_EQ(e.status(), status);
    EXPECT_EQ(e.what(), message);
  }
}

TEST(CppApi, PrunesToNOfM) {
  const std::vector<float> a = {1, 2, 3, 4, 4, 3, 2, 1};
  const lacuna::Mask mask = lacuna::Mask::prune_n_of_m(2, 4, a.data(), 4, {2, 4});
  EXPECT_EQ(mask.nnz(), 4);
  mask.check_n_of_m({2, 4});
  expect_exception(
      [&] { mask.check_n_of_m({2, 4, 2}); }, LACUNA_ERROR_INVALID_ARGUMENT,
      "rows 0 to 1 together have weights in 4 of the columns 0 to 3, 2:4 by 2 rows allows 2");
  lacuna::Mask::prune_n_of_m(2, 4, a.data(), 4, {2, 4, 2}).check_n_of_m({2, 4, 2});
  expect_exception([&] { (void)lacuna::Mask::prune_n_of_m(2, 4, a.data(), 4, {2, 64}); },
                   LACUNA_ERROR_INVALID_ARGUMENT, "pattern 2:64: the group 64 is not in [2, 32]");
}

TEST(CppApi, ThrowsStatusAndMessage) {
  expect_exception([] { (void)lacuna::Mask::from_csr(2, 2, {0, 1}, {0}); },
                   LACUNA_ERROR_INVALID_ARGUMENT, "row_ptr does not fit m and col_idx");
  expect_exception([] { (void)lacuna::Mask::from_blocks(8, 8, 4, 4, {1}); },
                   LACUNA_ERROR_INVALID_ARGUMENT, "flags does not have one element for each block");
  const lacuna::Context context = make_context();
  const lacuna::Mask mask = lacuna::Mask::from_blocks(8, 8, 4, 4, {1, 1, 1, 1});
  expect_exception([&] { const lacuna::Plan plan(context, mask, {}); },
                   LACUNA_ERROR_INVALID_ARGUMENT, "the plan has no problem");
  const lacuna::Plan plan(context, mask, {lacuna::Problem{}});
  expect_exception([&] { plan.spmm(0, nullptr, {}, {}, 1); }, LACUNA_ERROR_INVALID_ARGUMENT,
                   "values is null");
  expect_exception([&] { (void)plan.type_of_c(1); }, LACUNA_ERROR_INVALID_ARGUMENT,
                   "the plan has no problem of that number");
  const std::vector<float> dense(64, 1.0F);
  expect_exception([&] { (void)plan.pack<std::int8_t>(dense.data(), 8); },
                   LACUNA_ERROR_INVALID_ARGUMENT, "values of 4 bytes do not fit elements of 1");
}

}  // namespace
