// SPDX-License-Identifier: Apache-2.0
//
// Target files: targets/machines/*.yaml. The schema is the field list of Target plus `schema: 1`.
//
// Every fault is an error `file:line: key: what is wrong, and the allowed range or values`: unknown keys,
// missing required keys (schema, name, isa, vector_bits), wrong types, values out of range.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/result.h"
#include "targets/target.h"

namespace lacuna {

// Parses the text of one file; `file_name` appears in messages.
[[nodiscard]] Result<Target> parse_target(std::string_view yaml, std::string_view file_name);
[[nodiscard]] Result<Target> load_target(const std::filesystem::path& path);

// Folders searched for `<name>.yaml`, in order: $LACUNA_TARGETS, the installed share/lacuna/targets beside
// the running library, the source tree the library was built from.
[[nodiscard]] std::vector<std::filesystem::path> target_folders();
// Finds a target by name ("zen4"), by path (contains '/' or ends in .yaml), or "host" (host.h).
// Errors: kNotFound, listing the known names.
[[nodiscard]] Result<Target> find_target(const std::string& name_or_path);
[[nodiscard]] std::vector<std::string> known_target_names();

}  // namespace lacuna
