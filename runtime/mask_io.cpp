// SPDX-License-Identifier: Apache-2.0
#include "runtime/mask_io.h"

#include <bit>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/mask.h"
#include "runtime/zip_writer.h"
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
std::string npy_header(std::string_view descr, std::string_view shape) {
  constexpr std::size_t kPrefixBytes = 10;
  constexpr std::size_t kAlignBytes = 64;
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
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

// A .npy file of one dimension.
template <class T>
std::string npy_vector(std::string_view descr, const std::vector<T>& items) {
  std::string file = npy_header(descr, fmt::format("({},)", items.size()));
  return file.append(reinterpret_cast<const char*>(items.data()), items.size() * sizeof(T));
}

// The column indices of a mask row by row, and where the rows begin.
struct CsrIndices {
  std::vector<std::int64_t> row_ptr;
  std::vector<std::int32_t> col_idx;
};

CsrIndices csr_of(const Mask& mask) {
  CsrIndices csr;
  csr.row_ptr.reserve(static_cast<std::size_t>(mask.m()) + 1);
  csr.col_idx.reserve(static_cast<std::size_t>(mask.nnz()));
  csr.row_ptr.push_back(0);
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    for_each_in_row(mask, i,
                    [&](std::int64_t j) { csr.col_idx.push_back(static_cast<std::int32_t>(j)); });
    csr.row_ptr.push_back(static_cast<std::int64_t>(csr.col_idx.size()));
  }
  return csr;
}

Result<std::string> npz_of(const Mask& mask) {
  static_assert(std::endian::native == std::endian::little, "the arrays are written as they lie");
  const CsrIndices csr = csr_of(mask);
  const std::vector<std::int64_t> shape = {mask.m(), mask.k()};
  const std::vector<std::uint8_t> data(csr.col_idx.size(), 1);
  const std::string indices = npy_vector("<i4", csr.col_idx),
                    indptr = npy_vector("<i8", csr.row_ptr),
                    format = npy_header("|S3", "()") + "csr", sizes = npy_vector("<i8", shape),
                    ones = npy_vector("|u1", data);
  return make_zip({{"indices.npy", indices},
                   {"indptr.npy", indptr},
                   {"format.npy", format},
                   {"shape.npy", sizes},
                   {"data.npy", ones}});
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
  std::string file = npy_header("|u1", fmt::format("({}, {})", mask.m(), mask.k()));
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

Result<> store_mask_npz(const std::filesystem::path& path, const Mask& mask) {
  Result<std::string> file;
  try {
    file = npz_of(mask);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "{}: no memory for {} weights", path.string(), mask.nnz());
  }
  if (!file) return add_context(path.string(), std::move(file).error());
  return write_file_atomic(path, *file);
}

Result<> store_mask(const std::filesystem::path& path, const Mask& mask) {
  if (path.extension() == ".npy") return store_mask_npy(path, mask);
  if (path.extension() == ".npz") return store_mask_npz(path, mask);
  return make_error(ErrorCode::kInvalidArgument, "{}: a mask is written as .npy or .npz",
                    path.string());
}

}  // namespace lacuna
