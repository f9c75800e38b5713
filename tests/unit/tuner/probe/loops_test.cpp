// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/loops.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target.h"
#include "tuner/probe/huge_buffer.h"
#include "tuner/probe/thread_team.h"

namespace lacuna {
namespace {

// The host's target at its own width and at 256 bits.
std::vector<Target> host_targets() {
  const auto host = describe_host();
  if (!host) return {};
  std::vector<Target> targets = {host->target};
  if (host->target.vector_bits == 512) {
    targets.push_back(host->target);
    targets.back().vector_bits = 256;
  }
  return targets;
}

TEST(Loops, ArithmeticLoopsRunAndCountTheirWork) {
  for (const Target& target : host_targets()) {
    const int lanes = target.f32_lanes();
    const auto fma = make_fma_f32_loop(target);
    fma.run(3);
    EXPECT_EQ(fma.work_per_step, 14 * 4 * 2 * lanes);
    if (const auto bf16 = make_dot_bf16_loop(target)) {
      bf16->run(3);
      EXPECT_EQ(bf16->work_per_step, 14 * 4 * 4 * lanes);
    }
    if (const auto int8 = make_dot_int8_loop(target)) {
      int8->run(3);
      EXPECT_EQ(int8->work_per_step, 14 * 4 * 8 * lanes);
    }
    if (const auto matrix = make_matrix_bf16_loop(target)) {
      matrix->run(3);
      EXPECT_EQ(matrix->work_per_step, 4 * 16 * 16 * 32 * 2);
    }
    if (const auto matrix = make_matrix_int8_loop(target)) {
      matrix->run(3);
      EXPECT_EQ(matrix->work_per_step, 4 * 16 * 16 * 64 * 2);
    }
    make_dependent_add_loop().run(3);
    fma.run(0);
    make_dependent_add_loop().run(-1);
  }
}

TEST(Loops, InstructionsThatTheTargetLacksAreNotOffered) {
  Target target;
  target.features = {"avx2", "fma"};
  EXPECT_FALSE(make_dot_bf16_loop(target));
  EXPECT_FALSE(make_matrix_bf16_loop(target));
  EXPECT_FALSE(make_matrix_int8_loop(target));
  EXPECT_EQ(make_peak_loop(ElementTypes::kBf16, target).run, make_fma_f32_loop(target).run);
  EXPECT_EQ(make_peak_loop(ElementTypes::kF32, target).run, make_fma_f32_loop(target).run);
  EXPECT_FALSE(make_dot_int8_loop(target));
  target.features = {"avx2", "avx512bf16", "avx512vnni", "fma"};
  EXPECT_FALSE(make_dot_bf16_loop(target)) << "a 256-bit target runs no 512-bit loop";
  EXPECT_FALSE(make_dot_int8_loop(target));
  target.features = {"avx2", "avxvnni", "fma"};
  EXPECT_TRUE(make_dot_int8_loop(target));
  target.vector_bits = 512;
  target.features = {"avx2", "avx512bf16", "avx512vnni", "fma"};
  EXPECT_TRUE(make_dot_bf16_loop(target));
  EXPECT_TRUE(make_dot_int8_loop(target));
  EXPECT_STREQ(make_peak_loop(ElementTypes::kF32, target).instruction, "f32 FMA");
  EXPECT_STREQ(make_peak_loop(ElementTypes::kBf16F32, target).instruction, "bf16 VDPBF16PS");
  EXPECT_STREQ(make_peak_loop(ElementTypes::kS8U8F32, target).instruction, "byte VPDPBUSD");
  target.features.insert(target.features.end(), {"amx-bf16", "amx-int8", "amx-tile"});
  EXPECT_STREQ(make_peak_loop(ElementTypes::kBf16, target).instruction, "bf16 TDPBF16PS");
  EXPECT_STREQ(make_peak_loop(ElementTypes::kS8S8F32, target).instruction, "byte TDPBSSD");
}

// The buffer ends at a page that may not be touched, and begins after another.
TEST(Loops, StreamsTouchExactlyTheirBuffer) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto* const mapping = static_cast<std::byte*>(
      ::mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(mapping, MAP_FAILED);
  ASSERT_EQ(::mprotect(mapping, page, PROT_NONE), 0);
  ASSERT_EQ(::mprotect(mapping + 2 * page, page, PROT_NONE), 0);
  const std::span bytes(mapping + page, page);
  for (const Target& target : host_targets()) {
    std::ranges::fill(bytes, std::byte{7});
    make_read_loop(target)(bytes.data(), static_cast<std::int64_t>(page), 2);
    EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{7}; }));
    const auto tail = bytes.last(static_cast<std::size_t>(kStreamGranuleBytes));
    make_write_loop(target)(tail.data(), kStreamGranuleBytes, 1);
    EXPECT_TRUE(std::ranges::all_of(tail, [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_EQ(bytes[page - tail.size() - 1], std::byte{7});
    make_write_loop(target)(bytes.data(), static_cast<std::int64_t>(page), 1);
    EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; }));
  }
  ::munmap(mapping, 3 * page);
}

TEST(HugeBuffer, IsAlignedAndTouched) {
  auto buffer = HugeBuffer::allocate((3 << 20) + 5);
  ASSERT_TRUE(buffer) << buffer.error().message;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % (2U << 20), 0U);
  EXPECT_EQ(buffer->data()[(3 << 20) + 4], std::byte{1});
  HugeBuffer moved = std::move(*buffer);
  moved.data()[0] = std::byte{2};
  HugeBuffer assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data()[0], std::byte{2});
}

TEST(HugeBuffer, TooMuchIsAnError) {
  const auto buffer = HugeBuffer::allocate(std::int64_t{1} << 60);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(buffer.error().message, "no memory for a buffer of 1152921504606846976 bytes");
}

std::atomic<std::int64_t> total_steps{0};
void count_steps(std::int64_t steps) {
  total_steps += steps;
}

TEST(ThreadTeam, EveryThreadRunsEveryStep) {
  total_steps = 0;
  {
    ThreadTeam team(4, count_steps);
    const std::int64_t size = team.size();
    EXPECT_GE(size, 1);
    EXPECT_LE(size, 4);
    for (int i = 1; i <= 100; ++i) {
      team.run(i);
      EXPECT_EQ(total_steps.load(), size * i * (i + 1) / 2) << "run() waits for all";
    }
    team.run(0);
  }
  total_steps = 0;
  ThreadTeam alone(1, count_steps);
  alone.run(5);
  EXPECT_EQ(total_steps.load(), 5);
}

}  // namespace
}  // namespace lacuna
