// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/tile_loops.h"

namespace lacuna {

using llvm::Value;

void for_each_column_tile(KernelBuilder& kb, const std::function<void(const ColumnTile&)>& body) {
  const int nv = kb.spec().schedule.nv;
  const std::int64_t width = static_cast<std::int64_t>(nv) * kb.lanes();
  Value* const n_begin = kb.args().n_begin;
  Value* const n_end = kb.args().n_end;
  // [n_begin, whole_end) is a multiple of the tile's width.
  Value* const count = kb.ir().CreateSDiv(kb.sub(n_end, n_begin), kb.i64(width));
  Value* const whole_end = kb.add(n_begin, kb.mul(count, kb.i64(width)));
  kb.loop(n_begin, whole_end, width, {}, KernelBuilder::Trip::kMayBeZero,
          [&](Value* n0, const Values&) -> Values {
            body({n0, nv, nullptr});
            return {};
          });
  Value* const rest = kb.sub(n_end, whole_end);
  for (int vectors = 1; vectors <= nv; ++vectors) {
    const std::int64_t below = static_cast<std::int64_t>(vectors - 1) * kb.lanes();
    Value* const more = kb.ir().CreateICmpSGT(rest, kb.i64(below));
    Value* const fits = kb.ir().CreateICmpSLE(rest, kb.i64(below + kb.lanes()));
    kb.if_then(kb.ir().CreateAnd(more, fits),
               [&] { body({whole_end, vectors, kb.mask_below(kb.sub(rest, kb.i64(below)))}); });
  }
}

void for_each_panel(KernelBuilder& kb, const std::function<void(Value* panel)>& body) {
  kb.loop(kb.args().panel_begin, kb.args().panel_end, 1, {}, KernelBuilder::Trip::kMayBeZero,
          [&](Value* panel, const Values&) -> Values {
            body(panel);
            return {};
          });
}

PanelRows panel_rows(KernelBuilder& kb, Value* panel, int height) {
  Value* const nominal = kb.mul(panel, kb.i64(height));
  Value* const first = kb.min(nominal, kb.sub(kb.args().rows_out, kb.i64(height)));
  return {first, kb.sub(nominal, first)};
}

BlockShape block_shape(const KernelSpec& spec) {
  const Bsr& bsr = std::get<Bsr>(spec.format);
  const std::int64_t column_bytes = bsr.r * 4LL;
  const std::int64_t block_bytes = column_bytes * bsr.c;
  if (spec.op == Op::kSpmmTransposed) return {bsr.c, bsr.r, column_bytes, 4, block_bytes};
  return {bsr.r, bsr.c, 4, column_bytes, block_bytes};
}

}  // namespace lacuna
