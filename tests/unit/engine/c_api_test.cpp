// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
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

TEST_F(CApi, PacksMultipliesAndUnpacks) {
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.n = kN;
  lacuna_plan_options options{};
  options.struct_size = sizeof options;
  options.block_r = options.block_c = 8;
  options.exact = 1;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &options, &plan), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_STREQ(lacuna_plan_format(plan), "bsr8x8");
  EXPECT_STREQ(lacuna_plan_provenance(plan), "default");
  EXPECT_EQ(std::string(lacuna_plan_kernel(plan, 0)).rfind("spmm_bsr8x8_f32_brow_crow_host_", 0),
            0U);
  EXPECT_STREQ(lacuna_plan_kernel(plan, 1), "");
  ASSERT_EQ(lacuna_plan_values_count(plan), 3 * 64);
  EXPECT_EQ(lacuna_mask_nnz(mask_), 3 * 64);

  std::vector<float> a(kM * kK), values(3 * 64), b(kK * kN), c(kM * kN, std::nanf("")),
      back(kM * kK, -1.0F);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<float>(i % 11) - 5.0F;
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<float>(i % 7) - 3.0F;
  ASSERT_EQ(lacuna_plan_pack(plan, a.data(), kK, values.data()), LACUNA_OK) << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack(plan, values.data(), back.data(), kK), LACUNA_OK)
      << lacuna_last_error();
  const lacuna_operands operands = make_operands(values, b, c, kN);
  ASSERT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t n = 0; n < kN; ++n) {
      float sum = 0;  // small integers: exact
      for (std::int64_t j = 0; j < kK; ++j)
        sum += back[static_cast<std::size_t>(i * kK + j)] * b[static_cast<std::size_t>(j * kN + n)];
      EXPECT_EQ(c[static_cast<std::size_t>(i * kN + n)], sum);
    }
  EXPECT_EQ(back[0], a[0]);
  EXPECT_EQ(back[8], 0.0F);  // block (0, 1) is not in the mask
  lacuna_plan_destroy(plan);
}

// All operands are small integers: relu((2 * A * B) + bias) * gate + residual is exact.
TEST_F(CApi, AppliesAComposedEpilogue) {
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.n = kN;
  problem.epilogue = LACUNA_EPILOGUE_BIAS;
  problem.scale = LACUNA_SCALE_FACTOR;
  problem.activation = LACUNA_ACTIVATION_RELU;
  problem.gate = problem.residual = 1;
  lacuna_plan_options options{};
  options.struct_size = sizeof options;
  options.block_r = options.block_c = 8;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &options, &plan), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_TRUE(std::string(lacuna_plan_kernel(plan, 0)).ends_with("_scale_bias_relu_gate_residual"));

  std::vector<float> values(3 * 64, 1.0F), b(kK * kN), c(kM * kN, std::nanf("")), bias(kM),
      gate(kM * (kN + 3)), residual(kM * (kN + 1));
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<float>(i % 7) - 3.0F;
  for (std::size_t i = 0; i < bias.size(); ++i)
    bias[i] = static_cast<float>(i % 5) - 2.0F;
  for (std::size_t i = 0; i < gate.size(); ++i)
    gate[i] = static_cast<float>(i % 3) - 1.0F;
  for (std::size_t i = 0; i < residual.size(); ++i)
    residual[i] = static_cast<float>(i % 11);
  const float scale = 2;
  lacuna_operands operands = make_operands(values, b, c, kN);
  operands.bias = bias.data();
  operands.scale = &scale;
  operands.gate = gate.data();
  operands.ld_gate = kN + 3;
  operands.residual = residual.data();
  operands.ld_residual = kN + 1;
  ASSERT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
  std::vector<float> a(kM * kK);
  ASSERT_EQ(lacuna_plan_unpack(plan, values.data(), a.data(), kK), LACUNA_OK);
  for (std::int64_t i = 0; i < kM; ++i)
    for (std::int64_t n = 0; n < kN; ++n) {
      const auto at = [&](const std::vector<float>& x, std::int64_t ld) {
        return x[static_cast<std::size_t>(i * ld + n)];
      };
      float sum = 0;
      for (std::int64_t j = 0; j < kK; ++j)
        sum += a[static_cast<std::size_t>(i * kK + j)] * b[static_cast<std::size_t>(j * kN + n)];
      const float z = 2 * sum + bias[static_cast<std::size_t>(i)];
      EXPECT_EQ(at(c, kN), (z < 0 ? 0 : z) * at(gate, kN + 3) + at(residual, kN + 1));
    }
  lacuna_plan_destroy(plan);
}

