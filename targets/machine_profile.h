// SPDX-License-Identifier: Apache-2.0
//
// MachineProfile: what `lacuna probe` measured on this machine. The measuring code is in tuner/ (the only
// owner of a clock); this is the value, its file format, and where it is stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"

namespace lacuna {

// All rates are of ONE core.
struct MachineProfile {
  std::int32_t schema = 1;
  std::string fingerprint;  // host_fingerprint() of the machine measured
  std::string model_name;
  std::string measured_at;     // ISO 8601 UTC
  double fma_f32_gflops = 0;   // 2 flop per FMA lane, registers only
  double fma_bf16_gflops = 0;  // vdpbf16ps; 0 = the machine has no such instruction
  double dot_int8_gops = 0;    // vpdpbusd; 0 = none
  double clock_ghz = 0;        // dependent integer adds per nanosecond
  double l1_read_gbps = 0;     // bytes 1e9 per second, footprint half of the level
  double l2_read_gbps = 0;
  double l3_read_gbps = 0;  // 0 = no L3
  double dram_read_gbps = 0;
  double l2_write_gbps = 0;
  double dram_write_gbps = 0;
  double parallel_efficiency = 1;  // FMA rate of all cores / (cores x one core)
  std::int32_t cores = 1;

  bool operator==(const MachineProfile&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("schema", self.schema);
    visit("fingerprint", self.fingerprint);
    visit("model_name", self.model_name);
    visit("measured_at", self.measured_at);
    visit("fma_f32_gflops", self.fma_f32_gflops);
    visit("fma_bf16_gflops", self.fma_bf16_gflops);
    visit("dot_int8_gops", self.dot_int8_gops);
    visit("clock_ghz", self.clock_ghz);
    visit("l1_read_gbps", self.l1_read_gbps);
    visit("l2_read_gbps", self.l2_read_gbps);
    visit("l3_read_gbps", self.l3_read_gbps);
    visit("dram_read_gbps", self.dram_read_gbps);
    visit("l2_write_gbps", self.l2_write_gbps);
    visit("dram_write_gbps", self.dram_write_gbps);
    visit("parallel_efficiency", self.parallel_efficiency);
    visit("cores", self.cores);
  }
};

// <user_cache_folder>/v1/<fingerprint>/profile.json
[[nodiscard]] std::filesystem::path profile_path(const std::string& fingerprint);
// Errors: kNotFound (no profile yet), kInvalidFile (malformed, another schema or fingerprint).
[[nodiscard]] Result<MachineProfile> load_profile(const std::filesystem::path& path);
[[nodiscard]] Result<> store_profile(const std::filesystem::path& path,
                                     const MachineProfile& profile);

}  // namespace lacuna
