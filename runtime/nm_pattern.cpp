// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_pattern.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "templates/format.h"

namespace lacuna {
namespace {

// Rows [begin, end) that share their choice.
struct RowVector {
  std::int64_t begin = 0, end = 0;
};

RowVector vector_at(std::int64_t begin, std::int64_t v, std::int64_t m) {
  return {begin, std::min(m, begin + v)};
}

std::uint64_t columns_together(const Mask& mask, const RowVector& rows, std::int64_t begin,
                               std::int64_t count) {
  std::uint64_t together = 0;
  for (std::int64_t i = rows.begin; i < rows.end; ++i)
    together |= column_bits(mask, i, begin, count);
  return together;
}

using Magnitudes = std::array<double, kMaxNmGroup>;

// Of columns [0, count) the `kept` largest, the lower one first among equals.
std::uint64_t largest(const Magnitudes& magnitudes, std::int64_t count, std::int64_t kept) {
  std::array<std::int32_t, kMaxNmGroup> order{};
  for (std::size_t j = 0; j < order.size(); ++j)
    order[j] = static_cast<std::int32_t>(j);
  std::partial_sort(order.begin(), order.begin() + kept, order.begin() + count,
                    [&](std::int32_t x, std::int32_t y) {
                      const double of_x = magnitudes[static_cast<std::size_t>(x)];
                      const double of_y = magnitudes[static_cast<std::size_t>(y)];
                      return of_x != of_y ? of_x > of_y : x < y;
                    });
  std::uint64_t bits = 0;
  for (std::int64_t j = 0; j < kept; ++j)
    bits |= std::uint64_t{1} << order[static_cast<std::size_t>(j)];
  return bits;
}

// Row-major weights whose span was checked.
struct DenseWeights {
  std::span<const float> data;
  std::int64_t lda = 0;
  [[nodiscard]] float at(std::int64_t row, std::int64_t col) const {
    return data[static_cast<std::size_t>(row * lda + col)];
  }
};

// The sum of magnitudes of each of `count` columns from `begin` on.
Result<Magnitudes> magnitudes_of(const DenseWeights& weights, const RowVector& rows,
                                 std::int64_t begin, std::int64_t count) {
  Magnitudes sums{};
  for (std::int64_t i = rows.begin; i < rows.end; ++i)
    for (std::int64_t j = 0; j < count; ++j) {
      const float weight = weights.at(i, begin + j);
      if (!std::isfinite(weight))
        return make_error(ErrorCode::kInvalidArgument, "the weight at row {}, column {} is {}", i,
                          begin + j, weight);
      sums[static_cast<std::size_t>(j)] += std::abs(static_cast<double>(weight));
    }
  return sums;
}

// n, if each of the complete groups of m columns holds exactly n weights: some, not all.
std::optional<std::int32_t> weights_of_each_group(const Mask& mask, std::int32_t m) {
  const std::int64_t complete = mask.k() / m * m;
  if (mask.m() == 0 || complete == 0) return std::nullopt;
  const int n = std::popcount(column_bits(mask, 0, 0, m));
  if (n < 1 || n >= m) return std::nullopt;
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    for (std::int64_t begin = 0; begin < complete; begin += m)
      if (std::popcount(column_bits(mask, i, begin, m)) != n) return std::nullopt;
    if (complete < mask.k() &&
        std::popcount(column_bits(mask, i, complete, mask.k() - complete)) > n)
      return std::nullopt;
  }
  return n;
}

bool has_equal_rows(const Mask& mask, std::int64_t v) {
  for (std::int64_t begin = 0; begin < mask.m(); begin += v)
    for (std::int64_t i = begin + 1; i < std::min(mask.m(), begin + v); ++i)
      if (!std::ranges::equal(mask.row_words(begin), mask.row_words(i))) return false;
  return true;
}

}  // namespace

Result<> check_pattern(const NmPattern& pattern) {
  if (pattern.m < 2 || pattern.m > kMaxNmGroup)
    return make_error(ErrorCode::kInvalidArgument, "pattern {}:{}: the group {} is not in [2, {}]",
                      pattern.n, pattern.m, pattern.m, kMaxNmGroup);
  if (pattern.n < 1 || pattern.n >= pattern.m)
    return make_error(ErrorCode::kInvalidArgument, "pattern {}:{}: {} of a group is not in [1, {}]",
                      pattern.n, pattern.m, pattern.n, pattern.m - 1);
  if (pattern.v < 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "pattern {}:{}: {} rows that share a choice are not at least 1", pattern.n,
                      pattern.m, pattern.v);
  return {};
}

