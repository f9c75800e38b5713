// SPDX-License-Identifier: Apache-2.0
#include "runtime/nm_structure.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "runtime/elements.h"
#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/abi.h"
#include "templates/format.h"

namespace lacuna {
namespace {

// Row i of a panel stores column `column` of its group in slot `slot`.
void set_index(NmStructure& s, std::int64_t slot, std::int64_t i, int column) {
  const std::int64_t words = s.format.index_words();
  std::int32_t& word = s.by_row.origin[static_cast<std::size_t>(slot * words + i % words)];
  const auto shift = static_cast<unsigned>(s.format.index_bits() * (i / words));
  word = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) |
                                   static_cast<std::uint32_t>(column) << shift);
}

// The columns a row uses of a group; none of a row beyond the mask.
std::uint64_t columns_used(const Mask& mask, std::int64_t row, std::int64_t group, std::int64_t m) {
  if (row >= mask.m()) return 0;
  return column_bits(mask, row, group * m, std::min(m, mask.k() - group * m));
}

void fill_group(const Mask& mask, std::int64_t panel, std::int64_t group, NmStructure& s) {
  const std::int64_t first_slot = (panel * s.groups() + group) * s.format.n;
  for (std::int64_t i = 0; i < kNmPanelRows; ++i) {
    const std::uint64_t used = columns_used(mask, panel * kNmPanelRows + i, group, s.format.m);
    std::uint64_t columns = nm_stored_columns(used, s.format);
    for (std::int64_t slot = first_slot; columns != 0; ++slot, columns &= columns - 1) {
      const int column = std::countr_zero(columns);
      set_index(s, slot, i, column);
      if ((used >> column & 1) != 0)
        s.owned[static_cast<std::size_t>(slot)] |= static_cast<std::uint16_t>(1U << i);
    }
  }
}

}  // namespace

Result<NmStructure> make_nm_structure(const Mask& mask, const NofM& format) {
  LACUNA_TRY_VOID(check_format(format));
  if (auto conforms = check_conforms(mask, {.n = format.n, .m = format.m}); !conforms)
    return add_context("format " + to_text(format), std::move(conforms).error());
  NmStructure s;
  s.m = mask.m();
  s.k = mask.k();
  s.format = format;
  const std::int64_t slots = s.panels() * s.groups() * format.n;
  constexpr std::int64_t kMaxWeights = std::numeric_limits<std::int32_t>::max();
  if (slots > kMaxWeights / kNmPanelRows)
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} of {} x {} stores {} weights, limit {}", to_text(format), s.m, s.k,
                      slots * kNmPanelRows, kMaxWeights);
  s.owned.resize(static_cast<std::size_t>(slots));
  const std::int64_t words = s.groups() * format.n * format.index_words();  // of a panel
  for (std::int64_t panel = 0; panel <= s.panels(); ++panel)
    s.by_row.ptr.push_back(panel * words);
  s.by_row.origin.resize(static_cast<std::size_t>(s.panels() * words + kOriginPadding));
  for (std::int64_t panel = 0; panel < s.panels(); ++panel)
    for (std::int64_t group = 0; group < s.groups(); ++group)
      fill_group(mask, panel, group, s);
  return s;
}

void clear_unowned(const NmStructure& s, DType type, void* values) {
  with_elements(type, values, [&](auto* elements) {
    using Element = std::remove_pointer_t<decltype(elements)>;
    for (std::size_t slot = 0; slot < s.owned.size(); ++slot)
      for (std::size_t i = 0; i < kNmPanelRows; ++i)
        if ((s.owned[slot] >> i & 1U) == 0) elements[slot * kNmPanelRows + i] = Element{};
  });
}

}  // namespace lacuna
