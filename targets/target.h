// SPDX-License-Identifier: Apache-2.0
//
// Target: what a kernel is generated for. A value; from a YAML file (target_yaml.h) or the host (host.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/base/fields.h"

namespace lacuna {

enum class Isa : std::uint8_t { kX86_64, kAarch64, kCuda };

template <>
struct EnumNames<Isa> {
  static constexpr std::array kNames = {std::pair{Isa::kX86_64, std::string_view("x86_64")},
                                        std::pair{Isa::kAarch64, std::string_view("aarch64")},
                                        std::pair{Isa::kCuda, std::string_view("cuda")}};
};

// Sustained instruction rates of one core, at the target's vector width. Sources are named in the YAML files.
struct Pipes {
  double fma_per_cycle = 1;        // vector FMAs
  double dot_bf16_per_cycle = 1;   // sums of bf16 pairs (VDPBF16PS), where the target has them
  double load_per_cycle = 1;       // full-width vector loads
  double broadcast_per_cycle = 2;  // scalar loads that fill a vector
  double store_per_cycle = 1;      // full-width vector stores
  std::int32_t fma_latency = 4;    // cycles

  bool operator==(const Pipes&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("fma_per_cycle", self.fma_per_cycle);
    visit("dot_bf16_per_cycle", self.dot_bf16_per_cycle);
    visit("load_per_cycle", self.load_per_cycle);
    visit("broadcast_per_cycle", self.broadcast_per_cycle);
    visit("store_per_cycle", self.store_per_cycle);
    visit("fma_latency", self.fma_latency);
  }
};

// Per-core capacities in bytes, except l3_bytes (shared by the socket). 0 = absent or unknown.
struct Caches {
  std::int64_t l1d_bytes = 32768;
  std::int64_t l2_bytes = 524288;
  std::int64_t l3_bytes = 0;
  std::int32_t line_bytes = 64;

  bool operator==(const Caches&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("l1d_bytes", self.l1d_bytes);
    visit("l2_bytes", self.l2_bytes);
    visit("l3_bytes", self.l3_bytes);
    visit("line_bytes", self.line_bytes);
  }
};

// CUDA targets only; all zero elsewhere.
struct GpuLimits {
  std::int32_t compute_capability = 0;  // 80 for sm_80, 90 for sm_90a
  std::int32_t sm_count = 0;
  std::int64_t shared_bytes_per_sm = 0;
  std::int32_t registers_per_sm = 0;  // 32-bit registers
  std::int32_t max_threads_per_sm = 0;

  bool operator==(const GpuLimits&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("compute_capability", self.compute_capability);
    visit("sm_count", self.sm_count);
    visit("shared_bytes_per_sm", self.shared_bytes_per_sm);
    visit("registers_per_sm", self.registers_per_sm);
    visit("max_threads_per_sm", self.max_threads_per_sm);
  }
};

struct Target {
  std::string name;  // [a-z0-9_-]+ in files; '-' becomes '_' inside kernel names (kernel_spec.h)
  Isa isa = Isa::kX86_64;
  std::string llvm_cpu;  // LLVM's -mcpu name; empty for CUDA
  std::vector<std::string>
      features;  // LLVM feature names that kernels may use, e.g. "avx512f"; sorted
  std::int32_t vector_bits = 256;  // 128, 256, 512; 0 = scalable (SVE)
  std::int32_t vector_registers = 16;
  Pipes pipes;
  Caches caches;
  std::int64_t code_limit_bytes = 65536;  // a generated kernel may not be larger
  GpuLimits gpu;

  bool operator==(const Target&) const = default;
  // f32 elements in a vector register; 0 for scalable vectors.
  [[nodiscard]] int f32_lanes() const { return vector_bits / 32; }
  [[nodiscard]] bool has_feature(std::string_view feature) const {
    for (const auto& f : features)
      if (f == feature) return true;
    return false;
  }
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("isa", self.isa);
    visit("llvm_cpu", self.llvm_cpu);
    visit("features", self.features);
    visit("vector_bits", self.vector_bits);
    visit("vector_registers", self.vector_registers);
    visit("pipes", self.pipes);
    visit("caches", self.caches);
    visit("code_limit_bytes", self.code_limit_bytes);
    visit("gpu", self.gpu);
  }
};

}  // namespace lacuna
