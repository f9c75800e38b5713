// SPDX-License-Identifier: Apache-2.0
// Layout and field names: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
#include "runtime/zip_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <zlib.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr std::uint32_t kIn64 = 0xffffffff;  // "see the 64-bit field"
constexpr std::uint16_t kStored = 0, kDeflated = 8, kEncryptedFlag = 1, kExtra64 = 1;
constexpr std::uint64_t kMaxDeflateRatio = 1032;

using Bytes = std::span<const std::byte>;

// Little-endian fields of a range whose length the caller has checked.
std::uint64_t field(Bytes bytes, std::uint64_t offset, int width) {
  std::uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) {
    value = value << 8 | static_cast<std::uint64_t>(bytes[offset + static_cast<std::uint64_t>(i)]);
  }
  return value;
}
std::uint16_t u16(Bytes bytes, std::uint64_t offset) {
  return static_cast<std::uint16_t>(field(bytes, offset, 2));
}
std::uint32_t u32(Bytes bytes, std::uint64_t offset) {
  return static_cast<std::uint32_t>(field(bytes, offset, 4));
}
std::uint64_t u64(Bytes bytes, std::uint64_t offset) {
  return field(bytes, offset, 8);
}

// [offset, offset + count) of the file, if it lies inside.
std::optional<Bytes> range_of(Bytes file, std::uint64_t offset, std::uint64_t count) {
  if (offset > file.size() || count > file.size() - offset) return std::nullopt;
  return file.subspan(offset, count);
}

// Where the central directory is and what it holds.
struct Directory {
  std::uint64_t offset = 0, bytes = 0, members = 0;
  bool one_part = true;
};

// The end record is the last thing of a file, before a comment of at most 65535 bytes whose length it tells.
std::optional<std::uint64_t> find_end_record(Bytes file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const std::uint64_t last = file.size() - kEndBytes;
  const std::uint64_t first = last > 0xffff ? last - 0xffff : 0;
  for (std::uint64_t at = last;; --at) {
    if (u32(file, at) == kEndSignature && at + kEndBytes + u16(file, at + 20) == file.size()) {
      return at;
    }
    if (at == first) return std::nullopt;
  }
}

Result<Directory> read_end_record(Bytes file) {
  const auto end = find_end_record(file);
  if (!end) return make_error(ErrorCode::kInvalidFile, "no zip end record: truncated?");
  Directory directory{.offset = u32(file, *end + 16),
                      .bytes = u32(file, *end + 12),
                      .members = u16(file, *end + 10),
                      .one_part = u16(file, *end + 4) == 0 && u16(file, *end + 6) == 0};
  if (*end < kLocator64Bytes || u32(file, *end - kLocator64Bytes) != kLocator64Signature) {
    return directory;
  }
  const auto end64 = range_of(file, u64(file, *end - kLocator64Bytes + 8), kEnd64Bytes);
  if (!end64 || u32(*end64, 0) != kEnd64Signature) {
    return make_error(ErrorCode::kInvalidFile, "the 64-bit zip end record is missing");
  }
  return Directory{.offset = u64(*end64, 48),
                   .bytes = u64(*end64, 40),
                   .members = u64(*end64, 32),
                   .one_part = u32(*end64, 16) == 0 && u32(*end64, 20) == 0};
}

// Replaces the sizes and the offset that are marked as 64-bit by those of the extra field.
bool apply_extra64(Bytes extra, ZipMember& member) {
  std::uint64_t* const fields[] = {&member.bytes, &member.packed_bytes, &member.header_offset};
  bool wanted = false;
  for (const std::uint64_t* value : fields)
    wanted = wanted || *value == kIn64;
  std::uint64_t at = 0;
  while (wanted && extra.size() - at >= 4) {
    const std::uint64_t size = u16(extra, at + 2);
    const auto body = range_of(extra, at + 4, size);
    if (!body) return false;
    at += 4 + size;
    if (u16(extra, at - 4 - size) != kExtra64) continue;
    std::uint64_t next = 0;
    for (std::uint64_t* value : fields) {
      if (*value != kIn64) continue;
      if (body->size() - next < 8) return false;
      *value = u64(*body, next);
      next += 8;
    }
    return true;
  }
  return !wanted;
}

// The central directory's entry at `offset`, which is moved behind it.
std::optional<ZipMember> read_central_entry(Bytes directory, std::uint64_t& offset) {
  const auto head = range_of(directory, offset, kCentralBytes);
  if (!head || u32(*head, 0) != kCentralSignature) return std::nullopt;
  const std::uint64_t name_bytes = u16(*head, 28);
  const std::uint64_t extra_bytes = u16(*head, 30);
  const auto name = range_of(directory, offset + kCentralBytes, name_bytes);
  const auto extra = range_of(directory, offset + kCentralBytes + name_bytes, extra_bytes);
  if (!name || !extra) return std::nullopt;
  offset += kCentralBytes + name_bytes + extra_bytes + u16(*head, 32);
  ZipMember member{.name = {reinterpret_cast<const char*>(name->data()), name->size()},
                   .flags = u16(*head, 8),
                   .method = u16(*head, 10),
                   .crc32 = u32(*head, 16),
                   .packed_bytes = u32(*head, 20),
                   .bytes = u32(*head, 24),
                   .header_offset = u32(*head, 42)};
  if (!apply_extra64(*extra, member)) return std::nullopt;
  return member;
}

