// SPDX-License-Identifier: Apache-2.0
//
// Where and when a measurement was made: what results/README.md asks every result to say about itself.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "targets/host.h"

namespace lacuna::cli {

// Keys: command, commit, date, cpu, fingerprint, cores, vector_bits, l1d_bytes, l2_bytes, l3_bytes, memory_bytes,
// system, compiler. What cannot be found out is "unknown" or 0.
[[nodiscard]] nlohmann::json run_environment(const HostDescription& host,
                                             const std::string& command);

}  // namespace lacuna::cli
