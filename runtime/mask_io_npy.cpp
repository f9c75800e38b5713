// SPDX-License-Identifier: Apache-2.0
// Masks from NumPy arrays and SciPy's archives of them.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/npy_array.h"
#include "runtime/zip_reader.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

// Everything wrong with a file's content is the file's fault, also where an argument check found it.
tl::unexpected<Error> in_file(std::string_view name, Error error) {
  if (error.code == ErrorCode::kInvalidArgument) error.code = ErrorCode::kInvalidFile;
  return add_context(name, std::move(error));
}

// Any numbers' array of two dimensions: nonzero elements are in the mask.
Result<Mask> mask_of_dense(const NpyArray& array) {
  if (!array.is_number()) return make_error(ErrorCode::kInvalidFile, "expected numbers");
  if (array.shape.size() != 2) {
    return make_error(ErrorCode::kInvalidFile, "expected a 2-D array, found {} dimensions",
                      array.shape.size());
  }
  const std::int64_t m = array.shape[0];
  const std::int64_t k = array.shape[1];
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  const std::int64_t row_stride = array.fortran_order ? 1 : k;
  const std::int64_t col_stride = array.fortran_order ? m : 1;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t item = i * row_stride + j * col_stride;
      if (!array.is_finite(item)) {
        return make_error(ErrorCode::kInvalidFile, "the element at row {}, column {} is not finite",
                          i, j);
      }
      if (array.is_nonzero(item)) builder.insert(i, j);
    }
  }
  return std::move(builder).finish();
}

// Members may overlap in a hostile file, so that a small one could unpack to any number of large arrays.
Result<> check_total(const std::vector<ZipMember>& members) {
  std::uint64_t total = 0;
  for (const ZipMember& member : members) {
    total += std::min(member.bytes, kMaxZipMemberBytes + 1);
    if (total > kMaxZipMemberBytes) {
      return make_error(ErrorCode::kUnsupported, "the archive unpacks to more than {} bytes",
                        kMaxZipMemberBytes);
    }
  }
  return {};
}

// The arrays of one archive, by name without ".npy". Keeps their bytes.
class Archive {
 public:
  // Reads every member: an archive with one bad member is a bad archive.
  static Result<Archive> read(std::span<const std::byte> bytes) {
    LACUNA_TRY(const auto members, list_zip_members(bytes));
    LACUNA_TRY_VOID(check_total(members));
    Archive archive;
    for (const ZipMember& member : members) {
      constexpr std::string_view kSuffix = ".npy";
      if (!std::string_view(member.name).ends_with(kSuffix)) {
        return make_error(ErrorCode::kInvalidFile, "member '{}' is not a .npy file", member.name);
      }
      LACUNA_TRY(auto content, read_zip_member(bytes, member));
      const auto array = parse_npy(content);
      if (!array) return add_context(member.name, array.error());
      const std::string key = member.name.substr(0, member.name.size() - kSuffix.size());
      archive.arrays_.emplace(key, *array);
      archive.contents_.push_back(std::move(content));  // the bytes themselves do not move
    }
    return archive;
  }

  [[nodiscard]] const std::map<std::string, NpyArray>& arrays() const { return arrays_; }
  [[nodiscard]] bool has(const std::string& name) const { return arrays_.contains(name); }

  [[nodiscard]] Result<const NpyArray*> array(const std::string& name) const {
    const auto it = arrays_.find(name);
    if (it == arrays_.end()) {
      return make_error(ErrorCode::kInvalidFile, "member '{}.npy' is missing", name);
    }
    return &it->second;
  }

  // One-dimensional integers.
  [[nodiscard]] Result<std::vector<std::int64_t>> integers(const std::string& name) const {
    LACUNA_TRY(const NpyArray* const found, array(name));
    if (found->shape.size() != 1) {
      return make_error(ErrorCode::kInvalidFile, "{}.npy: expected 1 dimension, found {}", name,
                        found->shape.size());
    }
    auto values = to_integers(*found);
    if (!values) return add_context(name + ".npy", values.error());
    return values;
  }

 private:
  std::map<std::string, NpyArray> arrays_;
  std::vector<std::vector<std::byte>> contents_;
};

struct Shape {
  std::int64_t m = 0, k = 0;
};

