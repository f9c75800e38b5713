// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/transpose.h"

#include <array>

namespace lacuna {

using llvm::Value;

namespace {

// Takes, in each group of four lanes, elements pick[0..3] (0-3 from a, 4-7 from b).
Value* shuffle_in_quads(KernelBuilder& kb, Value* a, Value* b, std::array<int, 4> pick) {
  std::vector<int> mask;
  for (int quad = 0; quad < kb.lanes(); quad += 4)
    for (const int p : pick)
      mask.push_back(p < 4 ? quad + p : kb.lanes() + quad + p - 4);
  return kb.ir().CreateShuffleVector(a, b, mask);
}

// Every second quad of a, then every second quad of b, beginning with quad `first`.
Value* alternate_quads(KernelBuilder& kb, Value* a, Value* b, int first) {
  std::vector<int> mask;
  for (const int base : {0, kb.lanes()})
    for (int quad = first; quad < kb.lanes() / 4; quad += 2)
      for (int i = 0; i < 4; ++i)
        mask.push_back(base + quad * 4 + i);
  return kb.ir().CreateShuffleVector(a, b, mask);
}

}  // namespace

Values transpose(KernelBuilder& kb, const Values& rows) {
  const auto n = rows.size();
  const std::size_t quads = n / 4;
  // by_column[j][g]: quad q holds column 4q + j of rows 4g .. 4g+3.
  std::array<Values, 4> by_column;
  for (std::size_t g = 0; g < quads; ++g) {
    Value* const* r = &rows[4 * g];
    Value* const low01 = shuffle_in_quads(kb, r[0], r[1], {0, 4, 1, 5});
    Value* const high01 = shuffle_in_quads(kb, r[0], r[1], {2, 6, 3, 7});
    Value* const low23 = shuffle_in_quads(kb, r[2], r[3], {0, 4, 1, 5});
    Value* const high23 = shuffle_in_quads(kb, r[2], r[3], {2, 6, 3, 7});
    by_column[0].push_back(shuffle_in_quads(kb, low01, low23, {0, 1, 4, 5}));
    by_column[1].push_back(shuffle_in_quads(kb, low01, low23, {2, 3, 6, 7}));
    by_column[2].push_back(shuffle_in_quads(kb, high01, high23, {0, 1, 4, 5}));
    by_column[3].push_back(shuffle_in_quads(kb, high01, high23, {2, 3, 6, 7}));
  }
  Values result(n);
  for (std::size_t j = 0; j < 4; ++j) {
    const Values& u = by_column[j];
    if (quads == 2) {
      for (int q = 0; q < 2; ++q)
        result[4 * static_cast<std::size_t>(q) + j] = alternate_quads(kb, u[0], u[1], q);
      continue;
    }
    for (int parity = 0; parity < 2; ++parity) {
      Value* const x =
          alternate_quads(kb, u[0], u[1], parity);  // quads parity, parity+2 of u0, then of u1
      Value* const y = alternate_quads(kb, u[2], u[3], parity);
      for (int half = 0; half < 2; ++half)
        result[4 * static_cast<std::size_t>(parity + 2 * half) + j] =
            alternate_quads(kb, x, y, half);
    }
  }
  return result;
}

}  // namespace lacuna
