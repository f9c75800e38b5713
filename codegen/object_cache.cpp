// SPDX-License-Identifier: Apache-2.0
#include "codegen/object_cache.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

// First bytes of each file. Little-endian, no padding; the object follows.
struct FileHeader {
  std::array<char, 4> magic = {'L', 'K', 'O', '\n'};
  std::uint32_t format_version = 1;
  std::uint64_t key_high = 0, key_low = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_hash_high = 0, payload_hash_low = 0;

  bool operator==(const FileHeader&) const = default;
};
static_assert(sizeof(FileHeader) == 48);

FileHeader make_header(const Hash128& key, std::span<const std::byte> payload) {
  const Hash128 checksum = hash_bytes(payload);
  FileHeader header;
  header.key_high = key.high;
  header.key_low = key.low;
  header.payload_bytes = payload.size();
  header.payload_hash_high = checksum.high;
  header.payload_hash_low = checksum.low;
  return header;
}

// Names become file names: only what kernel names consist of, so that no name leaves the folder.
bool is_file_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  for (const char c : name)
    if (!allowed(c)) return false;
  return !name.empty();
}

}  // namespace

std::filesystem::path ObjectCache::path_of(const std::string& name, const Hash128& key) const {
  return folder_ / fmt::format("{}-{}.lko", name, to_text(key));
}

std::optional<CompiledKernel> ObjectCache::find(const std::string& name, const Hash128& key) const {
  if (folder_.empty() || !is_file_name(name)) return std::nullopt;
  auto bytes = read_file(path_of(name, key));
  if (!bytes || bytes->size() < sizeof(FileHeader)) return std::nullopt;
  FileHeader header;
  std::memcpy(&header, bytes->data(), sizeof header);
  const auto payload = std::span<const std::byte>(*bytes).subspan(sizeof header);
  if (header != make_header(key, payload)) return std::nullopt;
  return CompiledKernel{name, std::vector<std::byte>(payload.begin(), payload.end())};
}

Result<> ObjectCache::store(const CompiledKernel& kernel, const Hash128& key) const {
  if (folder_.empty()) return {};
  if (!is_file_name(kernel.name))
    return make_error(ErrorCode::kInvalidArgument, "'{}' is not a kernel name", kernel.name);
  const FileHeader header = make_header(key, kernel.object);
  std::vector<std::byte> bytes(sizeof header + kernel.object.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!kernel.object.empty())
    std::memcpy(bytes.data() + sizeof header, kernel.object.data(), kernel.object.size());
  return write_file_atomic(path_of(kernel.name, key), bytes);
}

}  // namespace lacuna