Result<Shape> shape_of(const Archive& archive) {
  LACUNA_TRY(const auto shape, archive.integers("shape"));
  if (shape.size() != 2) {
    return make_error(ErrorCode::kInvalidFile, "shape.npy: {} dimensions, a mask has 2",
                      shape.size());
  }
  return Shape{shape[0], shape[1]};
}

// data.npy: numbers, all finite, of `dimensions` dimensions.
Result<const NpyArray*> data_of(const Archive& archive, std::size_t dimensions) {
  LACUNA_TRY(const NpyArray* const data, archive.array("data"));
  if (!data->is_number() || data->shape.size() != dimensions) {
    return make_error(ErrorCode::kInvalidFile, "data.npy: expected numbers in {} dimensions",
                      dimensions);
  }
  const std::int64_t count = data->count();
  for (std::int64_t i = 0; i < count; ++i) {
    if (!data->is_finite(i)) {
      return make_error(ErrorCode::kInvalidFile, "data.npy: element {} is not finite", i);
    }
  }
  return data;
}

Result<> check_stored(std::int64_t data, std::size_t indices) {
  if (std::cmp_equal(data, indices)) return {};
  return make_error(ErrorCode::kInvalidFile, "data.npy holds {} values for {} indices", data,
                    indices);
}

// Rows (csr) or columns (csc) as a matrix of their own, of `major` lines with indices below `minor`.
Result<Mask> compressed_lines(const Archive& archive, std::int64_t major, std::int64_t minor,
                              std::int64_t stored) {
  LACUNA_TRY(const auto indptr, archive.integers("indptr"));
  LACUNA_TRY(const auto indices, archive.integers("indices"));
  LACUNA_TRY_VOID(check_stored(stored, indices.size()));
  if (!indptr.empty() && std::cmp_not_equal(indptr.back(), indices.size())) {
    return make_error(ErrorCode::kInvalidFile, "indptr.npy ends with {}, indices.npy holds {}",
                      indptr.back(), indices.size());
  }
  return Mask::from_csr(major, minor, indptr, indices);
}

// Calls visit(row, col) for each element of the mask.
template <class Visit>
void for_each_element(const Mask& mask, Visit&& visit) {
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    std::int64_t base = 0;
    for (std::uint64_t word : mask.row_words(i)) {
      for (; word != 0; word &= word - 1)
        visit(i, base + std::countr_zero(word));
      base += 64;
    }
  }
}

Result<Mask> mask_of_csr(const Archive& archive) {
  LACUNA_TRY(const Shape shape, shape_of(archive));
  LACUNA_TRY(const NpyArray* const data, data_of(archive, 1));
  return compressed_lines(archive, shape.m, shape.k, data->count());
}

Result<Mask> mask_of_csc(const Archive& archive) {
  LACUNA_TRY(const Shape shape, shape_of(archive));
  LACUNA_TRY(const NpyArray* const data, data_of(archive, 1));
  auto columns = compressed_lines(archive, shape.k, shape.m, data->count());
  if (!columns) return add_context("csc, rows are columns here", columns.error());
  LACUNA_TRY(auto builder, MaskBuilder::create(shape.m, shape.k));
  for_each_element(*columns, [&](std::int64_t col, std::int64_t row) { builder.insert(row, col); });
  return std::move(builder).finish();
}

Result<Mask> mask_of_bsr(const Archive& archive) {
  LACUNA_TRY(const Shape shape, shape_of(archive));
  LACUNA_TRY(const NpyArray* const data, data_of(archive, 3));
  const std::int64_t r = data->shape[1];
  const std::int64_t c = data->shape[2];
  if (r < 1 || c < 1 || shape.m % r != 0 || shape.k % c != 0) {
    return make_error(ErrorCode::kInvalidFile, "blocks of {}x{} do not divide {} x {}", r, c,
                      shape.m, shape.k);
  }
  auto blocks = compressed_lines(archive, shape.m / r, shape.k / c, data->shape[0]);
  if (!blocks) return add_context("bsr, rows and columns are blocks here", blocks.error());
  LACUNA_TRY(auto builder, MaskBuilder::create(shape.m, shape.k));
  for_each_element(*blocks, [&](std::int64_t row, std::int64_t col) {
    for (std::int64_t i = row * r; i < (row + 1) * r; ++i) {
      builder.insert_range(i, col * c, (col + 1) * c);
    }
  });
  return std::move(builder).finish();
}

