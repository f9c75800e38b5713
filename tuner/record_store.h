// SPDX-License-Identifier: Apache-2.0
//
// Writing, listing and removing tuning records. Reading one by key is the runtime's (runtime/record.h).
// One immutable file a record, written atomically, no locks: of two processes that tune the same problem at once the
// later writer's record stays, and readers see one of them whole.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/record.h"

namespace lacuna {

// Writes record_path(record.fingerprint, record.key). Errors: kIo (full disk, read-only folder); the caller's plan is
// valid all the same.
[[nodiscard]] Result<> store_record(const TuningRecord& record);

// A record file as found: a record, or what is wrong with it.
struct StoredRecord {
  std::filesystem::path path;
  Result<TuningRecord> record;
};

// Every *.json of the machine's record folder, by name. A missing folder is an empty list. Errors: kIo.
[[nodiscard]] Result<std::vector<StoredRecord>> list_records(const std::string& fingerprint);

// Reads a file and checks what a look-up checks: it parses, its key is its name, its plan parses, and it was made by
// this version of the templates. Errors: kNotFound, kIo, kInvalidFile.
[[nodiscard]] Result<TuningRecord> verify_record(const std::filesystem::path& path);

// The one record whose key begins with `prefix` (at least 4 digits). Errors: kNotFound, kInvalidArgument (too short,
// ambiguous).
[[nodiscard]] Result<std::filesystem::path> find_record_file(const std::string& fingerprint,
                                                             const std::string& prefix);

[[nodiscard]] Result<> remove_record_file(const std::filesystem::path& path);

}  // namespace lacuna
