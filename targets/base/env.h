// SPDX-License-Identifier: Apache-2.0
//
// Environment variables: the one place that reads them. Users' settings are named LACUNA_*.
#pragma once

#include <optional>
#include <string>

namespace lacuna {

// The value of an environment variable; nullopt when it is unset or empty.
// Thread safety: safe as long as no thread changes the environment at the same time (Lacuna never does).
[[nodiscard]] std::optional<std::string> read_env(const char* name);

}  // namespace lacuna
