// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/transpose.h"

#include <array>
#include <cstddef>
#include <vector>

namespace lacuna {

using llvm::Value;

namespace {

// Ends the basic block. LLVM combines shuffles only inside a block; across the rounds of a transpose it
// finds nothing and takes 10 ms for a 16 x 16 one (1 ms with the rounds apart).
void end_block(KernelBuilder& kb) {
  auto& ir = kb.ir();
  auto* const next =
      llvm::BasicBlock::Create(ir.getContext(), "round", ir.GetInsertBlock()->getParent());
  ir.CreateBr(next);
  ir.SetInsertPoint(next);
}

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

// One round: for each j, pairs of vectors of neighbouring row groups become their even and their odd quads. After
// log2(quads) rounds vector 4q + j holds quad q of all row groups, in order.
Values exchange_quads(KernelBuilder& kb, const Values& in) {
  const std::size_t groups = in.size() / 4;
  Values out(in.size());
  for (std::size_t j = 0; j < 4; ++j)
    for (std::size_t g = 0; g < groups; g += 2) {
      Value* const a = in[4 * g + j];
      Value* const b = in[4 * (g + 1) + j];
      out[4 * (g / 2) + j] = alternate_quads(kb, a, b, 0);
      out[4 * (g / 2 + groups / 2) + j] = alternate_quads(kb, a, b, 1);
    }
  return out;
}

// In every quad, transposes the 4 x 4 that vectors 4q .. 4q + 3 hold there.
Values transpose_in_quads(KernelBuilder& kb, const Values& in) {
  Values out;
  for (std::size_t q = 0; q < in.size(); q += 4) {
    Value* const low01 = shuffle_in_quads(kb, in[q], in[q + 1], {0, 4, 1, 5});
    Value* const high01 = shuffle_in_quads(kb, in[q], in[q + 1], {2, 6, 3, 7});
    Value* const low23 = shuffle_in_quads(kb, in[q + 2], in[q + 3], {0, 4, 1, 5});
    Value* const high23 = shuffle_in_quads(kb, in[q + 2], in[q + 3], {2, 6, 3, 7});
    out.push_back(shuffle_in_quads(kb, low01, low23, {0, 1, 4, 5}));
    out.push_back(shuffle_in_quads(kb, low01, low23, {2, 3, 6, 7}));
    out.push_back(shuffle_in_quads(kb, high01, high23, {0, 1, 4, 5}));
    out.push_back(shuffle_in_quads(kb, high01, high23, {2, 3, 6, 7}));
  }
  return out;
}

}  // namespace

Values load_transposed(KernelBuilder& kb, const Values& rows) {
  auto& ir = kb.ir();
  auto* const quad = llvm::FixedVectorType::get(ir.getFloatTy(), 4);
  const std::size_t quads = rows.size() / 4;
  Values gathered;  // 4q + j: quad q of rows j, j + 4, j + 8, ...
  for (std::size_t q = 0; q < quads; ++q)
    for (std::size_t j = 0; j < 4; ++j) {
      Value* vector = llvm::PoisonValue::get(kb.zero()->getType());
      for (std::size_t group = 0; group < quads; ++group) {
        Value* const from = kb.at(rows[4 * group + j], static_cast<std::int64_t>(16 * q));
        vector = ir.CreateInsertVector(vector->getType(), vector,
                                       ir.CreateAlignedLoad(quad, from, llvm::Align(4)),
                                       kb.i64(static_cast<std::int64_t>(4 * group)));
      }
      gathered.push_back(vector);
    }
  end_block(kb);
  Values columns = transpose_in_quads(kb, gathered);
  end_block(kb);
  return columns;
}

Values transpose(KernelBuilder& kb, const Values& rows) {
  const std::size_t n = rows.size();
  // Rows 4g + 2h and 4g + 2h + 1 interleaved: low halves at 4g + 2h, high halves after them.
  Values pairs(n);
  // 4g + j: quad q holds column 4q + j of rows 4g .. 4g + 3.
  Values by_column(n);
  end_block(kb);
  for (std::size_t i = 0; i < n; i += 2) {
    pairs[i] = shuffle_in_quads(kb, rows[i], rows[i + 1], {0, 4, 1, 5});
    pairs[i + 1] = shuffle_in_quads(kb, rows[i], rows[i + 1], {2, 6, 3, 7});
  }
  end_block(kb);
  for (std::size_t g = 0; g < n; g += 4)
    for (std::size_t half = 0; half < 2; ++half) {
      by_column[g + 2 * half] =
          shuffle_in_quads(kb, pairs[g + half], pairs[g + 2 + half], {0, 1, 4, 5});
      by_column[g + 2 * half + 1] =
          shuffle_in_quads(kb, pairs[g + half], pairs[g + 2 + half], {2, 3, 6, 7});
    }
  // Now a transpose of whole quads: one round for 8 lanes, two for 16.
  for (std::size_t width = n / 4; width > 1; width /= 2) {
    end_block(kb);
    by_column = exchange_quads(kb, by_column);
  }
  end_block(kb);
  return by_column;
}

}  // namespace lacuna
