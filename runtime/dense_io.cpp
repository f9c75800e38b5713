// SPDX-License-Identifier: Apache-2.0
#include "runtime/dense_io.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/npy_array.h"
#include "targets/base/file.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

// IEEE 754 binary16.
float float_of_half(std::uint64_t bits) {
  const auto exponent = static_cast<int>(bits >> 10 & 31);
  const auto fraction = static_cast<float>(bits & 1023);
  float magnitude =
      std::ldexp(exponent == 0 ? fraction : fraction + 1024, std::max(exponent, 1) - 25);
  if (exponent == 31)
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  return (bits >> 15 & 1) != 0 ? -magnitude : magnitude;
}

float element_of(const NpyArray& array, std::int64_t item) {
  const std::uint64_t bits = array.bits(item);
  if (array.kind == 'f' && array.item_bytes == 2) return float_of_half(bits);
  if (array.kind == 'f' && array.item_bytes == 4)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  if (array.kind == 'f') return static_cast<float>(std::bit_cast<double>(bits));
  if (array.kind != 'i') return static_cast<float>(bits);
  const int unused_bits = 64 - 8 * array.item_bytes;  // shifting up and down extends the sign
  return static_cast<float>(static_cast<std::int64_t>(bits << unused_bits) >> unused_bits);
}

Result<DenseMatrix> to_dense(const NpyArray& array) {
  if (!array.is_number()) return make_error(ErrorCode::kInvalidFile, "expected numbers");
  if (array.shape.size() != 2)
    return make_error(ErrorCode::kInvalidFile, "expected a 2-D array, found {} dimensions",
                      array.shape.size());
  DenseMatrix dense{.m = array.shape[0], .k = array.shape[1], .data = {}};
  if (array.count() > kMaxElements)
    return make_error(ErrorCode::kInvalidArgument, "{} x {} elements are more than {}", dense.m,
                      dense.k, kMaxElements);
  try {
    dense.data.resize(static_cast<std::size_t>(array.count()));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "no memory for {} floats", array.count());
  }
  const std::int64_t row_stride = array.fortran_order ? 1 : dense.k;
  const std::int64_t col_stride = array.fortran_order ? dense.m : 1;
  std::size_t at = 0;
  for (std::int64_t i = 0; at < dense.data.size(); ++i)
    for (std::int64_t j = 0; j < dense.k; ++j)
      dense.data[at++] = element_of(array, i * row_stride + j * col_stride);
  return dense;
}

}  // namespace

Result<DenseMatrix> parse_dense_npy(std::span<const std::byte> bytes, std::string_view name) {
  const auto array = parse_npy(bytes);
  if (!array) return add_context(name, array.error());
  auto dense = to_dense(*array);
  if (!dense) return add_context(name, std::move(dense).error());
  return dense;
}

Result<DenseMatrix> load_dense_npy(const std::filesystem::path& path) {
  LACUNA_TRY(const std::vector<std::byte> bytes, read_file(path));
  return parse_dense_npy(bytes, path.string());
}

}  // namespace lacuna
