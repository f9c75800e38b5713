// SPDX-License-Identifier: Apache-2.0
//
// PanelIndex: the entries of A's panels in the form kernels take (templates/abi.h).
#pragma once

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
  std::vector<std::int32_t> block;  // per entry: block number; empty = identity
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

}  // namespace lacuna
