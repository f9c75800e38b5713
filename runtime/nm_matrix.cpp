// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_matrix.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

// The columns that the rows sharing an index row use of a group.
std::uint64_t columns_used(const NmMatrix& matrix, const Mask& mask, std::int64_t index_row,
                           std::int64_t group) {
  const std::int64_t v = matrix.pattern.v;
  const std::int64_t begin = group * matrix.pattern.m;
  const std::int64_t count = std::min<std::int64_t>(matrix.pattern.m, matrix.k - begin);
  std::uint64_t used = 0;
  for (std::int64_t i = index_row * v; i < std::min(matrix.m, (index_row + 1) * v); ++i)
    used |= column_bits(mask, i, begin, count);
  return used;
}

// Where slot t of an index row lies: a byte of indices, and its lowest bit there. No index crosses a byte.
struct IndexPlace {
  std::size_t byte = 0;
  int shift = 0;
};

IndexPlace place_of(const NmMatrix& matrix, std::int64_t index_row, std::int64_t slot) {
  const std::int64_t bit = slot * matrix.index_bits();
  return {static_cast<std::size_t>(index_row * matrix.index_row_bytes() + bit / 8),
          static_cast<int>(bit % 8)};
}

void pack_indices(const Mask& mask, NmMatrix& matrix) {
  const std::int64_t n = matrix.pattern.n;
  for (std::int64_t row = 0; row < matrix.index_rows(); ++row)
    for (std::int64_t g = 0; g < matrix.groups(); ++g) {
      std::uint64_t columns = nm_stored_columns(columns_used(matrix, mask, row, g),
                                                {.n = matrix.pattern.n, .m = matrix.pattern.m});
      for (std::int64_t s = 0; s < n; ++s, columns &= columns - 1) {
        const auto [byte, shift] = place_of(matrix, row, g * n + s);
        matrix.indices[byte] |= static_cast<std::uint8_t>(std::countr_zero(columns) << shift);
      }
    }
}

// Calls visit(row, column, value number) for each slot whose column is inside the matrix.
template <class Visit>
void for_each_slot(const NmMatrix& matrix, Visit&& visit) {
  std::size_t number = 0;
  for (std::int64_t i = 0; i < matrix.m; ++i)
    for (std::int64_t g = 0; g < matrix.groups(); ++g)
      for (std::int64_t s = 0; s < matrix.pattern.n; ++s, ++number)
        if (const std::int64_t column = matrix.column(i, g, s); column < matrix.k)
          visit(i, column, number);
}

}  // namespace

std::int64_t NmMatrix::column(std::int64_t i, std::int64_t g, std::int64_t s) const {
  const auto [byte, shift] = place_of(*this, i / pattern.v, g * pattern.n + s);
  const int mask = (1 << index_bits()) - 1;
  return g * pattern.m + (indices[byte] >> shift & mask);
}

Result<NmMatrix> compress_nm(const Mask& mask, const NmPattern& pattern,
                             std::span<const float> dense, std::int64_t lda) {
  LACUNA_TRY_VOID(check_conforms(mask, pattern));
  LACUNA_TRY_VOID(check_dense_span(mask.m(), mask.k(), lda, dense.size()));
  NmMatrix matrix{.m = mask.m(), .k = mask.k(), .pattern = pattern, .values = {}, .indices = {}};
  const auto values = static_cast<std::size_t>(matrix.m * matrix.groups() * pattern.n);
  const auto bytes = static_cast<std::size_t>(matrix.index_rows() * matrix.index_row_bytes());
  try {
    matrix.values.resize(values);
    matrix.indices.resize(bytes);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "no memory for {} values and {} bytes of indices", values,
                      bytes);
  }
  pack_indices(mask, matrix);
  for_each_slot(matrix, [&](std::int64_t row, std::int64_t column, std::size_t number) {
    if (mask.at(row, column))
      matrix.values[number] = dense[static_cast<std::size_t>(row * lda + column)];
  });
  return matrix;
}

Result<> decompress_nm(const NmMatrix& matrix, std::span<float> dense, std::int64_t lda) {
  LACUNA_TRY_VOID(check_pattern(matrix.pattern));
  const std::int64_t values = matrix.m * matrix.groups() * matrix.pattern.n;
  const std::int64_t bytes = matrix.index_rows() * matrix.index_row_bytes();
  if (std::cmp_not_equal(matrix.values.size(), values) ||
      std::cmp_not_equal(matrix.indices.size(), bytes))
    return make_error(ErrorCode::kInvalidArgument,
                      "{} values and {} bytes of indices, a {} x {} matrix of {} has {} and {}",
                      matrix.values.size(), matrix.indices.size(), matrix.m, matrix.k,
                      to_text(matrix.pattern), values, bytes);
  LACUNA_TRY_VOID(check_dense_span(matrix.m, matrix.k, lda, dense.size()));
  for (std::int64_t i = 0; i < matrix.m && matrix.k > 0; ++i)
    std::ranges::fill(
        dense.subspan(static_cast<std::size_t>(i * lda), static_cast<std::size_t>(matrix.k)), 0.0F);
  for_each_slot(matrix, [&](std::int64_t row, std::int64_t column, std::size_t number) {
    dense[static_cast<std::size_t>(row * lda + column)] = matrix.values[number];
  });
  return {};
}

}  // namespace lacuna
