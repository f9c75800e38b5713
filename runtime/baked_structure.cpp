// SPDX-License-Identifier: Apache-2.0
#include "runtime/baked_structure.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/abi.h"
#include "templates/format.h"
#include "templates/pattern_code.h"

namespace lacuna {
namespace {

constexpr std::int64_t kMaxWeights = std::numeric_limits<std::int32_t>::max();

// Appends the columns that rows [begin, end) of the mask touch; returns their weights.
std::int64_t add_panel(const Mask& mask, std::int64_t begin, std::int64_t end, BakedStructure& s) {
  std::int64_t weights = 0;
  for (std::int64_t w = 0; w < mask.words_per_row(); ++w) {
    const auto word = [&](std::int64_t row) {
      return mask.row_words(row)[static_cast<std::size_t>(w)];
    };
    std::uint64_t any = 0;
    for (std::int64_t row = begin; row < end; ++row)
      any |= word(row);
    for (; any != 0; any &= any - 1) {
      const int bit = std::countr_zero(any);
      std::uint32_t rows = 0;
      for (std::int64_t row = begin; row < end; ++row)
        rows |= static_cast<std::uint32_t>(word(row) >> bit & 1) << (row - begin);
      s.by_row.origin.push_back(static_cast<std::int32_t>(w * 64 + bit));
      s.rows.push_back(rows);
      weights += std::popcount(rows);
    }
  }
  return weights;
}

}  // namespace

Result<BakedStructure> make_baked_structure(const Mask& mask, const Baked& format) {
  LACUNA_TRY_VOID(check_format(format));
  if (mask.nnz() > kMaxWeights)
    return make_error(ErrorCode::kInvalidArgument, "{} with {} weights: the limit is {}",
                      to_text(Format{format}), mask.nnz(), kMaxWeights);
  BakedStructure s;
  s.m = mask.m();
  s.k = mask.k();
  s.format = clamped_to(format, s.m, s.k);
  s.by_row.ptr.push_back(0);
  s.by_row.first_value.push_back(0);
  for (std::int64_t begin = 0; begin < s.m; begin += s.format.r) {
    const std::int64_t weights = add_panel(mask, begin, std::min(s.m, begin + s.format.r), s);
    s.by_row.ptr.push_back(static_cast<std::int64_t>(s.by_row.origin.size()));
    s.by_row.first_value.push_back(s.by_row.first_value.back() + weights);
  }
  s.by_row.origin.resize(s.by_row.origin.size() + kOriginPadding, 0);
  return s;
}

Pattern pattern_of(const BakedStructure& s, PanelDirection direction) {
  const bool by_row = direction == PanelDirection::kBlockRows;
  const PanelIndex& index = by_row ? s.by_row : s.by_column;
  const std::vector<std::uint32_t>& rows = by_row ? s.rows : s.columns;
  return {.format = s.format,
          .m = by_row ? s.m : s.k,
          .k = by_row ? s.k : s.m,
          .ptr = index.ptr,
          .column = std::span(index.origin).first(rows.size()),
          .rows = rows};
}

}  // namespace lacuna