TEST_F(CApi, PinsJammedRowsByName) {
  lacuna_problem problem = LACUNA_PROBLEM_INIT;
  problem.op = LACUNA_OP_SDDMM;
  problem.n = kN;
  lacuna_plan_options options{};
  options.struct_size = sizeof options;
  options.format = "jam4";
  options.exact = 1;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &options, &plan), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_STREQ(lacuna_plan_format(plan), "jam4");
  ASSERT_EQ(lacuna_plan_values_count(plan), lacuna_mask_nnz(mask_));
  std::vector<float> values(3 * 64, std::nanf("")), b(kM * kN, 2.0F), c(kK * kN, 3.0F),
      back(kM * kK, -1.0F);
  const lacuna_operands operands = make_operands(values, b, c, kN);
  ASSERT_EQ(lacuna_plan_execute(plan, 0, &operands), LACUNA_OK) << lacuna_last_error();
  ASSERT_EQ(lacuna_plan_unpack(plan, values.data(), back.data(), kK), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(back[0], 6.0F * kN);
  EXPECT_EQ(back[8], 0.0F);  // block (0, 1) is not in the mask
  lacuna_plan_destroy(plan);
  options.format = "jam9";
  EXPECT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, &options, &plan),
            LACUNA_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(lacuna_last_error(), "format 'jam9': jammed rows are from 1 to 6");
}

// 256 x 256 ones times 256 x 64 ones, on two threads of the caller's pool: what execute answers, and C.
void multiply_ones(lacuna_parallel_for pool, lacuna_status& status, std::vector<float>& c) {
  lacuna_context_options options{};
  options.struct_size = sizeof options;
  options.cache_folder = "";
  options.threads = 2;
  options.parallel_for = pool;
  lacuna_context* context = nullptr;
  ASSERT_EQ(lacuna_context_create(&options, &context), LACUNA_OK) << lacuna_last_error();
  const std::vector<float> dense(256 * 256, 1.0F);
  lacuna_mask* mask = nullptr;
  ASSERT_EQ(lacuna_mask_from_dense(256, 256, dense.data(), 256, &mask), LACUNA_OK);
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context, mask, &problem, 1, nullptr, &plan), LACUNA_OK)
      << lacuna_last_error();
  std::vector<float> values(static_cast<std::size_t>(lacuna_plan_values_count(plan)), 1.0F);
  std::vector<float> b(256 * 64, 1.0F);
  c.assign(256 * 64, 0.0F);
  const lacuna_operands operands = make_operands(values, b, c, 64);
  status = lacuna_plan_execute(plan, 0, &operands);
  lacuna_plan_destroy(plan);
  lacuna_mask_destroy(mask);
  lacuna_context_destroy(context);
}

TEST_F(CApi, UsesTheCallersPool) {
  static int calls;
  calls = 0;
  const lacuna_parallel_for pool = [](void*, std::int64_t tasks, void (*body)(void*, std::int64_t),
                                      void* body_context) {
    ++calls;
    for (std::int64_t task = 0; task < tasks; ++task)
      body(body_context, task);
  };
  lacuna_status status = LACUNA_ERROR_INTERNAL;
  std::vector<float> c;
  ASSERT_NO_FATAL_FAILURE(multiply_ones(pool, status, c));
  ASSERT_EQ(status, LACUNA_OK) << lacuna_last_error();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(c, std::vector<float>(c.size(), 256.0F));
}

TEST_F(CApi, ReportsWhateverTheCallersPoolThrows) {
  const lacuna_parallel_for pool = [](void*, std::int64_t, void (*)(void*, std::int64_t), void*) {
    throw 7;
  };
  lacuna_status status = LACUNA_OK;
  std::vector<float> c;
  ASSERT_NO_FATAL_FAILURE(multiply_ones(pool, status, c));
  EXPECT_EQ(status, LACUNA_ERROR_INTERNAL);
  EXPECT_STREQ(lacuna_last_error(), "unexpected exception");
}

TEST_F(CApi, MakesMasksFromCsr) {
  const std::vector<std::int64_t> row_ptr = {0, 2, 2, 3}, col_idx = {0, 4, 1};
  lacuna_mask* mask = nullptr;
  ASSERT_EQ(lacuna_mask_from_csr(3, 5, row_ptr.data(), col_idx.data(), &mask), LACUNA_OK)
      << lacuna_last_error();
  EXPECT_EQ(lacuna_mask_rows(mask), 3);
  EXPECT_EQ(lacuna_mask_columns(mask), 5);
  EXPECT_EQ(lacuna_mask_nnz(mask), 3);
  lacuna_mask_destroy(mask);
}

// ---- faults ----