std::string to_text(const NmPattern& pattern) {
  return pattern.v == 1 ? fmt::format("{}:{}", pattern.n, pattern.m)
                        : fmt::format("{}:{} by {} rows", pattern.n, pattern.m, pattern.v);
}

Result<NmPattern> parse_nm_pattern(std::string_view text) {
  std::string_view rest = text;
  const auto n = parse_digits(cut_digits(rest));
  const bool separated = cut_prefix(rest, ":");
  const auto m = parse_digits(rest);
  constexpr std::int64_t kSane = 1 << 20;  // check_pattern names the limits
  if (!n || !separated || !m || *n > kSane || *m > kSane)
    return make_error(ErrorCode::kInvalidArgument, "pattern '{}' is not N:M, for example 2:4",
                      text);
  const NmPattern pattern{.n = static_cast<std::int32_t>(*n), .m = static_cast<std::int32_t>(*m)};
  LACUNA_TRY_VOID(check_pattern(pattern));
  return pattern;
}

Result<Mask> prune_to_n_of_m(std::span<const float> weights, std::int64_t m, std::int64_t k,
                             std::int64_t lda, const NmPattern& pattern) {
  LACUNA_TRY_VOID(check_pattern(pattern));
  LACUNA_TRY(auto builder, MaskBuilder::create(m, k));
  LACUNA_TRY_VOID(check_dense_span(m, k, lda, weights.size()));
  const DenseWeights dense{weights, lda};
  for (std::int64_t first = 0; first < m; first += pattern.v) {
    const RowVector rows = vector_at(first, pattern.v, m);
    for (std::int64_t begin = 0; begin < k; begin += pattern.m) {
      const std::int64_t count = std::min<std::int64_t>(pattern.m, k - begin);
      const std::int64_t kept = (pattern.n * count + pattern.m - 1) / pattern.m;
      LACUNA_TRY(const Magnitudes magnitudes, magnitudes_of(dense, rows, begin, count));
      for (std::uint64_t bits = largest(magnitudes, count, kept); bits != 0; bits &= bits - 1)
        for (std::int64_t i = rows.begin; i < rows.end; ++i)
          builder.insert(i, begin + std::countr_zero(bits));
    }
  }
  return std::move(builder).finish();
}

std::uint64_t nm_stored_columns(std::uint64_t used, const NofM& format) {
  std::uint64_t columns = used;
  const std::uint64_t group = (std::uint64_t{1} << format.m) - 1;
  while (std::popcount(columns) < format.n) {
    const std::uint64_t others = group & ~columns;
    columns |= others & (~others + 1);  // the lowest
  }
  return columns;
}

Result<> check_conforms(const Mask& mask, const NmPattern& pattern) {
  LACUNA_TRY_VOID(check_pattern(pattern));
  for (std::int64_t first = 0; first < mask.m(); first += pattern.v) {
    const RowVector rows = vector_at(first, pattern.v, mask.m());
    for (std::int64_t begin = 0; begin < mask.k(); begin += pattern.m) {
      const std::int64_t count = std::min<std::int64_t>(pattern.m, mask.k() - begin);
      const int used = std::popcount(columns_together(mask, rows, begin, count));
      if (used <= pattern.n) continue;
      const std::string which =
          pattern.v == 1 ? fmt::format("row {} has", rows.begin)
                         : fmt::format("rows {} to {} together have", rows.begin, rows.end - 1);
      return make_error(ErrorCode::kInvalidArgument,
                        "{} weights in {} of the columns {} to {}, {} allows {}", which, used,
                        begin, begin + count - 1, to_text(pattern), pattern.n);
    }
  }
  return {};
}

std::optional<NmPattern> find_nm_pattern(const Mask& mask) {
  for (std::int32_t m = 2; m <= kMaxNmGroup; ++m) {
    const auto n = weights_of_each_group(mask, m);
    if (!n) continue;
    std::int32_t v = 64;
    while (v > 1 && (v > mask.m() || !has_equal_rows(mask, v)))
      v /= 2;
    return NmPattern{*n, m, v};
  }
  return std::nullopt;
}

}  // namespace lacuna
