// SPDX-License-Identifier: Apache-2.0
#include "targets/base/env.h"

#include <cstdlib>
#include <optional>
#include <string>

namespace lacuna {

std::optional<std::string> read_env(const char* name) {
  const char* value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read-only, see the header
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

}  // namespace lacuna
