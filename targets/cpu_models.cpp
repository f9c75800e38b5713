// SPDX-License-Identifier: Apache-2.0
//
// From CPUID facts to what code generation needs: LLVM's processor name, vector width, pipe rates.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/result.h"
#include "targets/cpu_facts.h"
#include "targets/host.h"
#include "targets/target.h"

namespace lacuna {
namespace {

using FeatureList = std::span<const std::string_view>;

// x86-64 psABI, micro-architecture levels. The "osxsave" of the specification is implied by avx.
constexpr std::array<std::string_view, 14> kLevel3 = {"avx",  "avx2",   "bmi",    "bmi2",  "cx16",
                                                      "f16c", "fma",    "lzcnt",  "movbe", "popcnt",
                                                      "sse3", "sse4.1", "sse4.2", "ssse3"};
constexpr std::array<std::string_view, 5> kLevel4 = {"avx512bw", "avx512cd", "avx512dq", "avx512f",
                                                     "avx512vl"};
constexpr std::array<std::string_view, 4> kWide = {"avx512bw", "avx512dq", "avx512f", "avx512vl"};
constexpr std::array<std::string_view, 2> kNarrow = {"avx2", "fma"};

// Beyond level 4, what LLVM may emit unasked for each named processor.
constexpr std::array<std::string_view, 1> kCascadeLake = {"avx512vnni"};
constexpr std::array<std::string_view, 2> kCooperLake = {"avx512bf16", "avx512vnni"};
constexpr std::array<std::string_view, 8> kIceLake = {
    "avx512bitalg", "avx512ifma",      "avx512vbmi", "avx512vbmi2",
    "avx512vnni",   "avx512vpopcntdq", "gfni",       "vpclmulqdq"};
constexpr std::array<std::string_view, 11> kSapphireRapids = {
    "amx-tile",    "avx512bf16", "avx512bitalg",    "avx512fp16", "avx512ifma", "avx512vbmi",
    "avx512vbmi2", "avx512vnni", "avx512vpopcntdq", "avxvnni",    "gfni"};
constexpr std::array<std::string_view, 9> kZen4 = {"avx512bf16",      "avx512bitalg", "avx512ifma",
                                                   "avx512vbmi",      "avx512vbmi2",  "avx512vnni",
                                                   "avx512vpopcntdq", "gfni",         "vpclmulqdq"};
constexpr std::array<std::string_view, 11> kZen5 = {
    "avx512bf16",  "avx512bitalg", "avx512ifma",         "avx512vbmi",
    "avx512vbmi2", "avx512vnni",   "avx512vp2intersect", "avx512vpopcntdq",
    "avxvnni",     "gfni",         "vpclmulqdq"};

struct CpuModel {
  std::string_view llvm_cpu;
  std::string_view vendor;
  std::int32_t family;
  std::int32_t first_model, last_model;
  std::int32_t first_stepping, last_stepping;
  FeatureList features;
};

constexpr std::string_view kIntel = "GenuineIntel";
constexpr std::string_view kAmd = "AuthenticAMD";

// Model numbers: Intel SDM vol. 4, table 2-1; AMD processor programming references of families 19h, 1Ah.
constexpr std::array kModels = {
    CpuModel{"skylake-avx512", kIntel, 6, 0x55, 0x55, 0, 4, {}},
    CpuModel{"cascadelake", kIntel, 6, 0x55, 0x55, 5, 7, kCascadeLake},
    CpuModel{"cooperlake", kIntel, 6, 0x55, 0x55, 8, 15, kCooperLake},
    CpuModel{"icelake-server", kIntel, 6, 0x6a, 0x6a, 0, 15, kIceLake},
    CpuModel{"icelake-server", kIntel, 6, 0x6c, 0x6c, 0, 15, kIceLake},
    CpuModel{"sapphirerapids", kIntel, 6, 0x8f, 0x8f, 0, 15, kSapphireRapids},
    CpuModel{"emeraldrapids", kIntel, 6, 0xcf, 0xcf, 0, 15, kSapphireRapids},
    CpuModel{"znver4", kAmd, 0x19, 0x10, 0x1f, 0, 15, kZen4},
    CpuModel{"znver4", kAmd, 0x19, 0x60, 0x7f, 0, 15, kZen4},
    CpuModel{"znver4", kAmd, 0x19, 0xa0, 0xaf, 0, 15, kZen4},
    CpuModel{"znver5", kAmd, 0x1a, 0x00, 0x2f, 0, 15, kZen5},
    CpuModel{"znver5", kAmd, 0x1a, 0x40, 0x4f, 0, 15, kZen5},
    CpuModel{"znver5", kAmd, 0x1a, 0x60, 0x7f, 0, 15, kZen5},
};

bool has_all(const CpuFacts& facts, FeatureList features) {
  return std::ranges::all_of(features, [&](std::string_view f) { return facts.has_feature(f); });
}

std::vector<std::string_view> missing(const CpuFacts& facts, FeatureList features) {
  std::vector<std::string_view> names;
  std::ranges::copy_if(features, std::back_inserter(names),
                       [&](std::string_view f) { return !facts.has_feature(f); });
  return names;
}

// Older processors that target files may name. They are of level 3, and LLVM adds nothing that kernels could meet.
constexpr std::array<std::string_view, 8> kLevel3Cpus = {
    "haswell", "broadwell", "skylake", "znver1", "znver2", "znver3", "core-avx2", "x86-64-v3"};

// What LLVM may emit unasked in code for the processor (never AMX); nullopt for a name not known here.
std::optional<std::vector<std::string_view>> implied_features(std::string_view llvm_cpu) {
  std::vector<std::string_view> implied;
  const auto add = [&](FeatureList features) {
    std::ranges::copy_if(features, std::back_inserter(implied),
                         [](std::string_view f) { return !f.starts_with("amx"); });
  };
  if (llvm_cpu == "x86-64" || llvm_cpu == "generic" || llvm_cpu.empty()) return implied;
  add(kLevel3);
  if (std::ranges::find(kLevel3Cpus, llvm_cpu) != kLevel3Cpus.end()) return implied;
  add(kLevel4);
  if (llvm_cpu == "x86-64-v4") return implied;
  const auto model = std::ranges::find(kModels, llvm_cpu, &CpuModel::llvm_cpu);
  if (model == kModels.end()) return std::nullopt;
  add(model->features);
  return implied;
}

bool matches(const CpuModel& m, const CpuFacts& facts) {
  return facts.vendor == m.vendor && facts.family == m.family && facts.model >= m.first_model &&
         facts.model <= m.last_model && facts.stepping >= m.first_stepping &&
         facts.stepping <= m.last_stepping && has_all(facts, m.features);
}

// Two 512-bit FMA units: Intel's servers (AMX and avx512fp16 exist only there, whatever model number a
// hypervisor shows; Xeon Bronze and some Silver of 2017-2019 have one, which CPUID does not tell) and Zen 5.
// Everything else with AVX-512 is taken to have one: a guess too low costs a tile shape, the probe corrects it.
bool has_two_wide_fma(const CpuFacts& facts) {
  constexpr std::array kServers = {0x55, 0x6a, 0x6c, 0x8f, 0xcf, 0xad, 0xae};
  if (facts.vendor == kIntel)
    return facts.has_feature("amx-tile") || facts.has_feature("avx512fp16") ||
           (facts.family == 6 && std::ranges::find(kServers, facts.model) != kServers.end());
  return facts.vendor == kAmd && facts.family == 0x1a;
}

// Sources: Intel 64 and IA-32 Optimization Reference Manual (Skylake Server, Sapphire Rapids chapters);
// AMD Software Optimization Guides for Zen 4 (57647) and Zen 5 (58455). 256-bit: every core with AVX2 from
// Haswell and Zen 2 on issues two FMAs and two loads a cycle.
Pipes choose_pipes(const CpuFacts& facts, std::int32_t vector_bits) {
  constexpr std::int32_t kFmaLatency = 4;
  if (vector_bits < 512)
    return {.fma_per_cycle = 2,
            .load_per_cycle = 2,
            .broadcast_per_cycle = 2,
            .store_per_cycle = 1,
            .fma_latency = kFmaLatency};
  // VDPBF16PS: the AMD guides; on Intel's as measured (Granite Rapids: one in two cycles, 0.118 TFLOP/s beside 0.235 of
  // f32 FMAs).
  if (has_two_wide_fma(facts))
    return {.fma_per_cycle = 2,
            .dot_bf16_per_cycle = facts.vendor == kAmd ? 2 : 0.5,
            .load_per_cycle = 2,
            .broadcast_per_cycle = 2,
            .store_per_cycle = 1,
            .fma_latency = kFmaLatency};
  if (facts.vendor == kAmd)  // Zen 4: 256-bit data paths, two passes
    return {.fma_per_cycle = 1,
            .dot_bf16_per_cycle = 1,
            .load_per_cycle = 1,
            .broadcast_per_cycle = 2,
            .store_per_cycle = 0.5,
            .fma_latency = kFmaLatency};
  return {.fma_per_cycle = 1,
          .dot_bf16_per_cycle = 0.5,
          .load_per_cycle = 2,
          .broadcast_per_cycle = 2,
          .store_per_cycle = 1,
          .fma_latency = kFmaLatency};
}

}  // namespace

std::string choose_llvm_cpu(const CpuFacts& facts) {
  const bool level3 = has_all(facts, kLevel3);
  const bool level4 = level3 && has_all(facts, kLevel4);
  if (level4)
    for (const CpuModel& model : kModels)
      if (matches(model, facts)) return std::string(model.llvm_cpu);
  // "x86-64" with an explicit feature list still gives AVX2 code, without the rest of level 3.
  return level4 ? "x86-64-v4" : level3 ? "x86-64-v3" : "x86-64";
}

Result<HostDescription> describe_cpu(const CpuFacts& facts, const Caches& caches) {
  if (const auto lacking = missing(facts, kNarrow); !lacking.empty())
    return make_error(ErrorCode::kUnsupported,
                      "this processor ('{}') lacks {}: kernels need AVX2 and FMA", facts.model_name,
                      fmt::join(lacking, ", "));
  const auto lacking_wide = missing(facts, kWide);
  const bool wide = lacking_wide.empty();
  HostDescription host;
  host.vendor = facts.vendor;
  host.model_name = facts.model_name;
  host.family = facts.family;
  host.model = facts.model;
  host.stepping = facts.stepping;
  // Some AVX-512 without all of the four is as good as none: kernels would need a third set of builders.
  const CpuFacts usable = wide ? facts : without_avx512(facts);
  if (!wide)
    host.note = facts.has_feature("avx512f")
                    ? fmt::format("AVX-512 without {}: using AVX2", fmt::join(lacking_wide, ", "))
                    : "no AVX-512: using AVX2";
  host.features = usable.features;
  host.target.name = "host";
  host.target.isa = Isa::kX86_64;
  host.target.llvm_cpu = choose_llvm_cpu(usable);
  host.target.features = kernel_features(usable);
  host.target.vector_bits = wide ? 512 : 256;
  host.target.vector_registers = wide ? 32 : 16;
  host.target.pipes = choose_pipes(usable, host.target.vector_bits);
  host.target.caches = caches;
  return host;
}

Caches merge_caches(const Caches& first, const Caches& second) {
  const auto pick = [](auto a, auto b, std::int64_t low, std::int64_t high, auto fallback) {
    const auto believable = [&](std::int64_t bytes) { return bytes >= low && bytes <= high; };
    return believable(a) ? a : believable(b) ? b : fallback;
  };
  constexpr std::int64_t kKiB = 1024;
  constexpr std::int64_t kMiB = 1024 * kKiB;
  const Caches safe;
  Caches caches;
  caches.l1d_bytes = pick(first.l1d_bytes, second.l1d_bytes, 8 * kKiB, kMiB, safe.l1d_bytes);
  caches.l2_bytes = pick(first.l2_bytes, second.l2_bytes, 64 * kKiB, 64 * kMiB, safe.l2_bytes);
  caches.l3_bytes =
      pick(first.l3_bytes, second.l3_bytes, 512 * kKiB, 16 * kKiB * kMiB, safe.l3_bytes);
  caches.line_bytes = pick(first.line_bytes, second.line_bytes, 32, 256, safe.line_bytes);
  return caches;
}

Result<> check_runs_on(const Target& target, const HostDescription& host) {
  const std::string note = host.note.empty() ? "" : fmt::format(" ({})", host.note);
  std::vector<std::string_view> lacking;
  for (const std::string& feature : target.features)
    if (!host.target.has_feature(feature)) lacking.push_back(feature);
  if (!lacking.empty())
    return make_error(ErrorCode::kUnsupported, "target {} needs {}, which this machine lacks{}",
                      target.name, fmt::join(lacking, ", "), note);
  if (target.vector_bits > host.target.vector_bits)
    return make_error(ErrorCode::kUnsupported,
                      "target {} has {}-bit vectors, this machine has {}-bit", target.name,
                      target.vector_bits, host.target.vector_bits);
  const auto implied = implied_features(target.llvm_cpu);
  if (!implied && target.llvm_cpu != host.target.llvm_cpu)
    return make_error(ErrorCode::kUnsupported,
                      "target {}: not known what llvm_cpu {} needs; x86-64-v3 and x86-64-v4 are",
                      target.name, target.llvm_cpu);
  for (const std::string_view feature : implied.value_or(std::vector<std::string_view>{}))
    if (std::ranges::find(host.features, feature) == host.features.end())
      lacking.push_back(feature);
  if (!lacking.empty())
    return make_error(ErrorCode::kUnsupported,
                      "target {}: llvm_cpu {} implies {}, which this machine lacks{}", target.name,
                      target.llvm_cpu, fmt::join(lacking, ", "), note);
  return {};
}

}  // namespace lacuna
