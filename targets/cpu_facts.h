// SPDX-License-Identifier: Apache-2.0
//
// CpuFacts: what the CPUID instruction and XCR0 say about an x86-64 processor, decoded. host.h is built on
// it; the raw registers come through an interface, so that tests describe processors they do not have.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target.h"

namespace lacuna {

struct CpuidRegisters {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Where the registers come from: the processor (native_cpuid) or a test's table.
class CpuidSource {
 public:
  CpuidSource() = default;
  CpuidSource(const CpuidSource&) = delete;
  CpuidSource& operator=(const CpuidSource&) = delete;
  virtual ~CpuidSource() = default;
  [[nodiscard]] virtual CpuidRegisters read(std::uint32_t leaf, std::uint32_t subleaf) const = 0;
  // State components the operating system saves; asked only where CPUID says OSXSAVE.
  [[nodiscard]] virtual std::uint64_t xcr0() const = 0;
};

// This processor. Only on x86-64; elsewhere every leaf reads as zero.
[[nodiscard]] const CpuidSource& native_cpuid();

struct CpuFacts {
  std::string vendor;       // "GenuineIntel", "AuthenticAMD", ...
  std::string model_name;   // brand string without the padding; often generic in virtual machines
  std::int32_t family = 0;  // with the extended fields added in
  std::int32_t model = 0;
  std::int32_t stepping = 0;
  std::vector<std::string>
      features;   // LLVM names, sorted; only those the operating system has enabled
  Caches caches;  // fields that CPUID does not tell are 0

  [[nodiscard]] bool has_feature(std::string_view feature) const;
};
[[nodiscard]] CpuFacts read_cpu_facts(const CpuidSource& source);

// The features, of those above, that generated kernels may use: what a Target lists. Sorted.
[[nodiscard]] std::vector<std::string> kernel_features(const CpuFacts& facts);

// The facts of a machine without AVX-512.
[[nodiscard]] CpuFacts without_avx512(CpuFacts facts);

// Host description with everything but cores and the caches of `caches` filled in from the facts.
// Errors: kUnsupported, naming the missing features.
[[nodiscard]] Result<HostDescription> describe_cpu(const CpuFacts& facts, const Caches& caches);

// Each field from the first source that gives a believable size (a virtual machine may show nothing, or
// nonsense), else 32 KiB, 512 KiB, no L3 and 64-byte lines, which is safe on every AVX2 machine.
[[nodiscard]] Caches merge_caches(const Caches& first, const Caches& second);

// True if code for an x86-64 target runs on the described host, else the error names what is missing.
[[nodiscard]] Result<> check_runs_on(const Target& target, const HostDescription& host);

// LLVM's name of the processor: an exact model only where vendor, family, model and all of that model's
// features agree (virtual machines report one processor's number with another's features), otherwise the
// highest x86-64 level that the features cover.
[[nodiscard]] std::string choose_llvm_cpu(const CpuFacts& facts);

}  // namespace lacuna
