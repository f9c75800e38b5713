// SPDX-License-Identifier: Apache-2.0
//
// What the planner counts and estimates without a machine profile (runtime/planner.h).
#include <gtest/gtest.h>

#include "runtime/planner.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

TEST(BlockCountsOf, PanelsAreTheOutputsBlocks) {
  Problem problem;
  problem.m = 100;
  problem.k = 33;
  problem.op = Op::kSpmm;
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).panels, 7);
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).rows_out, 100);
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).rows_in, 33);
  problem.op = Op::kSpmmTransposed;
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).panels, 5);
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).rows_out, 33);
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).rows_in, 100);
  problem.op = Op::kSddmm;
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).panels, 7);
  EXPECT_EQ(block_counts(problem, Bsr{16, 8}, {9, 1152}).rows_in, 33);
}

TEST(EstimateCycles, IsBoundByTheBusiestResource) {
  Target target = find_target("zen4").value();
  target.pipes.fma_per_cycle = 1;
  target.pipes.load_per_cycle = 1;
  target.pipes.broadcast_per_cycle = 2;
  target.pipes.store_per_cycle = 1;
  WorkEstimate work;
  work.fmas = 1000;
  EXPECT_DOUBLE_EQ(estimate_cycles(work, target), 1000);
  work.vector_loads = 800;
  work.broadcasts = 800;
  EXPECT_DOUBLE_EQ(estimate_cycles(work, target), 1200);
  work.dots_bf16 = 100;
  target.pipes.dot_bf16_per_cycle = 0.25;
  EXPECT_DOUBLE_EQ(estimate_cycles(work, target), 1400);
  work.stores = 1500;
  EXPECT_DOUBLE_EQ(estimate_cycles(work, target), 1500);
  work.shuffles = 10;
  EXPECT_DOUBLE_EQ(estimate_cycles(work, target), 1510);
}

TEST(EstimateCycles, GrowsWithTheFootprint) {
  const Target target = find_target("zen4").value();
  WorkEstimate work;
  work.bytes_a = 1e6;
  work.footprint_bytes = static_cast<double>(target.caches.l2_bytes);
  const double in_l2 = estimate_cycles(work, target);
  work.footprint_bytes = static_cast<double>(target.caches.l3_bytes);
  const double in_l3 = estimate_cycles(work, target);
  work.footprint_bytes *= 2;
  EXPECT_LT(in_l2, in_l3);
  EXPECT_LT(in_l3, estimate_cycles(work, target));
}

TEST(EstimateCycles, WhatIsReadAgainCountsByItsOwnSize) {
  const Target target = find_target("zen4").value();
  WorkEstimate work;
  work.bytes_b = 1e6;
  work.footprint_bytes = 1e9;
  work.reused_bytes = 1e9;
  const double in_memory = estimate_cycles(work, target);
  work.reused_bytes = static_cast<double>(target.caches.l2_bytes);
  EXPECT_LT(estimate_cycles(work, target), in_memory);
}

}  // namespace
}  // namespace lacuna
