// SPDX-License-Identifier: Apache-2.0
//
// ObjectCache: compiled kernels on disk, content-addressed, one immutable file per kernel.
//
// File: <folder>/<name>-<key>.lko = header {magic, format version, key, payload size, XXH3-128 of payload} + object.
// A kernel that the code generator rejected (a spill in a loop) has a file <name>-<key>.lkr instead, whose payload is
// the message: nobody need compile it again to learn that.
// Written by write_file_atomic (temporary file, fsync, rename), no locks: two writers of one key write the
// same content. Any fault on reading (missing, truncated, corrupt, another version) is a miss; any fault on
// writing (full disk, read-only folder) is reported once and otherwise ignored. Thread-safe.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "codegen/kernel.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {

class ObjectCache {
 public:
  // An empty folder name makes a cache that never hits and never stores.
  explicit ObjectCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] std::optional<CompiledKernel> find(const std::string& name,
                                                   const Hash128& key) const;
  // Errors: kIo. The caller may go on: the kernel in hand is valid.
  [[nodiscard]] Result<> store(const CompiledKernel& kernel, const Hash128& key) const;

  // Why the code generator rejected the kernel, if it is known to.
  [[nodiscard]] std::optional<std::string> find_rejection(const std::string& name,
                                                          const Hash128& key) const;
  // Errors: kIo.
  [[nodiscard]] Result<> store_rejection(const std::string& name, const Hash128& key,
                                         std::string_view message) const;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path path_of(const std::string& name, const Hash128& key) const;
  [[nodiscard]] std::filesystem::path rejection_path_of(const std::string& name,
                                                        const Hash128& key) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace lacuna
