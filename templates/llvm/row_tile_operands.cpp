// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/row_tile_operands.h"

#include <cstdint>
#include <functional>

namespace lacuna {

using llvm::Value;

Value* is_last(KernelBuilder& kb, const Chunk& chunk) {
  return kb.ir().CreateICmpEQ(kb.add(chunk.number, kb.i64(1)), chunk.count);
}

void when_finished(KernelBuilder& kb, const Chunk& chunk, const std::function<void()>& finish) {
  if (chunk.number == nullptr)
    finish();
  else
    kb.if_then(is_last(kb, chunk), finish);
}

TileOperands in_half(KernelBuilder& kb, const TileOperands& in, const HalfOfA& half,
                     Value* half_bytes) {
  TileOperands out = in;
  out.half = half;
  if (half.number != nullptr) out.c.base = kb.at(in.c.base, kb.mul(half.number, half_bytes));
  return out;
}

Value* panel_of_a(KernelBuilder& kb, Value* panel, const TileOperands& in) {
  return in.half.number == nullptr ? panel : kb.add(panel, in.half.panels_before);
}

SumsOfTile sums_of_tile(KernelBuilder& kb, const Chunk& chunk, const Stretch& stretch,
                        const ColumnTile& tile) {
  const auto& a = kb.args();
  const std::int64_t width = kb.spec().schedule.nv * static_cast<std::int64_t>(kb.lanes());
  const std::int64_t height = block_shape(kb.spec()).height;
  Value* const up = kb.add(kb.sub(a.n_end, a.n_begin), kb.i64(width - 1));
  Value* const stretches = kb.ir().CreateSDiv(up, kb.i64(width));
  Value* const panel_bytes = kb.mul(stretches, kb.i64(height * width * 4));
  Value* const before = kb.mul(kb.sub(stretch.n0, a.n_begin), kb.i64(height * 4));
  Value* const in_stretch = kb.mul(kb.sub(tile.n0, stretch.n0), kb.i64(4));
  Value* const first = kb.mul(a.panel_begin, panel_bytes);
  return {kb.at(chunk.sums, kb.sub(kb.add(before, in_stretch), first)), panel_bytes};
}

TileOperands with_sums(KernelBuilder& kb, Value* panel, const SumsOfTile& sums, TileOperands in) {
  if (in.chunk.number != nullptr)
    in.sums = kb.at(sums.base, kb.mul(panel_of_a(kb, panel, in), sums.panel_bytes));
  return in;
}

}  // namespace lacuna
