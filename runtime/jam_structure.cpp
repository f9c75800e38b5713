// SPDX-License-Identifier: Apache-2.0
#include "runtime/jam_structure.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/abi.h"
#include "templates/format.h"

namespace lacuna {
namespace {

constexpr std::int64_t kMaxGroups = std::int64_t{1} << 28;
constexpr std::int64_t kMaxWeights = std::numeric_limits<std::int32_t>::max();

// Rows [begin, end) of the mask as rows of a panel whose row 0 is `first`.
struct Panel {
  std::int64_t first, begin, end;
};

// columns[g - 1] <- the columns that touch exactly the panel's rows in g, ascending.
void group_columns(const Mask& mask, const Panel& panel,
                   std::vector<std::vector<std::int32_t>>& columns) {
  for (auto& group : columns)
    group.clear();
  for (std::int64_t w = 0; w < mask.words_per_row(); ++w) {
    std::uint64_t any = 0;
    for (std::int64_t i = panel.begin; i < panel.end; ++i)
      any |= mask.row_words(i)[static_cast<std::size_t>(w)];
    for (; any != 0; any &= any - 1) {
      const int bit = std::countr_zero(any);
      std::size_t group = 0;
      for (std::int64_t i = panel.begin; i < panel.end; ++i)
        group |= static_cast<std::size_t>(mask.row_words(i)[static_cast<std::size_t>(w)] >> bit & 1)
                 << (i - panel.first);
      columns[group - 1].push_back(static_cast<std::int32_t>(w * 64 + bit));
    }
  }
}

}  // namespace

Result<JamStructure> make_jam_structure(const Mask& mask, const Jam& format) {
  LACUNA_TRY_VOID(check_format(format));
  JamStructure s;
  s.m = mask.m();
  s.k = mask.k();
  s.format = clamped_to(format, s.m, s.k);
  s.by_row.lists = s.format.groups();
  const std::int64_t panels = (s.m + s.format.r - 1) / s.format.r;
  if (panels > kMaxGroups / s.by_row.lists || mask.nnz() > kMaxWeights)
    return make_error(
        ErrorCode::kInvalidArgument,
        "{} of {} rows with {} weights: the limits are {} groups of columns and {} weights",
        to_text(Format{s.format}), s.m, mask.nnz(), kMaxGroups, kMaxWeights);
  s.by_row.ptr.reserve(static_cast<std::size_t>(panels * s.by_row.lists + 1));
  s.by_row.first_value.reserve(static_cast<std::size_t>(panels + 1));
  s.by_row.ptr.push_back(0);
  s.by_row.first_value.push_back(0);
  std::vector<std::vector<std::int32_t>> columns(static_cast<std::size_t>(s.format.groups()));
  for (std::int64_t begin = 0; begin < s.m; begin += s.format.r) {
    group_columns(mask,
                  {std::min(begin, s.m - s.format.r), begin, std::min(s.m, begin + s.format.r)},
                  columns);
    std::int64_t values = s.by_row.first_value.back();
    for (std::size_t g = 1; g <= columns.size(); ++g) {
      const auto& group = columns[g - 1];
      s.by_row.origin.insert(s.by_row.origin.end(), group.begin(), group.end());
      s.by_row.ptr.push_back(static_cast<std::int64_t>(s.by_row.origin.size()));
      values += static_cast<std::int64_t>(group.size()) * std::popcount(g);
    }
    s.by_row.first_value.push_back(values);
  }
  s.by_row.origin.resize(s.by_row.origin.size() + kOriginPadding, 0);
  return s;
}

}  // namespace lacuna
