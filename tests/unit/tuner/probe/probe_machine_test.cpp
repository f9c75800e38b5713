// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/probe_machine.h"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "tuner/clock.h"

namespace lacuna {
namespace {

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;
constexpr std::int64_t kPlenty = 4096 * kMiB;

Caches caches(std::int64_t l1, std::int64_t l2, std::int64_t l3) {
  return {.l1d_bytes = l1, .l2_bytes = l2, .l3_bytes = l3, .line_bytes = 64};
}

TEST(Footprints, AreHalfOfEachLevelAndBeyondAll) {
  EXPECT_EQ(
      choose_footprints(caches(32 * kKiB, kMiB, 32 * kMiB), kPlenty),
      (ProbeFootprints{.l1 = 16 * kKiB, .l2 = 512 * kKiB, .l3 = 16 * kMiB, .dram = 256 * kMiB}));
}

TEST(Footprints, HugeSharedCacheIsCapped) {
  EXPECT_EQ(choose_footprints(caches(48 * kKiB, 2 * kMiB, 480 * kMiB), kPlenty),
            (ProbeFootprints{.l1 = 24 * kKiB, .l2 = kMiB, .l3 = 32 * kMiB, .dram = 512 * kMiB}));
}

TEST(Footprints, SmallOrMissingThirdLevel) {
  EXPECT_EQ(choose_footprints(caches(32 * kKiB, kMiB, 0), kPlenty).l3, 0);
  EXPECT_EQ(choose_footprints(caches(32 * kKiB, kMiB, kMiB), kPlenty).l3, 0);
  EXPECT_EQ(choose_footprints(caches(32 * kKiB, kMiB, 2 * kMiB), kPlenty).l3, 1536 * kKiB)
      << "outside of L2";
}

TEST(Footprints, LittleMemoryMakesTheLastOneSmaller) {
  EXPECT_EQ(choose_footprints(caches(32 * kKiB, kMiB, 32 * kMiB), 100 * kMiB).dram, 100 * kMiB);
  EXPECT_EQ(choose_footprints(caches(32 * kKiB, kMiB, 32 * kMiB), 0).dram, 64 * kMiB);
}

// Each call moves on a little: every sample seems as long as the probe wants, whatever really happens.
class TickingClock final : public Clock {
 public:
  [[nodiscard]] double now_s() override { return now_s_ += 0.25; }

 private:
  double now_s_ = 0;
};

TEST(ProbeMachine, FillsAProfileThatCanBeStored) {
  const auto host = describe_host();
  if (!host) GTEST_SKIP() << host.error().message;
  TickingClock clock;
  const auto profile = probe_machine(*host, clock, {.rounds = 1});
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->fingerprint, host_fingerprint(*host));
  EXPECT_EQ(profile->cores, host->cores);
  EXPECT_EQ(profile->measured_at.size(), std::string("2026-01-02T03:04:05Z").size());
  EXPECT_EQ(profile->measured_at.back(), 'Z');
  EXPECT_GT(profile->fma_f32_gflops, 0);
  EXPECT_EQ(profile->fma_bf16_gflops > 0,
            host->target.vector_bits == 512 && host->target.has_feature("avx512bf16"));
  for (const double rate :
       {profile->clock_ghz, profile->l1_read_gbps, profile->l2_read_gbps, profile->l2_write_gbps,
        profile->dram_read_gbps, profile->dram_write_gbps, profile->parallel_efficiency})
    EXPECT_TRUE(std::isfinite(rate) && rate > 0) << rate;
  EXPECT_LE(profile->parallel_efficiency, 1);
}

TEST(ProbeMachine, StopsWhenTold) {
  const auto host = describe_host();
  if (!host) GTEST_SKIP() << host.error().message;
  TickingClock clock;
  const std::atomic<bool> stop{true};
  const auto profile = probe_machine(*host, clock, {.stop = &stop});
  ASSERT_FALSE(profile);
  EXPECT_EQ(profile.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace lacuna
