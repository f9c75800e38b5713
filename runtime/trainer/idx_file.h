// SPDX-License-Identifier: Apache-2.0
//
// IDX files: the format of MNIST and its relatives, plain or gzip-compressed (told apart by content).
//
// Layout: bytes 0, 0, element type, number of dimensions; then one big-endian 32-bit size per dimension; then
// the elements, last dimension fastest. Only unsigned bytes (type 8) are read.
// Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "targets/base/result.h"

namespace lacuna::trainer {

struct IdxArray {
  std::vector<std::int64_t> sizes;   // one to four dimensions
  std::vector<std::uint8_t> values;  // product of sizes
};

// Reads `path`; where it does not exist, `path` with ".gz" appended or taken off.
// Errors: kNotFound (naming the path and the Debian package that holds Fashion-MNIST), kIo, kInvalidFile as below.
[[nodiscard]] Result<IdxArray> load_idx(const std::filesystem::path& path);

// The parser behind it (also a fuzzing entry point). `name` appears in messages.
// Errors: kInvalidFile: not IDX, another element type, more than 4 dimensions or 2^31 elements, truncated,
// bytes left over, a corrupt gzip stream. Memory used is bounded by what the header declares.
[[nodiscard]] Result<IdxArray> parse_idx(std::span<const std::byte> bytes, std::string_view name);

}  // namespace lacuna::trainer