Result<> check_sizes(const ZipMember& member) {
  if ((member.flags & kEncryptedFlag) != 0) {
    return make_error(ErrorCode::kUnsupported, "encrypted");
  }
  if (member.method != kStored && member.method != kDeflated) {
    return make_error(ErrorCode::kUnsupported, "compression method {} is not stored or deflated",
                      member.method);
  }
  if (member.bytes > kMaxZipMemberBytes) {
    return make_error(ErrorCode::kUnsupported, "{} bytes, limit {}", member.bytes,
                      kMaxZipMemberBytes);
  }
  const bool fits = member.method == kStored
                        ? member.bytes == member.packed_bytes
                        : member.bytes / kMaxDeflateRatio <= member.packed_bytes;
  if (!fits) {
    return make_error(ErrorCode::kInvalidFile, "{} bytes cannot come from {} packed ones",
                      member.bytes, member.packed_bytes);
  }
  return {};
}

// The packed bytes: behind the local header, whose name and extra field may differ in length from the directory's.
Result<Bytes> packed_bytes_of(Bytes file, const ZipMember& member) {
  const auto head = range_of(file, member.header_offset, kLocalBytes);
  if (!head || u32(*head, 0) != kLocalSignature) {
    return make_error(ErrorCode::kInvalidFile, "no local header at offset {}",
                      member.header_offset);
  }
  const std::uint64_t begin = member.header_offset + kLocalBytes + u16(*head, 26) + u16(*head, 28);
  const auto packed = range_of(file, begin, member.packed_bytes);
  if (!packed) return make_error(ErrorCode::kInvalidFile, "truncated");
  return *packed;
}

// Inflates `packed` to exactly out.size() bytes; zlib's counters are 32-bit, so in pieces.
bool inflate_exactly(Bytes packed, std::span<std::byte> out) {
  constexpr std::size_t kPiece = std::numeric_limits<unsigned>::max();
  constexpr int kRawDeflate = -15;  // the largest window, no zlib header
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return false;
  std::byte spare{};  // zlib wants a place to write even when nothing is left to write
  stream.next_out = reinterpret_cast<unsigned char*>(out.empty() ? &spare : out.data());
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(packed.data()));
  std::size_t in_left = packed.size();
  std::size_t out_left = out.size();
  int status = Z_OK;
  while (status == Z_OK) {
    const auto in_piece = static_cast<unsigned>(std::min(in_left, kPiece));
    const auto out_piece = static_cast<unsigned>(std::min(out_left, kPiece));
    stream.avail_in = in_piece;
    stream.avail_out = out_piece;
    status = inflate(&stream, Z_NO_FLUSH);
    in_left -= in_piece - stream.avail_in;
    out_left -= out_piece - stream.avail_out;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && in_left == 0 && out_left == 0;
}

Result<std::vector<std::byte>> unpack(Bytes packed, const ZipMember& member) {
  std::vector<std::byte> out;
  try {
    out.resize(member.bytes);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "no memory for {} bytes", member.bytes);
  }
  if (member.method == kStored) {
    std::ranges::copy(packed, out.begin());
  } else if (!inflate_exactly(packed, out)) {
    return make_error(ErrorCode::kInvalidFile, "the deflated data is corrupt or not {} bytes",
                      member.bytes);
  }
  const auto* data = reinterpret_cast<const unsigned char*>(out.data());
  const auto crc = static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), data, out.size()));
  if (crc != member.crc32) {
    return make_error(ErrorCode::kInvalidFile, "checksum {:08x}, the directory says {:08x}", crc,
                      member.crc32);
  }
  return out;
}

}  // namespace

Result<std::vector<ZipMember>> list_zip_members(std::span<const std::byte> file) {
  LACUNA_TRY(const Directory end, read_end_record(file));
  if (!end.one_part) return make_error(ErrorCode::kUnsupported, "a zip archive in several parts");
  const auto directory = range_of(file, end.offset, end.bytes);
  if (!directory) {
    return make_error(ErrorCode::kInvalidFile, "the zip directory lies outside of the file");
  }
  std::vector<ZipMember> members;
  std::set<std::string> names;
  std::uint64_t offset = 0;
  for (std::uint64_t i = 0; i < end.members; ++i) {
    auto member = read_central_entry(*directory, offset);
    if (!member) {
      return make_error(ErrorCode::kInvalidFile, "entry {} of the zip directory is malformed", i);
    }
    if (!names.insert(member->name).second) {
      return make_error(ErrorCode::kInvalidFile, "two zip members are named '{}'", member->name);
    }
    members.push_back(std::move(*member));
  }
  return members;
}

Result<std::vector<std::byte>> read_zip_member(std::span<const std::byte> file,
                                               const ZipMember& member) {
  const auto read = [&]() -> Result<std::vector<std::byte>> {
    LACUNA_TRY_VOID(check_sizes(member));
    LACUNA_TRY(const Bytes packed, packed_bytes_of(file, member));
    return unpack(packed, member);
  };
  auto bytes = read();
  if (!bytes) return add_context(member.name, std::move(bytes).error());
  return bytes;
}

}  // namespace lacuna
