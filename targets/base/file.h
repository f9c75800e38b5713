// SPDX-License-Identifier: Apache-2.0
//
// Whole-file reads and atomic writes. Thread safety: functions without shared state.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

// Errors: kNotFound when the file does not exist, kIo otherwise; the message names the path.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path);
[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& path);

// Writes to a temporary file in the same folder, fsyncs, then renames: readers see the old content or the
// new, never a part, whatever kills the process. Creates missing parent folders. On any fault (full disk,
// read-only folder) the target is untouched, the temporary file removed, and the error is kIo.
[[nodiscard]] Result<> write_file_atomic(const std::filesystem::path& path,
                                         std::span<const std::byte> bytes);
[[nodiscard]] Result<> write_file_atomic(const std::filesystem::path& path, std::string_view text);

// Removes from the folder (not from those below) the temporary files of write_file_atomic that are older than an hour:
// a process that was killed left them. Faults are ignored: they cost room, nothing else.
void sweep_temporary_files(const std::filesystem::path& folder) noexcept;

// Where per-user files go: $LACUNA_HOME if set, else $XDG_CACHE_HOME/lacuna, else ~/.cache/lacuna,
// else a folder under the system's temporary folder. Not created by this call.
[[nodiscard]] std::filesystem::path user_cache_folder();

}  // namespace lacuna