TEST_F(CApi, ReportsNullPointers) {
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  lacuna_mask* mask = nullptr;
  const float x = 1;
  EXPECT_FAULT(lacuna_context_create(nullptr, nullptr), LACUNA_ERROR_INVALID_ARGUMENT,
               "out is null");
  EXPECT_FAULT(lacuna_mask_from_dense(1, 1, nullptr, 1, &mask), LACUNA_ERROR_INVALID_ARGUMENT,
               "a is null");
  EXPECT_FAULT(lacuna_mask_from_dense(1, 1, &x, 1, nullptr), LACUNA_ERROR_INVALID_ARGUMENT,
               "out is null");
  EXPECT_FAULT(lacuna_mask_from_csr(1, 1, nullptr, nullptr, &mask), LACUNA_ERROR_INVALID_ARGUMENT,
               "row_ptr is null");
  EXPECT_FAULT(lacuna_mask_from_blocks(1, 1, 1, 1, nullptr, &mask), LACUNA_ERROR_INVALID_ARGUMENT,
               "flags is null");
  EXPECT_FAULT(lacuna_mask_load(nullptr, &mask), LACUNA_ERROR_INVALID_ARGUMENT, "path is null");
  EXPECT_FAULT(lacuna_plan_create(nullptr, mask_, &problem, 1, nullptr, &plan),
               LACUNA_ERROR_INVALID_ARGUMENT, "context is null");
  EXPECT_FAULT(lacuna_plan_create(context_, nullptr, &problem, 1, nullptr, &plan),
               LACUNA_ERROR_INVALID_ARGUMENT, "mask is null");
  EXPECT_FAULT(lacuna_plan_create(context_, mask_, nullptr, 1, nullptr, &plan),
               LACUNA_ERROR_INVALID_ARGUMENT, "problems is null");
  EXPECT_FAULT(lacuna_plan_create(context_, mask_, &problem, 1, nullptr, nullptr),
               LACUNA_ERROR_INVALID_ARGUMENT, "out is null");
  EXPECT_FAULT(lacuna_plan_execute(nullptr, 0, nullptr), LACUNA_ERROR_INVALID_ARGUMENT,
               "plan is null");
  EXPECT_FAULT(lacuna_plan_pack(nullptr, &x, 1, nullptr), LACUNA_ERROR_INVALID_ARGUMENT,
               "plan is null");
  EXPECT_EQ(plan, nullptr);
  EXPECT_EQ(mask, nullptr);
}

TEST_F(CApi, AnswersQuestionsAboutNothing) {
  EXPECT_STREQ(lacuna_context_note(nullptr), "");
  EXPECT_EQ(lacuna_mask_rows(nullptr), 0);
  EXPECT_EQ(lacuna_mask_columns(nullptr), 0);
  EXPECT_EQ(lacuna_mask_nnz(nullptr), 0);
  EXPECT_EQ(lacuna_plan_values_count(nullptr), 0);
  EXPECT_STREQ(lacuna_plan_format(nullptr), "");
  EXPECT_STREQ(lacuna_plan_kernel(nullptr, 0), "");
  EXPECT_STREQ(lacuna_plan_provenance(nullptr), "");
  lacuna_plan_destroy(nullptr);
  lacuna_mask_destroy(nullptr);
  lacuna_context_destroy(nullptr);
}

