// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/cpu_facts.h"
#include "targets/host.h"
#include "targets/target.h"
#include "targets/target_check.h"
#include "targets/target_yaml.h"
#include "tests/unit/targets/fake_cpuid.h"

namespace lacuna {
namespace {

using testing::FakeCpuid;

HostDescription describe(const FakeCpuid& cpu) {
  auto host = describe_cpu(read_cpu_facts(cpu), Caches{});
  EXPECT_TRUE(host) << (host ? "" : host.error().message);
  return host.value_or(HostDescription{});
}

TEST(CpuModels, NamesCertainProcessors) {
  EXPECT_EQ(describe(testing::fake_zen4()).target.llvm_cpu, "znver4");
  EXPECT_EQ(describe(testing::fake_zen5()).target.llvm_cpu, "znver5");
  EXPECT_EQ(describe(testing::fake_sapphire_rapids()).target.llvm_cpu, "sapphirerapids");
  EXPECT_EQ(describe(testing::fake_skylake_x()).target.llvm_cpu, "skylake-avx512");
  EXPECT_EQ(describe(testing::fake_cascade_lake()).target.llvm_cpu, "cascadelake");
  EXPECT_EQ(describe(testing::fake_haswell()).target.llvm_cpu, "x86-64-v3");
}

// Model 167 is a client processor without AMX: some hypervisors show it for a Sapphire Rapids.
TEST(CpuModels, HiddenModelGetsALevelNotAName) {
  EXPECT_EQ(describe(testing::fake_sapphire_rapids(0xa0671)).target.llvm_cpu, "x86-64-v4");
}

// The right model with features masked by a hypervisor: LLVM's processor would imply what is not there.
TEST(CpuModels, MaskedFeaturesGetALevelNotAName) {
  auto cpu = testing::fake_zen4();
  cpu.at(7).ecx &= ~(1U << 14);
  EXPECT_EQ(describe(cpu).target.llvm_cpu, "x86-64-v4");
  auto no_cd = testing::fake_zen4();
  no_cd.at(7).ebx &= ~(1U << 28);
  EXPECT_EQ(describe(no_cd).target.llvm_cpu, "x86-64-v3");
  EXPECT_EQ(describe(no_cd).target.vector_bits, 512);
  auto no_movbe = testing::fake_haswell();
  no_movbe.at(1).ecx &= ~(1U << 22);
  EXPECT_EQ(describe(no_movbe).target.llvm_cpu, "x86-64");
  EXPECT_EQ(describe(no_movbe).target.vector_bits, 256);
}

// The file is for generating elsewhere what the machine itself would get.
TEST(CpuModels, DescribesZen5AsItsMachineFileDoes) {
  const CpuFacts facts = read_cpu_facts(testing::fake_zen5());
  const auto host = describe_cpu(facts, merge_caches(facts.caches, {}));
  ASSERT_TRUE(host) << host.error().message;
  const auto file = load_target(std::filesystem::path(LACUNA_TEST_MACHINES) / "zen5.yaml");
  ASSERT_TRUE(file) << file.error().message;
  Target named = host->target;
  named.name = file->name;
  EXPECT_EQ(named, *file);
  EXPECT_TRUE(check_runs_on(*file, *host));
  EXPECT_FALSE(check_runs_on(*file, describe(testing::fake_zen4())));
}

TEST(CpuModels, ChoosesWidthRegistersAndPipes) {
  const auto zen4 = describe(testing::fake_zen4());
  EXPECT_EQ(zen4.target.vector_bits, 512);
  EXPECT_EQ(zen4.target.vector_registers, 32);
  EXPECT_EQ(zen4.target.pipes.fma_per_cycle, 1);
  EXPECT_EQ(zen4.target.pipes.load_per_cycle, 1);
  EXPECT_EQ(zen4.target.pipes.dot_bf16_per_cycle, 1);
  EXPECT_EQ(zen4.note, "");
  const auto rapids = describe(testing::fake_sapphire_rapids(0xa0671));
  EXPECT_EQ(rapids.target.pipes.fma_per_cycle, 2);
  EXPECT_EQ(rapids.target.pipes.load_per_cycle, 2);
  EXPECT_EQ(rapids.target.pipes.dot_bf16_per_cycle, 0.5);
  const auto haswell = describe(testing::fake_haswell());
  EXPECT_EQ(haswell.target.vector_bits, 256);
  EXPECT_EQ(haswell.target.vector_registers, 16);
  EXPECT_EQ(haswell.target.pipes.fma_per_cycle, 2);
  EXPECT_EQ(haswell.note, "no AVX-512: using AVX2");
}

TEST(CpuModels, ClientAvx512HasOneWideFma) {
  FakeCpuid tiger_lake(testing::kIntel, 0x806c1, testing::kXcr0Avx512);
  tiger_lake.add_ice_lake();
  const auto host = describe(tiger_lake);
  EXPECT_EQ(host.target.pipes.fma_per_cycle, 1);
  EXPECT_EQ(host.target.llvm_cpu, "x86-64-v4");
}

TEST(CpuModels, PartialAvx512FallsToAvx2AndSaysSo) {
  FakeCpuid knights_landing(testing::kIntel, 0x50671, testing::kXcr0Avx512);
  knights_landing.add_level3();
  FakeCpuid::set_bits(knights_landing.at(7).ebx, {16, 28});
  const auto host = describe(knights_landing);
  EXPECT_EQ(host.target.vector_bits, 256);
  EXPECT_EQ(host.note, "AVX-512 without avx512bw, avx512dq, avx512vl: using AVX2");
  EXPECT_FALSE(host.target.has_feature("avx512f"));
}

TEST(CpuModels, TooOldIsUnsupportedAndNamesWhatIsMissing) {
  auto cpu = testing::fake_haswell();
  cpu.at(7).ebx &= ~(1U << 5);
  cpu.at(1).ecx &= ~(1U << 12);
  const auto host = describe_cpu(read_cpu_facts(cpu), Caches{});
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(host.error().message,
            "this processor ('Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz') lacks avx2, fma: kernels "
            "need AVX2 and FMA");
}

TEST(CpuModels, DescribedHostsPassTheTargetChecks) {
  for (HostDescription host :
       {describe(testing::fake_zen4()), describe(testing::fake_sapphire_rapids()),
        describe(testing::fake_haswell()), describe(testing::fake_skylake_x())}) {
    host.target.name = "probed";  // "host" is reserved in files
    const auto fault = check_target(host.target);
    EXPECT_FALSE(fault) << (fault ? fault->key + ": " + fault->message : "");
  }
}

TEST(Fingerprint, DependsOnHardwareOnly) {
  auto host = describe(testing::fake_zen4());
  const std::string fingerprint = host_fingerprint(host);
  EXPECT_EQ(fingerprint.size(), 32U);
  host.cores = 17;
  host.model_name = "other";
  EXPECT_EQ(host_fingerprint(host), fingerprint);
  host.stepping += 1;
  EXPECT_NE(host_fingerprint(host), fingerprint);
  EXPECT_NE(host_fingerprint(describe(testing::fake_haswell())), fingerprint);
}

TEST(MergeCaches, TakesTheFirstBelievableSize) {
  const Caches nothing{.l1d_bytes = 0, .l2_bytes = 0, .l3_bytes = 0, .line_bytes = 0};
  const Caches cpuid{.l1d_bytes = 48 << 10, .l2_bytes = 2 << 20, .l3_bytes = 0, .line_bytes = 64};
  const Caches hwloc{.l1d_bytes = 32 << 10,
                     .l2_bytes = std::int64_t{1} << 40,
                     .l3_bytes = 32 << 20,
                     .line_bytes = 0};
  EXPECT_EQ(merge_caches(nothing, nothing), Caches{});
  EXPECT_EQ(merge_caches(nothing, cpuid), cpuid);
  EXPECT_EQ(
      merge_caches(hwloc, cpuid),
      (Caches{.l1d_bytes = 32 << 10, .l2_bytes = 2 << 20, .l3_bytes = 32 << 20, .line_bytes = 64}));
}

TEST(CheckRunsOn, NamesMissingFeatures) {
  const auto haswell = describe(testing::fake_haswell());
  const auto zen4 = describe(testing::fake_zen4());
  EXPECT_TRUE(check_runs_on(haswell.target, zen4));
  EXPECT_TRUE(check_runs_on(zen4.target, zen4));
  Target target = zen4.target;
  target.name = "zen4";
  target.features = {"avx2", "avx512f", "avx512vnni"};
  const auto status = check_runs_on(target, haswell);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(
      status.error().message,
      "target zen4 needs avx512f, avx512vnni, which this machine lacks (no AVX-512: using AVX2)");
  target.features = {"avx2"};
  EXPECT_EQ(check_runs_on(target, haswell).error().message,
            "target zen4 has 512-bit vectors, this machine has 256-bit");
}

// A hypervisor that hides the matrix unit.
TEST(CheckRunsOn, SapphireRapidsHasATargetWithoutItsMatrixUnit) {
  auto host = describe(testing::fake_sapphire_rapids());
  std::erase_if(host.target.features, [](const std::string& f) { return f.starts_with("amx"); });
  const auto load = [](const char* name) {
    auto target = load_target(std::filesystem::path(LACUNA_TEST_MACHINES) / name);
    EXPECT_TRUE(target) << target.error().message;
    return target.value_or(Target{});
  };
  EXPECT_EQ(check_runs_on(load("sapphire-rapids.yaml"), host).error().message,
            "target sapphire-rapids needs amx-bf16, amx-int8, amx-tile, which this machine lacks");
  const auto plain = check_runs_on(load("sapphire-rapids-noamx.yaml"), host);
  EXPECT_TRUE(plain) << plain.error().message;
}

// No listed feature is missing, but LLVM would use others of the named processor.
TEST(CheckRunsOn, NamesWhatTheProcessorImplies) {
  const auto haswell = describe(testing::fake_haswell());
  Target target = haswell.target;
  target.name = "mine";
  target.llvm_cpu = "znver3";
  EXPECT_TRUE(check_runs_on(target, haswell));
  target.llvm_cpu = "x86-64-v4";
  const auto wide = check_runs_on(target, haswell);
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(wide.error().message,
            "target mine: llvm_cpu x86-64-v4 implies avx512bw, avx512cd, avx512dq, avx512f, "
            "avx512vl, which this machine lacks (no AVX-512: using AVX2)");
  target.llvm_cpu = "i486";
  EXPECT_EQ(check_runs_on(target, haswell).error().message,
            "target mine: not known what llvm_cpu i486 needs; x86-64-v3 and x86-64-v4 are");
}

TEST(CheckRunsOn, AnotherMakersProcessorLacksSomething) {
  const auto zen4 = describe(testing::fake_zen4());
  Target target = zen4.target;
  target.name = "mine";
  target.llvm_cpu = "sapphirerapids";
  EXPECT_EQ(check_runs_on(target, zen4).error().message,
            "target mine: llvm_cpu sapphirerapids implies avx512fp16, avxvnni, which this machine "
            "lacks");
  target.llvm_cpu = "icelake-server";
  EXPECT_TRUE(check_runs_on(target, zen4));
  target.llvm_cpu = "znver5";
  EXPECT_EQ(check_runs_on(target, zen4).error().message,
            "target mine: llvm_cpu znver5 implies avx512vp2intersect, avxvnni, which this machine "
            "lacks");
}

}  // namespace
}  // namespace lacuna
