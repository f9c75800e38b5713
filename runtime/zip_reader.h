// SPDX-License-Identifier: Apache-2.0
//
// A reader for ZIP archives in memory, as far as .npz files need one: stored and deflated members, 64-bit sizes.
// No encryption, no archives in several parts. Sizes come from the central directory, never from local headers.
//
// Safe on hostile bytes: every offset is checked, a member's declared size bounds what is unpacked, and the declared
// size itself is bounded by kMaxZipMemberBytes and by what deflate can expand (1032 : 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

inline constexpr std::uint64_t kMaxZipMemberBytes = std::uint64_t{1} << 32;

struct ZipMember {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc32 = 0;   // of the unpacked bytes
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_offset = 0;  // of the local header
};

// The central directory. Errors: kInvalidFile (no end record, truncated or inconsistent directory, two members of one
// name), kUnsupported (an archive in several parts).
[[nodiscard]] Result<std::vector<ZipMember>> list_zip_members(std::span<const std::byte> file);

// One member's unpacked bytes, its checksum checked. Errors name the member: kInvalidFile (truncated, corrupt, sizes
// that do not fit), kUnsupported (encrypted, another compression method, beyond kMaxZipMemberBytes), kIo (no memory).
[[nodiscard]] Result<std::vector<std::byte>> read_zip_member(std::span<const std::byte> file,
                                                             const ZipMember& member);

}  // namespace lacuna
