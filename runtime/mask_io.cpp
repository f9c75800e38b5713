// SPDX-License-Identifier: Apache-2.0
#include "runtime/mask_io.h"

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/mask.h"
#include "targets/base/file.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case_prefix) {
  if (text.size() < lower_case_prefix.size()) return false;
  for (std::size_t i = 0; i < lower_case_prefix.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) != lower_case_prefix[i]) return false;
  }
  return true;
}

// The header of a version 1.0 file: padded with spaces so that the data begins at a multiple of 64 bytes.
std::string npy_header(std::int64_t m, std::int64_t k) {
  constexpr std::size_t kPrefixBytes = 10;
  constexpr std::size_t kAlignBytes = 64;
  std::string text =
      fmt::format("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}, {}), }}", m, k);
  while ((kPrefixBytes + text.size() + 1) % kAlignBytes != 0)
    text += ' ';
  text += '\n';
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(text.size() & 0xffU);
  header += static_cast<char>(text.size() >> 8U);
  return header + text;
}

}  // namespace

Result<Mask> load_mask(const std::filesystem::path& path) {
  LACUNA_TRY(const std::vector<std::byte> bytes, read_file(path));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string name = path.string();
  if (path.extension() == ".smtx") return parse_smtx_mask(text, name);
  if (text.starts_with("\x93NUMPY")) return parse_npy_mask(bytes, name);
  // An archive without members begins with its end record.
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) {
    return parse_npz_mask(bytes, name);
  }
  if (starts_with_ignoring_case(text, "%%matrixmarket")) {
    return parse_matrix_market_mask(text, name);
  }
  return make_error(ErrorCode::kInvalidFile,
                    "{}: not a .npy, .npz or Matrix Market file by its content, nor named .smtx",
                    name);
}

Result<> store_mask_npy(const std::filesystem::path& path, const Mask& mask) {
  std::string file = npy_header(mask.m(), mask.k());
  const auto elements = static_cast<std::size_t>(mask.m() * mask.k());
  try {
    file.reserve(file.size() + elements);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "{}: no memory for {} bytes", path.string(), elements);
  }
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    for (std::int64_t j = 0; j < mask.k(); ++j)
      file += mask.at(i, j) ? '\x01' : '\x00';
  }
  return write_file_atomic(path, file);
}

}  // namespace lacuna