TEST_F(CApi, ReportsBadProblems) {
  lacuna_plan* plan = nullptr;
  const auto create = [&](auto spoil) {
    lacuna_problem problem = LACUNA_PROBLEM_INIT;
    spoil(problem);
    return lacuna_plan_create(context_, mask_, &problem, 1, nullptr, &plan);
  };
  EXPECT_FAULT(create([](auto& p) { p.op = 3; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "op 3 is not in [0, 2]");
  EXPECT_FAULT(create([](auto& p) { p.layout_b = -1; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "layout_b -1 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.layout_c = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "layout_c 2 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.epilogue = 3; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "epilogue 3 is not in [0, 2]");
  EXPECT_FAULT(create([](auto& p) { p.scale = 5; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "scale 5 is not in [0, 4]");
  EXPECT_FAULT(create([](auto& p) { p.activation = 5; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "activation 5 is not in [0, 4]");
  EXPECT_FAULT(create([](auto& p) { p.derivative = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "derivative 2 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.gate = -1; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "gate -1 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.glu = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "glu 2 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.reserved = 1; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "reserved 1 is not in [0, 0]");
  EXPECT_FAULT(create([](auto& p) { p.residual = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "residual 2 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.types = 14; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "types 14 is not in [0, 13]");
  EXPECT_FAULT(create([](auto& p) {
                 p.epilogue = LACUNA_EPILOGUE_BIAS_RELU;
                 p.activation = LACUNA_ACTIVATION_SILU;
               }),
               LACUNA_ERROR_INVALID_ARGUMENT,
               "activation 4 beside epilogue bias_relu, which has one");
  EXPECT_FAULT(create([](auto& p) { p.derivative = 1; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "problem 0: a derivative needs an activation");
  EXPECT_FAULT(create([](auto& p) {
                 p.op = LACUNA_OP_SDDMM;
                 p.gate = 1;
               }),
               LACUNA_ERROR_INVALID_ARGUMENT, "problem 0: sddmm takes no epilogue, not gate");
  EXPECT_FAULT(create([](auto& p) { p.accumulate = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "accumulate 2 is not in [0, 1]");
  EXPECT_FAULT(create([](auto& p) { p.struct_size = 4; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "problem.struct_size 4 is not in [8, 4096]");
  EXPECT_FAULT(create([](auto& p) { p.struct_size = sizeof p + 4; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "problem.struct_size 76 is not a multiple of 8");
  EXPECT_FAULT(lacuna_plan_create(context_, mask_, nullptr, 0, nullptr, &plan),
               LACUNA_ERROR_INVALID_ARGUMENT, "the plan has no problem");
  std::vector<lacuna_problem> two(2, LACUNA_PROBLEM_INIT);
  two[1].struct_size = 32;
  EXPECT_FAULT(lacuna_plan_create(context_, mask_, two.data(), 2, nullptr, &plan),
               LACUNA_ERROR_INVALID_ARGUMENT, "problem 1: struct_size 32 differs from 72");
  EXPECT_EQ(plan, nullptr);
}

TEST_F(CApi, ReportsBadOptions) {
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  const auto create = [&](auto spoil) {
    lacuna_plan_options options{};
    options.struct_size = sizeof options;
    spoil(options);
    return lacuna_plan_create(context_, mask_, &problem, 1, &options, &plan);
  };
  EXPECT_FAULT(create([](auto& o) { o.block_r = 4; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "block_c 0 is not in [1, 64]");
  EXPECT_FAULT(create([](auto& o) { o.block_r = o.block_c = 65; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "block_r 65 is not in [1, 64]");
  EXPECT_FAULT(create([](auto& o) { o.exact = 2; }), LACUNA_ERROR_INVALID_ARGUMENT,
               "exact 2 is not in [0, 1]");
  EXPECT_EQ(create([](auto& o) { o.format = "csr"; }), LACUNA_ERROR_INVALID_ARGUMENT);
  lacuna_context* context = nullptr;
  lacuna_context_options options{};
  EXPECT_FAULT(lacuna_context_create(&options, &context), LACUNA_ERROR_INVALID_ARGUMENT,
               "options.struct_size 0 is not in [8, 4096]");
  options.struct_size = sizeof options;
  options.threads = -2;
  EXPECT_FAULT(lacuna_context_create(&options, &context), LACUNA_ERROR_INVALID_ARGUMENT,
               "threads -2 is not in [0, 4096]");
}

TEST_F(CApi, ReportsBadOperandsAndStrides) {
  const lacuna_problem problem = LACUNA_PROBLEM_INIT;
  lacuna_plan* plan = nullptr;
  ASSERT_EQ(lacuna_plan_create(context_, mask_, &problem, 1, nullptr, &plan), LACUNA_OK)
      << lacuna_last_error();
  std::vector<float> a(kM * kK), values(static_cast<std::size_t>(lacuna_plan_values_count(plan)));
  EXPECT_FAULT(lacuna_plan_pack(plan, a.data(), kK - 1, values.data()),
               LACUNA_ERROR_INVALID_ARGUMENT, "lda 15 is less than k 16");
  EXPECT_FAULT(lacuna_plan_unpack(plan, nullptr, a.data(), kK), LACUNA_ERROR_INVALID_ARGUMENT,
               "values is null");
  EXPECT_FAULT(lacuna_plan_execute(plan, 0, nullptr), LACUNA_ERROR_INVALID_ARGUMENT,
               "operands is null");
  lacuna_operands operands{};
  EXPECT_FAULT(lacuna_plan_execute(plan, 0, &operands), LACUNA_ERROR_INVALID_ARGUMENT,
               "operands.struct_size 0 is less than 64");
  operands.struct_size = sizeof operands;
  operands.n = 1;
  EXPECT_FAULT(lacuna_plan_execute(plan, 0, &operands), LACUNA_ERROR_INVALID_ARGUMENT,
               "values is null");
  lacuna_plan_destroy(plan);
}

TEST_F(CApi, KeepsOneMessagePerThread) {
  EXPECT_EQ(lacuna_mask_load(nullptr, nullptr), LACUNA_ERROR_INVALID_ARGUMENT);
  std::string other;
  std::thread([&] { other = lacuna_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_STREQ(lacuna_last_error(), "out is null");
}

TEST(CApiVersion, IsTheProjects) {
  EXPECT_STREQ(lacuna_version(), LACUNA_VERSION);
}

}  // namespace
}  // namespace lacuna
