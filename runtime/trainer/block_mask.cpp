// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/block_mask.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/trainer/philox.h"

namespace lacuna::trainer {
namespace {

// A shuffled deck of block columns that is dealt card by card and shuffled anew when it runs out.
class Deck {
 public:
  Deck(std::int64_t cards, const RandomStream& stream)
      : stream_(stream), size_(static_cast<std::uint32_t>(cards)), next_(size_) {}

  // Deals the next card that `row` does not hold yet, and marks it there. The row must lack a card.
  void deal_into(std::uint8_t* row) {
    if (next_ == size_) {
      order_ = random_permutation(stream_, size_, std::uint64_t{shuffles_++} * size_);
      next_ = 0;
    }
    // A row that straddles two decks may already hold the card: take a later one, keep this for the next row.
    // A deck never runs out here: what the row holds from it has been dealt, the rest covers what is missing.
    std::uint32_t found = next_;
    while (row[order_[found]] != 0)
      ++found;
    std::swap(order_[next_], order_[found]);
    row[order_[next_++]] = 1;
  }

 private:
  RandomStream stream_;
  std::uint32_t size_;
  std::uint32_t next_;
  std::uint32_t shuffles_ = 0;
  std::vector<std::uint32_t> order_;
};

}  // namespace

std::int64_t BlockMask::row_nnz(std::int64_t row) const {
  std::int64_t count = 0;
  for_each_run(*this, row, [&](std::int64_t first, std::int64_t end) { count += end - first; });
  return count;
}

std::int64_t BlockMask::nnz() const {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < m; ++row)
    count += row_nnz(row);
  return count;
}

BlockMask make_balanced_block_mask(std::int64_t m, std::int64_t k, std::int32_t r, std::int32_t c,
                                   double density, const RandomStream& stream) {
  BlockMask mask{.m = m, .k = k, .r = r, .c = c, .flags = {}};
  const std::int64_t rows = mask.block_rows();
  const std::int64_t columns = mask.block_columns();
  mask.flags.assign(static_cast<std::size_t>(rows * columns), 0);
  const double per_row = std::max(1.0, density * static_cast<double>(columns));
  Deck deck(columns, stream);
  for (std::int64_t i = 0; i < rows; ++i) {
    // Differences of a rounded line: every row gets floor or ceil of per_row, the total is right.
    const auto count = std::llround(static_cast<double>(i + 1) * per_row) -
                       std::llround(static_cast<double>(i) * per_row);
    for (long long b = 0; b < std::min<long long>(count, columns); ++b)
      deck.deal_into(mask.flags.data() + i * columns);
  }
  return mask;
}

BlockMask make_full_mask(std::int64_t m, std::int64_t k) {
  BlockMask mask{.m = m,
                 .k = k,
                 .r = 1,
                 .c = static_cast<std::int32_t>(std::min<std::int64_t>(k, 64)),
                 .flags = {}};
  mask.flags.assign(static_cast<std::size_t>(mask.block_rows() * mask.block_columns()), 1);
  return mask;
}

}  // namespace lacuna::trainer
