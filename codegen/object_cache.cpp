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
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

using Magic = std::array<char, 4>;
constexpr Magic kObjectMagic = {'L', 'K', 'O', '\n'};
constexpr Magic kRejectionMagic = {'L', 'K', 'R', '\n'};

// First bytes of each file. Little-endian, no padding; the payload follows.
struct FileHeader {
  Magic magic = {};
  std::uint32_t format_version = 1;
  std::uint64_t key_high = 0, key_low = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_hash_high = 0, payload_hash_low = 0;

  bool operator==(const FileHeader&) const = default;
};
static_assert(sizeof(FileHeader) == 48);

FileHeader make_header(const Magic& magic, const Hash128& key, std::span<const std::byte> payload) {
  const Hash128 checksum = hash_bytes(payload);
  FileHeader header;
  header.magic = magic;
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

// The payload of an intact file of this kind and key.
std::optional<std::vector<std::byte>> read_payload(const std::filesystem::path& path,
                                                   const Magic& magic, const Hash128& key) {
  auto bytes = read_file(path);
  if (!bytes || bytes->size() < sizeof(FileHeader)) return std::nullopt;
  FileHeader header;
  std::memcpy(&header, bytes->data(), sizeof header);
  const auto payload = std::span<const std::byte>(*bytes).subspan(sizeof header);
  if (header != make_header(magic, key, payload)) return std::nullopt;
  return std::vector<std::byte>(payload.begin(), payload.end());
}

Result<> write_payload(const std::filesystem::path& path, const Magic& magic, const Hash128& key,
                       std::span<const std::byte> payload) {
  const FileHeader header = make_header(magic, key, payload);
  std::vector<std::byte> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return write_file_atomic(path, bytes);
}

Result<> check_name(const std::string& name) {
  if (!is_file_name(name))
    return make_error(ErrorCode::kInvalidArgument, "'{}' is not a kernel name", name);
  return {};
}

}  // namespace

std::filesystem::path ObjectCache::path_of(const std::string& name, const Hash128& key) const {
  return folder_ / fmt::format("{}-{}.lko", name, to_text(key));
}

std::filesystem::path ObjectCache::rejection_path_of(const std::string& name,
                                                     const Hash128& key) const {
  return folder_ / fmt::format("{}-{}.lkr", name, to_text(key));
}

std::optional<CompiledKernel> ObjectCache::find(const std::string& name, const Hash128& key) const {
  if (folder_.empty() || !is_file_name(name)) return std::nullopt;
  auto object = read_payload(path_of(name, key), kObjectMagic, key);
  if (!object) return std::nullopt;
  return CompiledKernel{name, std::move(*object)};
}

Result<> ObjectCache::store(const CompiledKernel& kernel, const Hash128& key) const {
  if (folder_.empty()) return {};
  LACUNA_TRY_VOID(check_name(kernel.name));
  return write_payload(path_of(kernel.name, key), kObjectMagic, key, kernel.object);
}

std::optional<std::string> ObjectCache::find_rejection(const std::string& name,
                                                       const Hash128& key) const {
  if (folder_.empty() || !is_file_name(name)) return std::nullopt;
  const auto message = read_payload(rejection_path_of(name, key), kRejectionMagic, key);
  if (!message) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(message->data()), message->size());
}

Result<> ObjectCache::store_rejection(const std::string& name, const Hash128& key,
                                      std::string_view message) const {
  if (folder_.empty()) return {};
  LACUNA_TRY_VOID(check_name(name));
  return write_payload(rejection_path_of(name, key), kRejectionMagic, key,
                       std::as_bytes(std::span(message.data(), message.size())));
}

}  // namespace lacuna
