// SPDX-License-Identifier: Apache-2.0
//
// The machine we run on: CPUID features (only those the operating system has enabled in XCR0), caches from
// hwloc, and a fingerprint. No measurement here; measured values are in MachineProfile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"

namespace lacuna {

struct HostDescription {
  Target target;  // name "host"; vector_bits 512 with AVX-512 F+BW+DQ+VL, else 256 with AVX2+FMA
  std::string vendor;      // CPUID vendor string
  std::string model_name;  // CPUID brand string; virtual machines often hide it
  std::int32_t family = 0, model = 0, stepping = 0;
  std::int32_t cores = 1;  // cores this process may run on
  std::vector<std::string>
      features;      // all that target.features and target.llvm_cpu draw on; sorted
  std::string note;  // empty, or what was found missing: "no AVX-512: using AVX2"
};

// Errors: kUnsupported on a machine without AVX2 and FMA (or not x86-64), naming what is missing.
// $LACUNA_MAX_VECTOR_BITS=256 makes an AVX-512 machine answer as one without it (for tests and comparison).
[[nodiscard]] Result<HostDescription> describe_host();

// Identity of the hardware as seen from inside: vendor, family, model, stepping, features, caches.
// 32 hex digits; names of folders and keys of records. Does not change with load, cores or clock.
[[nodiscard]] std::string host_fingerprint(const HostDescription& host);

// True if code for `target` can run on this host, also what its llvm_cpu lets LLVM emit; otherwise the error says which
// feature is missing.
[[nodiscard]] Result<> check_runs_on_host(const Target& target);

}  // namespace lacuna
