// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/lane_sums.h"

#include <cstddef>
#include <vector>

namespace lacuna {

using llvm::Value;

namespace {

using Lanes = std::vector<int>;

constexpr int kQuad = 4;  // lanes of 128 bits

// a[low] + a[high], where lanes from `lanes` on are b's.
Value* add_shuffled(KernelBuilder& kb, Value* a, Value* b, const Lanes& low, const Lanes& high) {
  return kb.fadd(kb.ir().CreateShuffleVector(a, b, low), kb.ir().CreateShuffleVector(a, b, high));
}

// Within quads: of a and b (a0+a2, b0+b2, a1+a3, b1+b3), or with `in_pairs` (a0+a2, a1+a3, b0+b2, b1+b3).
Value* add_in_quads(KernelBuilder& kb, Value* a, Value* b, bool in_pairs) {
  const int lanes = kb.lanes();
  Lanes low, high;
  for (int quad = 0; quad < lanes; quad += kQuad)
    for (int i = 0; i < kQuad; ++i) {
      const int from = in_pairs ? i % 2 + i / 2 * lanes : i / 2 + i % 2 * lanes;
      low.push_back(quad + from);
      high.push_back(quad + from + 2);
    }
  return add_shuffled(kb, a, b, low, high);
}

// Stretches of `length` lanes to half as many: those of a, then those of b (null: a's only, in a shorter vector).
Value* add_halves(KernelBuilder& kb, Value* a, Value* b, int width, int length) {
  Lanes low, high;
  for (const int first : {0, width}) {
    if (first > 0 && b == nullptr) break;
    for (int stretch = first; stretch < first + width; stretch += length)
      for (int i = 0; i < length / 2; ++i) {
        low.push_back(stretch + i);
        high.push_back(stretch + i + length / 2);
      }
  }
  return add_shuffled(kb, a, b != nullptr ? b : a, low, high);
}

// Neighbours to one each; a last one without a partner is its own.
template <class Add>
Values pairwise(const Values& vectors, const Add& add) {
  Values sums;
  for (std::size_t i = 0; i < vectors.size(); i += 2)
    sums.push_back(add(vectors[i], vectors[i + 1 < vectors.size() ? i + 1 : i]));
  return sums;
}

}  // namespace

Value* add_lanes(KernelBuilder& kb, Values vectors) {
  for (const bool in_pairs : {false, true})
    vectors =
        pairwise(vectors, [&](Value* a, Value* b) { return add_in_quads(kb, a, b, in_pairs); });
  int width = kb.lanes();
  for (int length = width; length > kQuad; length /= 2) {
    if (vectors.size() == 1) {
      vectors[0] = add_halves(kb, vectors[0], nullptr, width, length);
      width /= 2;
    } else {
      vectors = pairwise(vectors,
                         [&](Value* a, Value* b) { return add_halves(kb, a, b, width, length); });
    }
  }
  return vectors[0];
}

}  // namespace lacuna
