// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/panel_values.h"

#include <cstdint>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/transpose.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// Column-major r x c at `from` to row-major at `to`, in squares of lanes.
void transpose_squares(KernelBuilder& kb, const Bsr& bsr, Value* from, Value* to) {
  const int lanes = kb.lanes();
  for_each_step(kb, kb.i64(0), kb.i64(bsr.c), lanes, [&](Value* j) {
    for_each_step(kb, kb.i64(0), kb.i64(bsr.r), lanes, [&](Value* i) {
      const auto offset = [&](Value* line, int length, Value* element) {
        return kb.mul(kb.add(kb.mul(line, kb.i64(length)), element), kb.i64(4));
      };
      Value* const source = kb.at(from, offset(j, bsr.r, i));
      Values columns;
      for (std::int64_t t = 0; t < lanes; ++t)
        columns.push_back(kb.at(source, t * bsr.r * 4));
      Value* row = kb.at(to, offset(i, bsr.c, j));
      for (int quad = 0; quad < lanes / 4; ++quad)
        for (Value* const out : load_four_columns(kb, columns, quad * 16LL)) {
          kb.store(row, out);
          row = kb.at(row, bsr.c * 4LL);
        }
    });
  });
}

// Pairs along the columns of A to pairs along its rows: of every 2 x 2 elements the second and third change places, and
// the 8 bytes go from [c/2][r/2] to [r/2][c/2].
void transpose_pairs(KernelBuilder& kb, const Bsr& bsr, Value* from, Value* to) {
  auto& ir = kb.ir();
  auto* const square = llvm::FixedVectorType::get(ir.getInt16Ty(), 4);
  const std::vector<int> swapped{0, 2, 1, 3};
  const std::int64_t rows = bsr.r / 2, columns = bsr.c / 2;
  kb.loop(kb.i64(0), kb.i64(columns), 1, {from, to}, Trip::kAtLeastOne,
          [&](Value*, const Values& column) -> Values {
            const Values end = kb.loop(
                kb.i64(0), kb.i64(rows), 1, column, Trip::kAtLeastOne,
                [&](Value*, const Values& p) -> Values {
                  Value* const in = ir.CreateAlignedLoad(square, p[0], llvm::Align(1));
                  ir.CreateAlignedStore(ir.CreateShuffleVector(in, swapped), p[1], llvm::Align(1));
                  return {kb.at(p[0], 8), kb.at(p[1], columns * 8)};
                });
            return {end[0], kb.at(column[1], 8)};
          });
}

}  // namespace

// The sum of 128 times each weight is one more product: of the weights with bytes of 128.
void store_starts(KernelBuilder& kb, Value* begin, Value* end, Value* starts) {
  const std::int64_t r = std::get<Bsr>(kb.spec().format).r;
  const BlockShape shape = block_shape(kb.spec());
  Value* const groups = kb.mul(kb.sub(end, begin), kb.i64(shape.depth));
  for (std::int64_t row = 0; row < r; row += kb.lanes()) {
    Value* const mask = r - row < kb.lanes() ? kb.mask_below(kb.i64(r - row)) : nullptr;
    Value* const first = kb.at(kb.args().values, kb.mul(begin, kb.i64(shape.block_bytes)));
    const Values sums =
        kb.loop(kb.i64(0), groups, 1, {kb.at(first, row * 4), kb.zero()}, Trip::kMayBeZero,
                [&](Value*, const Values& in) -> Values {
                  Value* const weights = kb.load(in[0], mask);
                  return {kb.at(in[0], shape.depth_bytes), kb.add_shifts(weights, in[1])};
                });
    kb.store(kb.at(starts, row * 4), kb.negated_integers(sums[1]), mask);
  }
}

PanelValues gather_values(KernelBuilder& kb, Value* begin, Value* end, Value* staged) {
  const auto& a = kb.args();
  Value* const first = kb.load_i64(a.first_value, begin);
  Value* const count = kb.sub(kb.load_i64(a.first_value, end), first);
  Value* const numbers = kb.at(a.block, kb.mul(first, kb.i64(4)));
  const auto gather = [&](Value* i, Value* mask) {
    Value* const at = kb.mul(i, kb.i64(4));
    kb.store(kb.at(staged, at), kb.gather(a.values, kb.at(numbers, at), mask), mask);
  };
  Value* const whole = kb.ir().CreateAnd(count, kb.i64(-std::int64_t{kb.lanes()}));
  for_each_step(kb, kb.i64(0), whole, kb.lanes(), [&](Value* i) { gather(i, nullptr); });
  kb.if_then(kb.ir().CreateICmpSLT(whole, count),
             [&] { gather(whole, kb.mask_below(kb.sub(count, whole))); });
  return {staged, first};
}

PanelValues stage_values(KernelBuilder& kb, Value* begin, Value* end, Value* staged) {
  const Bsr& bsr = std::get<Bsr>(kb.spec().format);
  Value* const block_bytes = kb.i64(block_shape(kb.spec()).block_bytes);
  kb.loop(begin, end, 1, {staged}, Trip::kMayBeZero, [&](Value* entry, const Values& p) -> Values {
    Value* const number = kb.load_i32(kb.args().block, entry);
    Value* const from = kb.at(kb.args().values, kb.mul(number, block_bytes));
    if (bsr.group == 1)
      transpose_squares(kb, bsr, from, p[0]);
    else
      transpose_pairs(kb, bsr, from, p[0]);
    return {kb.at(p[0], block_bytes)};
  });
  return {staged, begin};
}

}  // namespace lacuna
