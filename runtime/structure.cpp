// SPDX-License-Identifier: Apache-2.0
#include "runtime/structure.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/bsr_structure.h"
#include "runtime/elements.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

template <class Visit>
void for_each_stored(const Structure& s, Visit&& visit) {
  std::visit([&](const auto& one) { for_each_weight(one, visit); }, s);
}

}  // namespace

Result<Structure> make_structure(const Mask& mask, const Format& format) {
  return std::visit(
      PerFormat{[&](const Bsr& bsr) -> Result<Structure> { return make_bsr_structure(mask, bsr); },
                [&](const Jam& jam) -> Result<Structure> { return make_jam_structure(mask, jam); }},
      format);
}

Format format_of(const Structure& s) {
  return std::visit([](const auto& one) -> Format { return one.format; }, s);
}

std::int64_t values_count(const Structure& s) {
  return std::visit([](const auto& one) { return one.values_count(); }, s);
}

const PanelIndex& panel_index(const Structure& s, PanelDirection direction) {
  return std::visit(
      PerFormat{[&](const BsrStructure& bsr) -> const PanelIndex& {
                  return direction == PanelDirection::kBlockRows ? bsr.by_row : bsr.by_column;
                },
                [](const JamStructure& jam) -> const PanelIndex& { return jam.by_row; }},
      s);
}

void pack_values(const Structure& s, const float* dense, std::int64_t lda, DType type,
                 void* values) {
  clear_unowned(s, type, values);
  with_elements(type, values, [&](auto* out) {
    using Element = std::remove_pointer_t<decltype(out)>;
    for_each_stored(s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
      out[index] = static_cast<Element>(dense[row * lda + col]);
    });
  });
}

void unpack_values(const Structure& s, DType type, const void* values, float* dense,
                   std::int64_t lda) {
  const auto [m, k] = std::visit([](const auto& one) { return std::pair(one.m, one.k); }, s);
  for (std::int64_t i = 0; i < m; ++i)
    std::fill_n(dense + i * lda, k, 0.0F);
  with_elements(type, values, [&](const auto* in) {
    for_each_stored(s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
      dense[row * lda + col] = static_cast<float>(in[index]);
    });
  });
}

void clear_unowned(const Structure& s, DType type, void* values) {
  std::visit(PerFormat{[&](const BsrStructure& bsr) { clear_edge_overlap(bsr, type, values); },
                       [](const JamStructure&) {}},  // every value is a weight
             s);
}

bool is_exact(const Structure& s, const Mask& mask) {
  return std::visit(PerFormat{[&](const BsrStructure& bsr) { return is_exact(bsr, mask); },
                              [](const JamStructure&) { return true; }},
                    s);
}

void for_each_weight(const Structure& s, const WeightVisit& visit) {
  for_each_stored(s, visit);
}

StoredCounts stored_in(const Structure& s) {
  const PanelIndex& index = panel_index(s, PanelDirection::kBlockRows);
  return {index.entries_before(index.panels()), values_count(s)};
}

std::vector<StoredCounts> count_stored(const Mask& mask, std::span<const Format> formats) {
  std::vector<Bsr> shapes;
  shapes.reserve(formats.size());
  for (const Format& format : formats)
    shapes.push_back(counted_as(format));
  const std::vector<std::int64_t> blocks = count_blocks(mask, shapes);
  std::vector<StoredCounts> counts;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    const std::int64_t weights =
        std::visit(PerFormat{[&](const Bsr& bsr) { return blocks[i] * bsr.r * bsr.c; },
                             [&](const Jam&) { return mask.nnz(); }},
                   formats[i]);
    counts.push_back({blocks[i], weights});
  }
  return counts;
}

}  // namespace lacuna
