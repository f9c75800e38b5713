// SPDX-License-Identifier: Apache-2.0
#include "runtime/mask.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::int64_t kWordBits = 64;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

Result<> check_dim(const char* name, std::int64_t value) {
  if (value < 0 || value > kMaxMaskDim) {
    return make_error(ErrorCode::kInvalidArgument, "{} {} is outside [0, {}]", name, value,
                      kMaxMaskDim);
  }
  return {};
}

Result<> check_block_dims(std::int32_t r, std::int32_t c) {
  if (r < 1 || c < 1) {
    return make_error(ErrorCode::kInvalidArgument, "block shape {}x{} is not at least 1x1", r, c);
  }
  return {};
}

// Elements that a row-major matrix spans in memory; -1 if that does not fit in 64 bits.
std::int64_t dense_span(std::int64_t m, std::int64_t k, std::int64_t lda) {
  if (m == 0 || k == 0) return 0;
  std::int64_t elements = 0;
  if (__builtin_mul_overflow(m - 1, lda, &elements)) return -1;
  return __builtin_add_overflow(elements, k, &elements) ? -1 : elements;
}

Result<> check_row_ptr(std::int64_t m, std::span<const std::int64_t> row_ptr, std::size_t entries) {
  if (std::cmp_not_equal(row_ptr.size(), m + 1)) {
    return make_error(ErrorCode::kInvalidArgument, "row_ptr has {} entries, {} rows need {}",
                      row_ptr.size(), m, m + 1);
  }
  if (row_ptr.front() != 0) {
    return make_error(ErrorCode::kInvalidArgument, "row_ptr[0] is {}, not 0", row_ptr.front());
  }
  for (std::size_t i = 1; i < row_ptr.size(); ++i) {
    if (row_ptr[i] < row_ptr[i - 1]) {
      return make_error(ErrorCode::kInvalidArgument, "row_ptr[{}] is {}, below row_ptr[{}] {}", i,
                        row_ptr[i], i - 1, row_ptr[i - 1]);
    }
  }
  if (std::cmp_greater(row_ptr.back(), entries)) {
    return make_error(ErrorCode::kInvalidArgument, "row_ptr[{}] is {}, col_idx has {} entries", m,
                      row_ptr.back(), entries);
  }
  return {};
}

// Sebastiano Vigna's splitmix64: a bijective mix of a counter, so any draw can be made in any order.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

Result<MaskBuilder> MaskBuilder::create(std::int64_t m, std::int64_t k) {
  LACUNA_TRY_VOID(check_dim("m", m));
  LACUNA_TRY_VOID(check_dim("k", k));
  const std::int64_t words_per_row = ceil_div(k, kWordBits);
  if (m * words_per_row > kMaxMaskWords) {
    return make_error(ErrorCode::kInvalidArgument, "a {} x {} mask needs {} bytes, limit {}", m, k,
                      m * words_per_row * 8, kMaxMaskWords * 8);
  }
  MaskBuilder builder;
  builder.mask_.m_ = m;
  builder.mask_.k_ = k;
  builder.mask_.words_per_row_ = words_per_row;
  try {
    builder.mask_.words_.resize(static_cast<std::size_t>(m * words_per_row));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "no memory for the {} bytes of a {} x {} mask",
                      m * words_per_row * 8, m, k);
  }
  return builder;
}

void MaskBuilder::insert_range(std::int64_t row, std::int64_t col_begin, std::int64_t col_end) {
  std::int64_t col = col_begin;
  while (col < col_end) {
    const std::int64_t bit = col % kWordBits;
    const std::int64_t count = std::min(kWordBits - bit, col_end - col);
    const std::uint64_t ones = (~std::uint64_t{0} >> (kWordBits - count)) << bit;
    std::uint64_t& word =
        mask_.words_[static_cast<std::size_t>(row * mask_.words_per_row_ + col / kWordBits)];
    mask_.nnz_ += std::popcount(ones & ~word);
    word |= ones;
    col += count;
  }
}

Result<> check_dense_span(std::int64_t m, std::int64_t k, std::int64_t lda, std::size_t elements) {
  if (lda < k) return make_error(ErrorCode::kInvalidArgument, "lda {} is less than k {}", lda, k);
  const std::int64_t needed = dense_span(m, k, lda);
  if (needed < 0 || std::cmp_greater(needed, elements)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a has {} elements, too few for {} x {} with lda {}", elements, m, k, lda);
  }
  return {};
}

Result<Mask> Mask::from_dense(std::int64_t m, std::int64_t k, std::span<const float> a,
                              std::int64_t lda) {
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  LACUNA_TRY_VOID(check_dense_span(m, k, lda, a.size()));
  for (std::int64_t i = 0; i < m && k > 0; ++i) {
    const auto row = a.subspan(static_cast<std::size_t>(i * lda), static_cast<std::size_t>(k));
    for (std::int64_t j = 0; j < k; ++j) {
      const float value = row[static_cast<std::size_t>(j)];
      if (!std::isfinite(value)) {
        return make_error(ErrorCode::kInvalidArgument, "the element at row {}, column {} is {}", i,
                          j, value);
      }
      if (value != 0.0F) builder.insert(i, j);
    }
  }
  return std::move(builder).finish();
}

