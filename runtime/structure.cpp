// SPDX-License-Identifier: Apache-2.0
#include "runtime/structure.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "runtime/bsr_structure.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

// The blocks that a format's columns or blocks are counted as.
Bsr counted_as(const Format& format) {
  return std::visit(
      PerFormat{[](const Bsr& bsr) { return bsr; }, [](const Jam& jam) { return Bsr{jam.r, 1}; }},
      format);
}

}  // namespace

Result<Structure> make_structure(const Mask& mask, const Format& format) {
  if (const auto* const jam = std::get_if<Jam>(&format)) {
    LACUNA_TRY(JamStructure made, make_jam_structure(mask, *jam));
    return made;
  }
  LACUNA_TRY(BsrStructure made, make_bsr_structure(mask, std::get<Bsr>(format)));
  return made;
}

Format format_of(const Structure& s) {
  return std::visit([](const auto& one) -> Format { return one.format; }, s);
}

std::int64_t values_count(const Structure& s) {
  return std::visit([](const auto& one) { return one.values_count(); }, s);
}

const PanelIndex& panel_index(const Structure& s, PanelDirection direction) {
  const auto* const bsr = std::get_if<BsrStructure>(&s);
  if (bsr == nullptr) return std::get<JamStructure>(s).by_row;
  return direction == PanelDirection::kBlockRows ? bsr->by_row : bsr->by_column;
}

void pack_values(const Structure& s, const float* dense, std::int64_t lda, float* values) {
  std::visit(PerFormat{[&](const BsrStructure& bsr) { pack_values(bsr, dense, lda, values); },
                       [&](const JamStructure& jam) {
                         for_each_weight(
                             jam, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
                               values[index] = dense[row * lda + col];
                             });
                       }},
             s);
}

void unpack_values(const Structure& s, const float* values, float* dense, std::int64_t lda) {
  std::visit(PerFormat{[&](const BsrStructure& bsr) { unpack_values(bsr, values, dense, lda); },
                       [&](const JamStructure& jam) {
                         for (std::int64_t i = 0; i < jam.m; ++i)
                           std::fill_n(dense + i * lda, jam.k, 0.0F);
                         for_each_weight(
                             jam, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
                               dense[row * lda + col] = values[index];
                             });
                       }},
             s);
}

void clear_unowned(const Structure& s, float* values) {
  if (const auto* const bsr = std::get_if<BsrStructure>(&s)) clear_edge_overlap(*bsr, values);
}

bool is_exact(const Structure& s, const Mask& mask) {
  const auto* const bsr = std::get_if<BsrStructure>(&s);
  return bsr == nullptr || is_exact(*bsr, mask);
}

void for_each_weight(const Structure& s, const WeightVisit& visit) {
  std::visit([&](const auto& one) { for_each_weight(one, visit); }, s);
}

std::vector<StoredCounts> count_stored(const Mask& mask, std::span<const Format> formats) {
  std::vector<Bsr> shapes;
  shapes.reserve(formats.size());
  for (const Format& format : formats)
    shapes.push_back(counted_as(format));
  const std::vector<std::int64_t> blocks = count_blocks(mask, shapes);
  std::vector<StoredCounts> counts;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    const bool exact = std::holds_alternative<Jam>(formats[i]);
    counts.push_back({blocks[i], exact ? mask.nnz() : blocks[i] * shapes[i].r * shapes[i].c});
  }
  return counts;
}

}  // namespace lacuna
