// SPDX-License-Identifier: Apache-2.0
//
// PanelIndex: the entries of A's panels in the form kernels take (templates/abi.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lacuna {

// A panel has one list of entries, or with jammed rows one for each group.
struct PanelIndex {
  std::vector<std::int64_t> ptr;  // [panels * lists + 1]
  // Per entry: origin of the block along the reduced dimension, in elements; then kOriginPadding zeros (abi.h).
  std::vector<std::int32_t> origin;
  // Per entry: block number; empty = identity. Of a transpose of jammed rows or baked panels: per value, its number.
  std::vector<std::int32_t> block;
  std::vector<std::int64_t>
      first_value;         // jammed rows: [panels + 1] where values begin; else empty
  std::int64_t lists = 1;  // of a panel

  [[nodiscard]] std::int64_t panels() const {
    return (static_cast<std::int64_t>(ptr.size()) - 1) / lists;
  }
  // Entries of the panels before `panel`.
  [[nodiscard]] std::int64_t entries_before(std::int64_t panel) const {
    return ptr[static_cast<std::size_t>(panel * lists)];
  }
  // The origins of one list of a panel.
  [[nodiscard]] std::span<const std::int32_t> list(std::int64_t panel, std::int64_t number) const {
    const auto at = static_cast<std::size_t>(panel * lists + number);
    return std::span(origin).subspan(static_cast<std::size_t>(ptr[at]),
                                     static_cast<std::size_t>(ptr[at + 1] - ptr[at]));
  }
};

// [lists of all panels * chunks + 1] for kernels whose schedule has kc: `ptr` with each list cut into `chunks` parts,
// entry e being of part origin[e] / kc. Origins ascend in a list.
[[nodiscard]] inline std::vector<std::int64_t> cut_into_chunks(const PanelIndex& index,
                                                               std::int64_t kc,
                                                               std::int64_t chunks) {
  std::vector<std::int64_t> cut;
  cut.reserve((index.ptr.size() - 1) * static_cast<std::size_t>(chunks) + 1);
  cut.push_back(index.ptr.front());
  for (std::size_t list = 0; list + 1 < index.ptr.size(); ++list) {
    const auto begin = index.origin.begin();
    auto at = begin + index.ptr[list];
    const auto end = begin + index.ptr[list + 1];
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      at = std::lower_bound(at, end, chunk * kc);
      cut.push_back(at - begin);
    }
    cut.push_back(index.ptr[list + 1]);
  }
  return cut;
}

}  // namespace lacuna