Result<Mask> Mask::from_csr(std::int64_t m, std::int64_t k, std::span<const std::int64_t> row_ptr,
                            std::span<const std::int64_t> col_idx) {
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  LACUNA_TRY_VOID(check_row_ptr(m, row_ptr, col_idx.size()));
  for (std::int64_t i = 0; i < m; ++i) {
    const auto begin = static_cast<std::size_t>(row_ptr[static_cast<std::size_t>(i)]);
    const auto end = static_cast<std::size_t>(row_ptr[static_cast<std::size_t>(i) + 1]);
    for (std::size_t e = begin; e < end; ++e) {
      const std::int64_t col = col_idx[e];
      if (col < 0 || col >= k) {
        return make_error(ErrorCode::kInvalidArgument,
                          "row {}, position {}: column index {} is outside [0, {})", i, e, col, k);
      }
      if (e > begin && col <= col_idx[e - 1]) {
        return make_error(ErrorCode::kInvalidArgument, "row {}, position {}: column index {} {}", i,
                          e, col,
                          col == col_idx[e - 1]
                              ? fmt::format("is a duplicate")
                              : fmt::format("follows {}: indices are unsorted", col_idx[e - 1]));
      }
      builder.insert(i, col);
    }
  }
  return std::move(builder).finish();
}

Result<Mask> Mask::from_blocks(std::int64_t m, std::int64_t k, std::int32_t r, std::int32_t c,
                               std::span<const std::uint8_t> flags) {
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  LACUNA_TRY_VOID(check_block_dims(r, c));
  const std::int64_t block_rows = ceil_div(m, r);
  const std::int64_t block_columns = ceil_div(k, c);
  if (std::cmp_not_equal(flags.size(), block_rows * block_columns)) {
    return make_error(ErrorCode::kInvalidArgument, "{} block flags, {} x {} blocks need {}",
                      flags.size(), block_rows, block_columns, block_rows * block_columns);
  }
  for (std::int64_t i = 0; i < m; ++i) {
    const auto row = flags.subspan(static_cast<std::size_t>(i / r * block_columns));
    for (std::int64_t j = 0; j < block_columns; ++j) {
      if (row[static_cast<std::size_t>(j)] == 0) continue;
      builder.insert_range(i, j * c, std::min(k, (j + 1) * c));
    }
  }
  return std::move(builder).finish();
}

double Mask::density() const {
  if (m_ == 0 || k_ == 0) return 0;
  return static_cast<double>(nnz_) / (static_cast<double>(m_) * static_cast<double>(k_));
}

Hash128 Mask::digest() const {
  Hasher hasher;
  hasher.append_scalar(m_);
  hasher.append_scalar(k_);
  hasher.append(std::as_bytes(std::span(words_)));
  return hasher.digest();
}

namespace {

// order <- numbers 0 to size - 1, the first `count` of them drawn at random: the first steps of a Fisher-Yates shuffle.
void draw_numbers(std::uint64_t stream, std::int64_t count, std::int64_t size,
                  std::vector<std::int64_t>& order) {
  order.resize(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t j = 0; j < count; ++j) {
    const auto left = static_cast<std::uint64_t>(size - j);
    const std::uint64_t draw = (mix(stream + static_cast<std::uint64_t>(j)) >> 32U) * left >> 32U;
    std::swap(order[static_cast<std::size_t>(j)],
              order[static_cast<std::size_t>(j) + static_cast<std::size_t>(draw)]);
  }
}

// Lengths by rank, falling as 1 / (i + 1)^exponent, of `total` in all, none above `most`: the first ones have `most`, the
// others share what is left. Rounded so that the sum is exact.
std::vector<std::int64_t> zipf_lengths(std::size_t ranks, std::int64_t most, std::int64_t total,
                                       double exponent) {
  std::vector<double> weights(ranks);
  // Summed from the smallest on: exact enough for any exponent.
  std::vector<double> weights_from(ranks + 1, 0);
  for (std::size_t i = ranks; i-- > 0;) {
    weights[i] = std::pow(static_cast<double>(i + 1), -exponent);
    weights_from[i] = weights_from[i + 1] + weights[i];
  }
  std::vector<std::int64_t> lengths(ranks);
  std::int64_t left = total;
  std::size_t full = 0;
  const auto share = [&] { return static_cast<double>(left) * weights[full] / weights_from[full]; };
  while (full < ranks && share() > static_cast<double>(most)) {
    lengths[full++] = most;
    left -= most;
  }
  std::int64_t given = 0;
  for (std::size_t i = full; i < ranks; ++i) {
    const double before = 1.0 - weights_from[i + 1] / weights_from[full];
    const std::int64_t up_to = std::llround(before * static_cast<double>(left));
    lengths[i] = std::min(most, up_to - given);
    given += lengths[i];
  }
  return lengths;
}

// The blocks of an m x k matrix.
struct BlockGrid {
  std::int64_t m = 0, k = 0;
  std::int32_t r = 1, c = 1;

