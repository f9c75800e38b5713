// SPDX-License-Identifier: Apache-2.0
//
// add_block_columns() (structure.h) of jammed rows and baked panels: the transpose of the mask in the same format, and of
// each of its values the number that it has in A's own order.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/baked_structure.h"
#include "runtime/bsr_structure.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "runtime/nm_structure.h"
#include "runtime/structure.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {
namespace {

Result<Mask> transpose_of(const Mask& mask) {
  LACUNA_TRY(MaskBuilder builder, MaskBuilder::create(mask.k(), mask.m()));
  for (std::int64_t row = 0; row < mask.m(); ++row)
    for_each_in_row(mask, row, [&](std::int64_t col) { builder.insert(col, row); });
  return std::move(builder).finish();
}

// The weights of a mask, numbered row by row.
class WeightNumbers {
 public:
  explicit WeightNumbers(const Mask& mask) : mask_(&mask) {
    std::int32_t before = 0;
    for (std::int64_t row = 0; row < mask.m(); ++row)
      for (const std::uint64_t word : mask.row_words(row)) {
        before_word_.push_back(before);
        before += std::popcount(word);
      }
  }
  [[nodiscard]] std::size_t of(std::int64_t row, std::int64_t col) const {
    const auto word = static_cast<std::size_t>(row * mask_->words_per_row() + col / 64);
    const std::uint64_t bits = mask_->row_words(row)[static_cast<std::size_t>(col / 64)];
    const std::uint64_t below = bits & ((std::uint64_t{1} << (col % 64)) - 1);
    return static_cast<std::size_t>(before_word_[word] + std::popcount(below));
  }

 private:
  const Mask* mask_;
  std::vector<std::int32_t> before_word_;
};

// For each value of `transposed`, in its order, the number of the same weight in `structure`.
template <class S>
std::vector<std::int32_t> numbers_of(const Mask& mask, const S& structure, const S& transposed) {
  const WeightNumbers number(mask);
  const auto weights = static_cast<std::size_t>(mask.nnz());
  std::vector<std::int32_t> stored_at(weights);
  for_each_weight(structure, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
    stored_at[number.of(row, col)] = static_cast<std::int32_t>(index);
  });
  std::vector<std::int32_t> numbers(weights);
  for_each_weight(transposed, [&](std::int64_t col, std::int64_t row, std::int64_t index) {
    numbers[static_cast<std::size_t>(index)] = stored_at[number.of(row, col)];
  });
  return numbers;
}

Result<> add_columns(const Mask& /*mask*/, BsrStructure& /*s*/) {
  return {};  // has them
}

Result<> add_columns(const Mask& /*mask*/, NmStructure& /*s*/) {
  return {};  // needs none
}

Result<> add_columns(const Mask& mask, JamStructure& s) {
  if (s.k > 0 && s.k < s.format.r)
    return make_error(ErrorCode::kInvalidArgument,
                      "panels of {} columns in a matrix of {}: take the scatter strategy for "
                      "spmm_transposed of {}",
                      s.format.r, s.k, to_text(Format{s.format}));
  LACUNA_TRY(const Mask transpose, transpose_of(mask));
  LACUNA_TRY(JamStructure transposed, make_jam_structure(transpose, s.format));
  transposed.by_row.block = numbers_of(mask, s, transposed);
  s.by_column = std::move(transposed.by_row);
  return {};
}

Result<> add_columns(const Mask& mask, BakedStructure& s) {
  LACUNA_TRY(const Mask transpose, transpose_of(mask));
  LACUNA_TRY(BakedStructure transposed, make_baked_structure(transpose, s.format));
  transposed.by_row.block = numbers_of(mask, s, transposed);
  s.by_column = std::move(transposed.by_row);
  s.columns = std::move(transposed.rows);
  return {};
}

}  // namespace

Result<> add_block_columns(const Mask& mask, Structure& s) {
  return std::visit([&](auto& one) { return add_columns(mask, one); }, s);
}

}  // namespace lacuna
