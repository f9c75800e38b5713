// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/transpose.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lacuna {

using llvm::Value;

namespace {

// Ends the basic block. LLVM combines shuffles only inside a block; across the steps of a transpose it finds nothing
// and takes 10 ms for a 16 x 16 one (1 ms with the steps apart).
void end_block(KernelBuilder& kb) {
  auto& ir = kb.ir();
  auto* const next =
      llvm::BasicBlock::Create(ir.getContext(), "transpose", ir.GetInsertBlock()->getParent());
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

// In every quad, transposes the 4 x 4 that the four vectors hold there.
Values transpose_in_quads(KernelBuilder& kb, const Values& in) {
  Value* const low01 = shuffle_in_quads(kb, in[0], in[1], {0, 4, 1, 5});
  Value* const high01 = shuffle_in_quads(kb, in[0], in[1], {2, 6, 3, 7});
  Value* const low23 = shuffle_in_quads(kb, in[2], in[3], {0, 4, 1, 5});
  Value* const high23 = shuffle_in_quads(kb, in[2], in[3], {2, 6, 3, 7});
  return {shuffle_in_quads(kb, low01, low23, {0, 1, 4, 5}),
          shuffle_in_quads(kb, low01, low23, {2, 3, 6, 7}),
          shuffle_in_quads(kb, high01, high23, {0, 1, 4, 5}),
          shuffle_in_quads(kb, high01, high23, {2, 3, 6, 7})};
}

}  // namespace

Values load_four_columns(KernelBuilder& kb, const Values& rows, std::int64_t offset) {
  auto& ir = kb.ir();
  auto* const quad = llvm::FixedVectorType::get(ir.getFloatTy(), 4);
  Values gathered;  // vector j: a quad each of rows j, j + 4, j + 8, ...
  for (std::size_t j = 0; j < 4; ++j) {
    Value* vector = llvm::PoisonValue::get(kb.zero()->getType());
    for (std::size_t row = j; row < rows.size(); row += 4) {
      Value* const piece = ir.CreateAlignedLoad(quad, kb.at(rows[row], offset), llvm::Align(1));
      vector = ir.CreateInsertVector(vector->getType(), vector, piece,
                                     kb.i64(static_cast<std::int64_t>(row - j)));
    }
    gathered.push_back(vector);
  }
  end_block(kb);
  Values columns = transpose_in_quads(kb, gathered);
  end_block(kb);
  return columns;
}

}  // namespace lacuna