  [[nodiscard]] std::int64_t rows() const { return ceil_div(m, r); }
  [[nodiscard]] std::int64_t columns() const { return ceil_div(k, c); }
  // Blocks of a row at this density.
  [[nodiscard]] std::int64_t present(double density) const {
    return std::llround(density * static_cast<double>(columns()));
  }
};

Result<MaskBuilder> start_blocks(const BlockGrid& grid, double density) {
  LACUNA_TRY(auto builder, MaskBuilder::create(grid.m, grid.k));
  LACUNA_TRY_VOID(check_block_dims(grid.r, grid.c));
  if (!(density >= 0 && density <= 1)) {
    return make_error(ErrorCode::kInvalidArgument, "density {} is outside [0, 1]", density);
  }
  return builder;
}

// Block row p gets length_of(p) blocks, drawn at random.
template <class LengthOf>
Mask draw_blocks(MaskBuilder builder, const BlockGrid& grid, std::uint64_t seed,
                 LengthOf length_of) {
  std::vector<std::int64_t> order;
  for (std::int64_t p = 0; p < grid.rows(); ++p) {
    const std::int64_t present = length_of(p);
    draw_numbers(mix(mix(seed) ^ static_cast<std::uint64_t>(p)), present, grid.columns(), order);
    for (std::int64_t j = 0; j < present; ++j) {
      const std::int64_t column = order[static_cast<std::size_t>(j)] * grid.c;
      for (std::int64_t i = p * grid.r; i < std::min(grid.m, (p + 1) * grid.r); ++i) {
        builder.insert_range(i, column, std::min(grid.k, column + grid.c));
      }
    }
  }
  return std::move(builder).finish();
}

}  // namespace

Result<Mask> make_random_block_mask(std::int64_t m, std::int64_t k, std::int32_t r, std::int32_t c,
                                    double density, std::uint64_t seed) {
  const BlockGrid grid{m, k, r, c};
  LACUNA_TRY(auto builder, start_blocks(grid, density));
  return draw_blocks(std::move(builder), grid, seed,
                     [present = grid.present(density)](std::int64_t) { return present; });
}

Result<Mask> make_random_zipf_mask(const ZipfMask& wanted) {
  const BlockGrid grid{wanted.m, wanted.k, wanted.r, wanted.c};
  LACUNA_TRY(auto builder, start_blocks(grid, wanted.density));
  constexpr double kSteepest = 10;
  if (!(wanted.exponent >= 0 && wanted.exponent <= kSteepest)) {
    return make_error(ErrorCode::kInvalidArgument, "zipf exponent {} is outside [0, {}]",
                      wanted.exponent, kSteepest);
  }
  const auto by_rank = zipf_lengths(static_cast<std::size_t>(grid.rows()), grid.columns(),
                                    grid.rows() * grid.present(wanted.density), wanted.exponent);
  // Another stream of numbers than those of the rows.
  std::vector<std::int64_t> row_of_rank;
  draw_numbers(mix(~mix(wanted.seed)), grid.rows(), grid.rows(), row_of_rank);
  std::vector<std::int64_t> lengths(by_rank.size());
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank)
    lengths[static_cast<std::size_t>(row_of_rank[rank])] = by_rank[rank];
  return draw_blocks(std::move(builder), grid, wanted.seed,
                     [&](std::int64_t p) { return lengths[static_cast<std::size_t>(p)]; });
}

Result<Mask> make_random_nm_mask(std::int64_t m, std::int64_t k, std::int32_t n, std::int32_t group,
                                 std::uint64_t seed, std::int32_t v) {
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  if (group < 1 || n < 0 || n > group)
    return make_error(ErrorCode::kInvalidArgument,
                      "{} of {} columns is not N of M with 0 <= N <= M", n, group);
  if (v < 1)
    return make_error(ErrorCode::kInvalidArgument, "{} rows that share a choice are not at least 1",
                      v);
  std::vector<std::int64_t> order;
  for (std::int64_t first = 0; first < m; first += v)
    for (std::int64_t begin = 0; begin < k; begin += group) {
      const std::int64_t columns = std::min<std::int64_t>(group, k - begin);
      const std::int64_t present = std::min<std::int64_t>(n, columns);
      draw_numbers(mix(mix(seed) ^ static_cast<std::uint64_t>(first * k + begin)), present, columns,
                   order);
      for (std::int64_t j = 0; j < present; ++j)
        for (std::int64_t i = first; i < std::min(m, first + v); ++i)
          builder.insert(i, begin + order[static_cast<std::size_t>(j)]);
    }
  return std::move(builder).finish();
}

}  // namespace lacuna
