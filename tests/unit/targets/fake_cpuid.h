// SPDX-License-Identifier: Apache-2.0
//
// CPUID of processors that the test machine does not have, composed from public model and feature numbers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "targets/cpu_facts.h"

namespace lacuna::testing {

inline constexpr std::uint64_t kXcr0Sse = 0x3;
inline constexpr std::uint64_t kXcr0Avx = 0x7;
inline constexpr std::uint64_t kXcr0Avx512 = 0xe7;
inline constexpr std::uint64_t kXcr0Amx = 0x600e7;

class FakeCpuid final : public CpuidSource {
 public:
  using Bits = std::vector<int>;

  FakeCpuid(const std::string& vendor, std::uint32_t signature, std::uint64_t xcr0) : xcr0_(xcr0) {
    std::array<std::uint32_t, 3> words{};
    std::memcpy(words.data(), vendor.data(), 12);
    at(0) = {.eax = 0x20, .ebx = words[0], .ecx = words[2], .edx = words[1]};
    at(1).eax = signature;
    at(7).eax = 1;
    at(0x80000000U).eax = 0x8000001dU;
  }
  FakeCpuid(FakeCpuid&& other) noexcept : leaves_(std::move(other.leaves_)), xcr0_(other.xcr0_) {}

  [[nodiscard]] CpuidRegisters read(std::uint32_t leaf, std::uint32_t subleaf) const override {
    const auto it = leaves_.find({leaf, subleaf});
    return it == leaves_.end() ? CpuidRegisters{} : it->second;
  }
  [[nodiscard]] std::uint64_t xcr0() const override { return xcr0_; }

  CpuidRegisters& at(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    return leaves_[{leaf, subleaf}];
  }
  void set_xcr0(std::uint64_t xcr0) { xcr0_ = xcr0; }

  void set_brand(std::string brand) {
    brand.resize(48, '\0');
    for (std::uint32_t i = 0; i < 3; ++i)
      std::memcpy(&at(0x80000002U + i), brand.data() + i * 16, 16);
  }
  static void set_bits(std::uint32_t& word, const Bits& bits) {
    for (const int bit : bits)
      word |= 1U << bit;
  }
  // Level 3 of the psABI: everything that a Haswell has.
  void add_level3() {
    set_bits(at(1).ecx, {0, 9, 12, 13, 19, 20, 22, 23, 26, 27, 28, 29});
    set_bits(at(7).ebx, {3, 5, 8});
    set_bits(at(0x80000001U).ecx, {5});
  }
  void add_level4() {
    add_level3();
    set_bits(at(7).ebx, {16, 17, 28, 30, 31});
  }
  void add_ice_lake() {
    add_level4();
    set_bits(at(7).ebx, {21});
    set_bits(at(7).ecx, {1, 6, 8, 9, 10, 11, 12, 14});
  }
  // leaf 4 or 0x8000001D; type 1 data, 2 instruction, 3 unified
  void add_cache(std::uint32_t leaf, std::uint32_t index, std::uint32_t level, std::uint32_t type,
                 std::uint32_t ways, std::uint32_t sets) {
    at(leaf, index) = {
        .eax = type | level << 5, .ebx = 63U | (ways - 1) << 22, .ecx = sets - 1, .edx = 0};
  }

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidRegisters> leaves_;
  std::uint64_t xcr0_;
};

inline constexpr const char* kIntel = "GenuineIntel";
inline constexpr const char* kAmd = "AuthenticAMD";

inline FakeCpuid fake_haswell() {
  FakeCpuid cpu(kIntel, 0x306c3, kXcr0Avx);
  cpu.set_brand("   Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz");
  cpu.add_level3();
  cpu.add_cache(4, 0, 1, 1, 8, 64);
  cpu.add_cache(4, 1, 1, 2, 8, 64);
  cpu.add_cache(4, 2, 2, 3, 8, 512);
  cpu.add_cache(4, 3, 3, 3, 16, 8192);
  return cpu;
}

inline FakeCpuid fake_skylake_x() {
  FakeCpuid cpu(kIntel, 0x50654, kXcr0Avx512);
  cpu.add_level4();
  return cpu;
}

inline FakeCpuid fake_cascade_lake() {
  FakeCpuid cpu(kIntel, 0x50657, kXcr0Avx512);
  cpu.add_level4();
  FakeCpuid::set_bits(cpu.at(7).ecx, {11});
  return cpu;
}

inline FakeCpuid fake_zen4() {
  FakeCpuid cpu(kAmd, 0xa10f11, kXcr0Avx512);
  cpu.set_brand("AMD EPYC 9654 96-Core Processor                ");
  cpu.add_ice_lake();
  FakeCpuid::set_bits(cpu.at(7, 1).eax, {5});
  cpu.add_cache(0x8000001dU, 0, 1, 1, 8, 64);
  cpu.add_cache(0x8000001dU, 1, 1, 2, 8, 64);
  cpu.add_cache(0x8000001dU, 2, 2, 3, 8, 2048);
  cpu.add_cache(0x8000001dU, 3, 3, 3, 16, 32768);
  return cpu;
}

inline FakeCpuid fake_zen5() {
  FakeCpuid cpu(kAmd, 0xb00f21, kXcr0Avx512);
  cpu.set_brand("AMD EPYC 9755 128-Core Processor               ");
  cpu.add_ice_lake();
  FakeCpuid::set_bits(cpu.at(7).edx, {8});
  FakeCpuid::set_bits(cpu.at(7, 1).eax, {4, 5});
  cpu.add_cache(0x8000001dU, 0, 1, 1, 12, 64);
  cpu.add_cache(0x8000001dU, 1, 1, 2, 8, 64);
  cpu.add_cache(0x8000001dU, 2, 2, 3, 16, 1024);
  cpu.add_cache(0x8000001dU, 3, 3, 3, 16, 32768);
  return cpu;
}

// `signature` 0x806f8 is the real one; hypervisors show others.
inline FakeCpuid fake_sapphire_rapids(std::uint32_t signature = 0x806f8) {
  FakeCpuid cpu(kIntel, signature, kXcr0Amx);
  cpu.add_ice_lake();
  FakeCpuid::set_bits(cpu.at(7).edx, {22, 23, 24, 25});
  FakeCpuid::set_bits(cpu.at(7, 1).eax, {4, 5});
  return cpu;
}

}  // namespace lacuna::testing
