// SPDX-License-Identifier: Apache-2.0
#include "runtime/structure.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/baked_structure.h"
#include "runtime/bsr_structure.h"
#include "runtime/elements.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "runtime/nm_structure.h"
#include "runtime/panel_index.h"
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
                [&](const Jam& jam) -> Result<Structure> { return make_jam_structure(mask, jam); },
                [&](const NofM& nm) -> Result<Structure> { return make_nm_structure(mask, nm); },
                [&](const Baked& baked) -> Result<Structure> {
                  return make_baked_structure(mask, baked);
                }},
      format);
}

Format format_of(const Structure& s) {
  return std::visit([](const auto& one) -> Format { return one.format; }, s);
}

std::int64_t values_count(const Structure& s) {
  return std::visit([](const auto& one) { return one.values_count(); }, s);
}

const PanelIndex& panel_index(const Structure& s, PanelDirection direction) {
  const bool by_row = direction == PanelDirection::kBlockRows;
  return std::visit(PerFormat{[](const NmStructure& nm) -> const PanelIndex& { return nm.by_row; },
                              [&](const auto& one) -> const PanelIndex& {
                                return by_row ? one.by_row : one.by_column;
                              }},
                    s);
}

void pack_elements(const Structure& s, DType dense_type, const void* dense, std::int64_t lda,
                   DType type, void* values) {
  clear_unowned(s, type, values);
  with_elements(type, values, [&](auto* out) {
    using Element = std::remove_pointer_t<decltype(out)>;
    const auto pack = [&](const auto* in, const auto& convert) {
      for_each_stored(s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
        out[index] = convert(in[row * lda + col]);
      });
    };
    if (dense_type == type)
      pack(static_cast<const Element*>(dense), std::identity{});
    else
      pack(static_cast<const float*>(dense), nearest_element<Element>);
  });
}

void unpack_elements(const Structure& s, DType type, const void* values, DType dense_type,
                     void* dense, std::int64_t lda) {
  const auto [m, k] = std::visit([](const auto& one) { return std::pair(one.m, one.k); }, s);
  with_elements(type, values, [&](const auto* in) {
    using Element = std::remove_cvref_t<decltype(*in)>;
    const auto unpack = [&]<class Dense>(Dense* out) {
      for (std::int64_t i = 0; i < m; ++i)
        std::fill_n(out + i * lda, k, Dense{});
      for_each_stored(s, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
        out[row * lda + col] = static_cast<Dense>(in[index]);
      });
    };
    if (dense_type == type)
      unpack(static_cast<Element*>(dense));
    else
      unpack(static_cast<float*>(dense));
  });
}

void pack_values(const Structure& s, const float* dense, std::int64_t lda, DType type,
                 void* values) {
  pack_elements(s, DType::kF32, dense, lda, type, values);
}

void unpack_values(const Structure& s, DType type, const void* values, float* dense,
                   std::int64_t lda) {
  unpack_elements(s, type, values, DType::kF32, dense, lda);
}

void clear_unowned(const Structure& s, DType type, void* values) {
  std::visit(PerFormat{[&](const BsrStructure& bsr) { clear_edge_overlap(bsr, type, values); },
                       [&](const NmStructure& nm) { clear_unowned(nm, type, values); },
                       [](const auto&) {}},  // every value is a weight
             s);
}

bool is_exact(const Structure& s, const Mask& mask) {
  return std::visit(PerFormat{[&](const BsrStructure& bsr) { return is_exact(bsr, mask); },
                              [](const auto&) { return true; }},
                    s);
}

void for_each_weight(const Structure& s, const WeightVisit& visit) {
  for_each_stored(s, visit);
}

namespace {
StoredCounts nm_stored(std::int64_t m, std::int64_t k, const NofM& format) {
  const std::int64_t panels = (m + kNmPanelRows - 1) / kNmPanelRows;
  const std::int64_t groups = panels * ((k + format.m - 1) / format.m);
  return {groups, groups * format.n * kNmPanelRows};
}
}  // namespace

std::vector<StoredCounts> count_stored(const Mask& mask, std::span<const Format> formats,
                                       bool by_column) {
  // Of N:M the sizes decide: its place stays. Then the same formats of the transpose.
  std::vector<Bsr> shapes;
  shapes.reserve(2 * formats.size());
  for (const Format& format : formats)
    shapes.push_back(std::holds_alternative<NofM>(format) ? Bsr{1, 1} : counted_as(format));
  for (std::size_t i = 0; by_column && i < formats.size(); ++i)
    shapes.push_back({1, shapes[i].r});
  const std::vector<std::int64_t> blocks = count_blocks(mask, shapes);
  const auto of_panels = [&](std::size_t i) -> StoredCounts {
    return {blocks[i], mask.nnz(), by_column ? blocks[formats.size() + i] : 0};
  };
  std::vector<StoredCounts> counts;
  counts.reserve(formats.size());
  for (std::size_t i = 0; i < formats.size(); ++i) {
    counts.push_back(
        std::visit(PerFormat{[&](const Bsr& bsr) -> StoredCounts {
                               return {blocks[i], blocks[i] * bsr.r * bsr.c, blocks[i]};
                             },
                             [&](const auto&) { return of_panels(i); },
                             [&](const NofM& nm) { return nm_stored(mask.m(), mask.k(), nm); }},
                   formats[i]));
  }
  return counts;
}

}  // namespace lacuna
