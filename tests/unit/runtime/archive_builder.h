// SPDX-License-Identifier: Apache-2.0
//
// Builds .npy and .npz files in memory, correct ones and, through the options, wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <zlib.h>

namespace lacuna {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string little_endian(std::uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i)
    out += static_cast<char>(value >> (8 * i) & 0xffU);
  return out;
}

// A .npy file with this header text and data.
inline std::string npy_with_header(std::string_view header, std::string_view data, int major = 1) {
  std::string out = "\x93NUMPY";
  out += static_cast<char>(major);
  out += '\0';
  out += little_endian(header.size(), major == 1 ? 2 : 4);
  return out.append(header).append(data);
}

inline std::string npy(std::string_view descr, std::string_view shape, std::string_view data,
                       bool fortran_order = false) {
  return npy_with_header(fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n",
                                     descr, fortran_order ? "True" : "False", shape),
                         data);
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::string npy_vector(std::string_view descr, const std::vector<T>& values) {
  return npy(descr, fmt::format("({},)", values.size()), raw(values));
}

struct MemberSpec {
  std::string name = {};
  std::string content = {};
  bool deflated = false;
  bool zip64 = false;  // sizes and offset in 64-bit extra fields
  std::uint16_t flags = 0;
  int method = -1;               // another number than the true one
  std::int64_t size_change = 0;  // added to the unpacked size that the directory tells
  bool wrong_checksum = false;
};

inline std::string deflate_raw(std::string_view content) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, content.size()) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct ZipOptions {
  bool zip64_end = false;
  std::string comment = {};
  int part = 0;
};

inline std::string zip(const std::vector<MemberSpec>& members, const ZipOptions& options = {}) {
  std::string file;
  std::string directory;
  for (const MemberSpec& member : members) {
    const std::string packed = member.deflated ? deflate_raw(member.content) : member.content;
    const int method = member.method >= 0 ? member.method : (member.deflated ? 8 : 0);
    std::uint64_t crc = crc32(0, reinterpret_cast<const Bytef*>(member.content.data()),
                              static_cast<uInt>(member.content.size()));
    crc ^= member.wrong_checksum ? 1U : 0U;
    const std::uint64_t size =
        member.content.size() + static_cast<std::uint64_t>(member.size_change);
    const std::uint64_t offset = file.size();
    const std::string extra64 = little_endian(1, 2) + little_endian(24, 2) +
                                little_endian(size, 8) + little_endian(packed.size(), 8) +
                                little_endian(offset, 8);
    const std::string extra =
        member.zip64 ? little_endian(0x7777, 2) + little_endian(1, 2) + "?" + extra64 : "";
    const auto size32 = [&](std::uint64_t value) {
      return little_endian(member.zip64 ? 0xffffffffU : value, 4);
    };
    const std::string shared =
        little_endian(member.flags, 2) + little_endian(static_cast<std::uint64_t>(method), 2) +
        little_endian(0, 4) + little_endian(crc, 4) + size32(packed.size()) + size32(size) +
        little_endian(member.name.size(), 2) + little_endian(extra.size(), 2);
    file += "PK\x03\x04" + little_endian(45, 2) + shared + member.name + extra + packed;
    directory += "PK\x01\x02" + little_endian(45, 2) + little_endian(45, 2) + shared +
                 little_endian(0, 8) + little_endian(0, 2) + size32(offset) + member.name + extra;
  }
  const std::uint64_t begin = file.size();
  const std::uint64_t count = members.size();
  file += directory;
  if (options.zip64_end) {
    const std::uint64_t end64 = file.size();
    file += "PK\x06\x06" + little_endian(44, 8) + little_endian(45, 2) + little_endian(45, 2) +
            little_endian(0, 8) + little_endian(count, 8) + little_endian(count, 8) +
            little_endian(directory.size(), 8) + little_endian(begin, 8);
    file += "PK\x06\x07" + little_endian(0, 4) + little_endian(end64, 8) + little_endian(1, 4);
  }
  const auto end_field = [&](std::uint64_t value, int width) {
    return little_endian(options.zip64_end ? ~std::uint64_t{0} : value, width);
  };
  return file + "PK\x05\x06" + little_endian(static_cast<std::uint64_t>(options.part), 2) +
         little_endian(0, 2) + end_field(count, 2) + end_field(count, 2) +
         end_field(directory.size(), 4) + end_field(begin, 4) +
         little_endian(options.comment.size(), 2) + options.comment;
}

}  // namespace lacuna
