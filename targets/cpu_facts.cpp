// SPDX-License-Identifier: Apache-2.0
#include "targets/cpu_facts.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "targets/target.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lacuna {
namespace {

enum class Register : std::uint8_t { kEax, kEbx, kEcx, kEdx };
enum class State : std::uint8_t { kNone, kAvx, kAvx512, kAmx };  // what XCR0 must have enabled
enum class Use : std::uint8_t { kIdentity, kKernels };  // only tells processors apart, or usable

struct FeatureBit {
  std::string_view name;
  std::uint32_t leaf;
  std::uint32_t subleaf;
  Register reg;
  int bit;
  State state;
  Use use;
};

constexpr std::uint32_t kExtended1 = 0x80000001U;

// Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E. Names as `llc -mattr=help` prints them.
constexpr std::array kFeatureBits = {
    FeatureBit{"sse3", 1, 0, Register::kEcx, 0, State::kNone, Use::kIdentity},
    FeatureBit{"ssse3", 1, 0, Register::kEcx, 9, State::kNone, Use::kIdentity},
    FeatureBit{"fma", 1, 0, Register::kEcx, 12, State::kAvx, Use::kKernels},
    FeatureBit{"cx16", 1, 0, Register::kEcx, 13, State::kNone, Use::kIdentity},
    FeatureBit{"sse4.1", 1, 0, Register::kEcx, 19, State::kNone, Use::kIdentity},
    FeatureBit{"sse4.2", 1, 0, Register::kEcx, 20, State::kNone, Use::kIdentity},
    FeatureBit{"movbe", 1, 0, Register::kEcx, 22, State::kNone, Use::kIdentity},
    FeatureBit{"popcnt", 1, 0, Register::kEcx, 23, State::kNone, Use::kIdentity},
    FeatureBit{"xsave", 1, 0, Register::kEcx, 26, State::kNone, Use::kIdentity},
    FeatureBit{"avx", 1, 0, Register::kEcx, 28, State::kAvx, Use::kKernels},
    FeatureBit{"f16c", 1, 0, Register::kEcx, 29, State::kAvx, Use::kKernels},
    FeatureBit{"bmi", 7, 0, Register::kEbx, 3, State::kNone, Use::kKernels},
    FeatureBit{"avx2", 7, 0, Register::kEbx, 5, State::kAvx, Use::kKernels},
    FeatureBit{"bmi2", 7, 0, Register::kEbx, 8, State::kNone, Use::kKernels},
    FeatureBit{"avx512f", 7, 0, Register::kEbx, 16, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512dq", 7, 0, Register::kEbx, 17, State::kAvx512, Use::kKernels},
    FeatureBit{"adx", 7, 0, Register::kEbx, 19, State::kNone, Use::kIdentity},
    FeatureBit{"avx512ifma", 7, 0, Register::kEbx, 21, State::kAvx512, Use::kIdentity},
    FeatureBit{"avx512cd", 7, 0, Register::kEbx, 28, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512bw", 7, 0, Register::kEbx, 30, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512vl", 7, 0, Register::kEbx, 31, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512vbmi", 7, 0, Register::kEcx, 1, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512vbmi2", 7, 0, Register::kEcx, 6, State::kAvx512, Use::kIdentity},
    FeatureBit{"gfni", 7, 0, Register::kEcx, 8, State::kNone, Use::kIdentity},
    FeatureBit{"vaes", 7, 0, Register::kEcx, 9, State::kAvx, Use::kIdentity},
    FeatureBit{"vpclmulqdq", 7, 0, Register::kEcx, 10, State::kAvx, Use::kIdentity},
    FeatureBit{"avx512vnni", 7, 0, Register::kEcx, 11, State::kAvx512, Use::kKernels},
    FeatureBit{"avx512bitalg", 7, 0, Register::kEcx, 12, State::kAvx512, Use::kIdentity},
    FeatureBit{"avx512vpopcntdq", 7, 0, Register::kEcx, 14, State::kAvx512, Use::kIdentity},
    FeatureBit{"avx512vp2intersect", 7, 0, Register::kEdx, 8, State::kAvx512, Use::kIdentity},
    FeatureBit{"amx-bf16", 7, 0, Register::kEdx, 22, State::kAmx, Use::kKernels},
    FeatureBit{"avx512fp16", 7, 0, Register::kEdx, 23, State::kAvx512, Use::kKernels},
    FeatureBit{"amx-tile", 7, 0, Register::kEdx, 24, State::kAmx, Use::kKernels},
    FeatureBit{"amx-int8", 7, 0, Register::kEdx, 25, State::kAmx, Use::kKernels},
    FeatureBit{"avxvnni", 7, 1, Register::kEax, 4, State::kAvx, Use::kKernels},
    FeatureBit{"avx512bf16", 7, 1, Register::kEax, 5, State::kAvx512, Use::kKernels},
    FeatureBit{"amx-fp16", 7, 1, Register::kEax, 21, State::kAmx, Use::kIdentity},
    FeatureBit{"lzcnt", kExtended1, 0, Register::kEcx, 5, State::kNone, Use::kIdentity},
};

constexpr int kOsxsaveBit = 27;  // leaf 1, ecx

#if defined(__x86_64__)
class NativeCpuid final : public CpuidSource {
 public:
  [[nodiscard]] CpuidRegisters read(std::uint32_t leaf, std::uint32_t subleaf) const override {
    CpuidRegisters r;
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
  }
  [[nodiscard]] std::uint64_t xcr0() const override {
    // NOLINTBEGIN(misc-const-correctness): the check does not see that an asm writes its outputs
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    // NOLINTEND(misc-const-correctness)
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (std::uint64_t{high} << 32) | low;
  }
};
#else
class NativeCpuid final : public CpuidSource {
 public:
  [[nodiscard]] CpuidRegisters read(std::uint32_t, std::uint32_t) const override { return {}; }
  [[nodiscard]] std::uint64_t xcr0() const override { return 0; }
};
#endif

std::uint32_t pick(const CpuidRegisters& r, Register which) {
  switch (which) {
    case Register::kEax:
      return r.eax;
    case Register::kEbx:
      return r.ebx;
    case Register::kEcx:
      return r.ecx;
    case Register::kEdx:
      return r.edx;
  }
  return 0;
}

// CPUID answers a leaf beyond the last one with some other leaf's content: ask only for those that exist.
CpuidRegisters read_if_present(const CpuidSource& source, std::uint32_t leaf,
                               std::uint32_t subleaf = 0) {
  const std::uint32_t base = leaf & 0x80000000U;
  if (source.read(base, 0).eax < leaf) return {};
  if (leaf == 7 && source.read(7, 0).eax < subleaf) return {};
  return source.read(leaf, subleaf);
}

bool state_enabled(State state, std::uint64_t xcr0) {
  constexpr std::uint64_t kAvxBits = 0x6;      // SSE and AVX state
  constexpr std::uint64_t kAvx512Bits = 0xe6;  // and opmask, upper halves, upper registers
  constexpr std::uint64_t kAmxBits = 0x60000;  // tile configuration and data
  switch (state) {
    case State::kNone:
      return true;
    case State::kAvx:
      return (xcr0 & kAvxBits) == kAvxBits;
    case State::kAvx512:
      return (xcr0 & kAvx512Bits) == kAvx512Bits;
    case State::kAmx:
      return (xcr0 & kAmxBits) == kAmxBits;
  }
  return false;
}

std::vector<std::string> read_features(const CpuidSource& source) {
  const bool osxsave = (read_if_present(source, 1).ecx >> kOsxsaveBit & 1U) != 0;
  const std::uint64_t xcr0 = osxsave ? source.xcr0() : 0;
  std::vector<std::string> features;
  CpuidRegisters registers;
  const FeatureBit* previous = nullptr;
  for (const FeatureBit& f : kFeatureBits) {
    // Under a hypervisor each CPUID costs some ten microseconds: read a leaf once (the table is in order).
    const bool same_leaf =
        previous != nullptr && previous->leaf == f.leaf && previous->subleaf == f.subleaf;
    if (!same_leaf) registers = read_if_present(source, f.leaf, f.subleaf);
    previous = &f;
    const bool present = (pick(registers, f.reg) >> f.bit & 1U) != 0;
    if (present && state_enabled(f.state, xcr0)) features.emplace_back(f.name);
  }
  std::ranges::sort(features);
  return features;
}

void append_text(std::string& text, std::uint32_t value) {
  std::array<char, sizeof value> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  for (const char c : bytes)
    if (c >= ' ' && c <= '~') text.push_back(c);
}

std::string read_vendor(const CpuidSource& source) {
  const auto r = source.read(0, 0);
  std::string vendor;
  for (const std::uint32_t part : {r.ebx, r.edx, r.ecx})
    append_text(vendor, part);
  return vendor;
}

std::string read_model_name(const CpuidSource& source) {
  std::string name;
  for (const std::uint32_t leaf : {0x80000002U, 0x80000003U, 0x80000004U}) {
    const auto r = read_if_present(source, leaf);
    for (const std::uint32_t part : {r.eax, r.ebx, r.ecx, r.edx})
      append_text(name, part);
  }
  const auto first = name.find_first_not_of(' ');
  const auto last = name.find_last_not_of(' ');
  return first == std::string::npos ? "" : name.substr(first, last - first + 1);
}

// Deterministic cache parameters: leaf 4 (Intel) and 0x8000001D (AMD) share this layout.
Caches read_caches(const CpuidSource& source) {
  constexpr std::uint32_t kMaxCaches =
      16;  // both lists end much earlier; a faulty hypervisor may not
  Caches caches{.l1d_bytes = 0, .l2_bytes = 0, .l3_bytes = 0, .line_bytes = 0};
  const bool intel_leaf = (read_if_present(source, 4).eax & 0x1fU) != 0;
  const std::uint32_t leaf = intel_leaf ? 4U : 0x8000001DU;
  for (std::uint32_t i = 0; i < kMaxCaches; ++i) {
    const auto r = read_if_present(source, leaf, i);
    const std::uint32_t type = r.eax & 0x1fU;  // 1 data, 2 instruction, 3 unified
    if (type == 0) break;
    if (type == 2) continue;
    const std::int64_t line_bytes = (r.ebx & 0xfffU) + 1;
    const std::int64_t partitions = (r.ebx >> 12 & 0x3ffU) + 1;
    const std::int64_t ways = (r.ebx >> 22) + 1;
    const std::int64_t bytes = ways * partitions * line_bytes * (std::int64_t{r.ecx} + 1);
    const std::uint32_t level = r.eax >> 5 & 0x7U;
    if (level == 1) {
      caches.l1d_bytes = bytes;
      caches.line_bytes = static_cast<std::int32_t>(line_bytes);
    }
    if (level == 2) caches.l2_bytes = bytes;
    if (level == 3) caches.l3_bytes = bytes;
  }
  return caches;
}

}  // namespace

const CpuidSource& native_cpuid() {
  static const NativeCpuid kSource;
  return kSource;
}

bool CpuFacts::has_feature(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

CpuFacts read_cpu_facts(const CpuidSource& source) {
  CpuFacts facts;
  facts.vendor = read_vendor(source);
  facts.model_name = read_model_name(source);
  const std::uint32_t signature = read_if_present(source, 1).eax;
  const std::uint32_t base_family = signature >> 8 & 0xfU;
  const std::uint32_t base_model = signature >> 4 & 0xfU;
  facts.family =
      static_cast<std::int32_t>(base_family + (base_family == 0xf ? signature >> 20 & 0xffU : 0));
  const bool has_extended_model = base_family == 0x6 || base_family == 0xf;
  facts.model = static_cast<std::int32_t>(base_model +
                                          (has_extended_model ? (signature >> 16 & 0xfU) << 4 : 0));
  facts.stepping = static_cast<std::int32_t>(signature & 0xfU);
  facts.features = read_features(source);
  facts.caches = read_caches(source);
  return facts;
}

std::vector<std::string> kernel_features(const CpuFacts& facts) {
  std::vector<std::string> usable;
  for (const FeatureBit& f : kFeatureBits)
    if (f.use == Use::kKernels && facts.has_feature(f.name)) usable.emplace_back(f.name);
  std::ranges::sort(usable);
  return usable;
}

CpuFacts without_avx512(CpuFacts facts) {
  std::erase_if(facts.features, [](const std::string& f) {
    return f.starts_with("avx512") || f.starts_with("amx");
  });
  return facts;
}

}  // namespace lacuna