struct Coordinates {
  std::vector<std::int64_t> rows, cols;
};

// "row" and "col", or (newer SciPy for arrays) "coords" of two rows.
Result<Coordinates> coordinates_of(const Archive& archive) {
  Coordinates out;
  if (!archive.has("coords")) {
    LACUNA_TRY(out.rows, archive.integers("row"));
    LACUNA_TRY(out.cols, archive.integers("col"));
    return out;
  }
  LACUNA_TRY(const NpyArray* const coords, archive.array("coords"));
  if (coords->shape.size() != 2 || coords->shape[0] != 2) {
    return make_error(ErrorCode::kInvalidFile, "coords.npy: expected shape (2, nnz)");
  }
  auto values = to_integers(*coords);
  if (!values) return add_context("coords.npy", values.error());
  const auto count = static_cast<std::size_t>(coords->shape[1]);
  for (std::size_t e = 0; e < count; ++e) {
    out.rows.push_back((*values)[coords->fortran_order ? 2 * e : e]);
    out.cols.push_back((*values)[coords->fortran_order ? 2 * e + 1 : count + e]);
  }
  return out;
}

Result<Mask> mask_of_coo(const Archive& archive) {
  LACUNA_TRY(const Shape shape, shape_of(archive));
  LACUNA_TRY(const NpyArray* const data, data_of(archive, 1));
  LACUNA_TRY(const auto at, coordinates_of(archive));
  if (at.rows.size() != at.cols.size()) {
    return make_error(ErrorCode::kInvalidFile, "row.npy holds {} indices, col.npy {}",
                      at.rows.size(), at.cols.size());
  }
  LACUNA_TRY_VOID(check_stored(data->count(), at.rows.size()));
  LACUNA_TRY(auto builder, MaskBuilder::create(shape.m, shape.k));
  for (std::size_t e = 0; e < at.rows.size(); ++e) {
    const std::int64_t row = at.rows[e];
    const std::int64_t col = at.cols[e];
    if (row < 0 || row >= shape.m || col < 0 || col >= shape.k) {
      return make_error(ErrorCode::kInvalidFile, "entry {}: ({}, {}) is outside {} x {}", e, row,
                        col, shape.m, shape.k);
    }
    if (!builder.insert(row, col)) {
      return make_error(ErrorCode::kInvalidFile, "entry {}: ({}, {}) is a duplicate", e, row, col);
    }
  }
  return std::move(builder).finish();
}

Result<Mask> mask_of_archive(const Archive& archive) {
  if (!archive.has("format")) {
    if (archive.arrays().size() == 1) {
      const auto& [key, array] = *archive.arrays().begin();
      auto mask = mask_of_dense(array);
      return mask ? std::move(mask) : in_file(key + ".npy", mask.error());
    }
    return make_error(ErrorCode::kInvalidFile,
                      "{} arrays and no 'format.npy': expected scipy.sparse.save_npz or one array",
                      archive.arrays().size());
  }
  LACUNA_TRY(const NpyArray* const format, archive.array("format"));
  const std::string text = to_ascii(*format);
  if (text == "csr") return mask_of_csr(archive);
  if (text == "csc") return mask_of_csc(archive);
  if (text == "bsr") return mask_of_bsr(archive);
  if (text == "coo") return mask_of_coo(archive);
  return make_error(ErrorCode::kUnsupported, "sparse format '{}' is not one of: csr, csc, bsr, coo",
                    text);
}

}  // namespace

Result<Mask> parse_npy_mask(std::span<const std::byte> bytes, std::string_view name) {
  const auto array = parse_npy(bytes);
  if (!array) return in_file(name, array.error());
  auto mask = mask_of_dense(*array);
  if (!mask) return in_file(name, mask.error());
  return mask;
}

Result<Mask> parse_npz_mask(std::span<const std::byte> bytes, std::string_view name) {
  const auto archive = Archive::read(bytes);
  if (!archive) return in_file(name, archive.error());
  auto mask = mask_of_archive(*archive);
  if (!mask) return in_file(name, mask.error());
  return mask;
}

}  // namespace lacuna
