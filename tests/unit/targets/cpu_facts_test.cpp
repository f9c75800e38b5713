// SPDX-License-Identifier: Apache-2.0
#include "targets/cpu_facts.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/target.h"
#include "targets/target_check.h"
#include "tests/unit/targets/fake_cpuid.h"

namespace lacuna {
namespace {

using testing::fake_haswell;
using testing::fake_sapphire_rapids;
using testing::fake_zen4;

TEST(CpuFacts, DecodesIdentity) {
  const auto haswell = read_cpu_facts(fake_haswell());
  EXPECT_EQ(haswell.vendor, "GenuineIntel");
  EXPECT_EQ(haswell.model_name, "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz");
  EXPECT_EQ(haswell.family, 6);
  EXPECT_EQ(haswell.model, 0x3c);
  EXPECT_EQ(haswell.stepping, 3);
  const auto zen4 = read_cpu_facts(fake_zen4());
  EXPECT_EQ(zen4.vendor, "AuthenticAMD");
  EXPECT_EQ(zen4.model_name, "AMD EPYC 9654 96-Core Processor");
  EXPECT_EQ(zen4.family, 0x19);
  EXPECT_EQ(zen4.model, 0x11);
  EXPECT_EQ(zen4.stepping, 1);
}

TEST(CpuFacts, DecodesCachesOfBothVendors) {
  EXPECT_EQ(
      read_cpu_facts(fake_haswell()).caches,
      (Caches{
          .l1d_bytes = 32 << 10, .l2_bytes = 256 << 10, .l3_bytes = 8 << 20, .line_bytes = 64}));
  EXPECT_EQ(
      read_cpu_facts(fake_zen4()).caches,
      (Caches{.l1d_bytes = 32 << 10, .l2_bytes = 1 << 20, .l3_bytes = 32 << 20, .line_bytes = 64}));
  EXPECT_EQ(read_cpu_facts(testing::fake_skylake_x()).caches,
            (Caches{.l1d_bytes = 0, .l2_bytes = 0, .l3_bytes = 0, .line_bytes = 0}));
}

// A hypervisor that never ends the list must not hang the caller.
TEST(CpuFacts, EndlessCacheListEnds) {
  auto cpu = fake_haswell();
  for (std::uint32_t i = 0; i < 100; ++i)
    cpu.add_cache(4, i, 2, 3, 8, 1024);
  EXPECT_EQ(read_cpu_facts(cpu).caches.l2_bytes, 512 << 10);
}

TEST(CpuFacts, FeaturesAreSortedAndComplete) {
  const auto facts = read_cpu_facts(fake_sapphire_rapids());
  EXPECT_TRUE(std::ranges::is_sorted(facts.features));
  for (const char* feature : {"amx-bf16", "amx-int8", "amx-tile", "avx2", "avx512bf16",
                              "avx512fp16", "avx512vnni", "avxvnni", "fma", "lzcnt"})
    EXPECT_TRUE(facts.has_feature(feature)) << feature;
}

TEST(CpuFacts, OnlyWhatTheOperatingSystemEnabledCounts) {
  auto cpu = fake_sapphire_rapids();
  cpu.set_xcr0(testing::kXcr0Avx512);
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("amx-tile"));
  EXPECT_TRUE(read_cpu_facts(cpu).has_feature("avx512f"));
  cpu.set_xcr0(testing::kXcr0Avx);
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("avx512f"));
  EXPECT_TRUE(read_cpu_facts(cpu).has_feature("avx2"));
  cpu.set_xcr0(testing::kXcr0Sse);
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("avx2"));
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("fma"));
  EXPECT_TRUE(read_cpu_facts(cpu).has_feature("bmi2"));
}

TEST(CpuFacts, WithoutOsxsaveNothingWideCounts) {
  auto cpu = fake_zen4();
  cpu.at(1).ecx &= ~(1U << 27);
  const auto facts = read_cpu_facts(cpu);
  EXPECT_FALSE(facts.has_feature("avx"));
  EXPECT_FALSE(facts.has_feature("avx512f"));
}

TEST(CpuFacts, LeavesBeyondTheLastAreNotRead) {
  auto cpu = fake_zen4();
  cpu.at(7).eax = 0;  // no subleaf 1
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("avx512bf16"));
  cpu.at(0).eax = 1;  // no leaf 7
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("avx2"));
  EXPECT_TRUE(read_cpu_facts(cpu).has_feature("fma"));
  cpu.at(0x80000000U).eax = 0x80000000U;
  EXPECT_FALSE(read_cpu_facts(cpu).has_feature("lzcnt"));
  EXPECT_EQ(read_cpu_facts(cpu).model_name, "");
}

TEST(CpuFacts, KernelFeaturesAreThoseThatFilesMayList) {
  const CpuFacts all = read_cpu_facts(fake_sapphire_rapids());
  const auto usable = kernel_features(all);
  const auto known = known_features(Isa::kX86_64);
  EXPECT_EQ(usable, std::vector<std::string>(known.begin(), known.end()));
  EXPECT_TRUE(std::ranges::is_sorted(usable));
}

TEST(CpuFacts, WithoutAvx512KeepsTheRest) {
  const auto facts = without_avx512(read_cpu_facts(fake_sapphire_rapids()));
  for (const std::string& feature : facts.features) {
    EXPECT_FALSE(feature.starts_with("avx512")) << feature;
    EXPECT_FALSE(feature.starts_with("amx")) << feature;
  }
  EXPECT_TRUE(facts.has_feature("avxvnni"));
}

TEST(CpuFacts, NativeSourceAnswers) {
  const auto facts = read_cpu_facts(native_cpuid());
  EXPECT_EQ(facts.vendor.size(), 12U);
  EXPECT_TRUE(facts.has_feature("sse3"));
}

}  // namespace
}  // namespace lacuna
