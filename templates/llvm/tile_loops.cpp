// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/tile_loops.h"

#include <cstdint>
#include <functional>
#include <vector>

#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

// How many tiles of nv vectors to take of `vectors`: all that fit, or one less if that avoids a single vector.
Value* whole_tiles(KernelBuilder& kb, Value* vectors, int nv) {
  Value* const tiles = kb.ir().CreateSDiv(vectors, kb.i64(nv));
  if (nv != 3) return tiles;
  Value* const one_left =
      kb.ir().CreateICmpEQ(kb.sub(vectors, kb.mul(tiles, kb.i64(nv))), kb.i64(1));
  Value* const any = kb.ir().CreateICmpSGT(tiles, kb.i64(0));
  return kb.sub(tiles, kb.ir().CreateZExt(kb.ir().CreateAnd(one_left, any), kb.ir().getInt64Ty()));
}

}  // namespace

Value* end_of_tile(KernelBuilder& kb, const ColumnTile& tile) {
  Value* const end = kb.add(tile.n0, kb.i64(std::int64_t{tile.vectors} * kb.lanes()));
  return tile.mask == nullptr ? end : kb.min(end, kb.args().n_end);
}

void for_each_column_tile(KernelBuilder& kb, Value* begin, Value* end, const TileBody& body) {
  const int nv = kb.spec().schedule.nv;
  std::vector<int> widths{nv};
  if (nv >= 3) widths.push_back(nv == 3 ? 2 : nv / 2);
  for (const int vectors : widths) {
    const std::int64_t width = static_cast<std::int64_t>(vectors) * kb.lanes();
    Value* const left = kb.ir().CreateSDiv(kb.sub(end, begin), kb.i64(kb.lanes()));
    Value* const tile_end = kb.add(begin, kb.mul(whole_tiles(kb, left, vectors), kb.i64(width)));
    for_each_step(kb, begin, tile_end, width, [&](Value* n0) { body({n0, vectors, nullptr}); });
    begin = tile_end;
  }
  for_each_step(kb, begin, end, kb.lanes(),
                [&](Value* n0) { body({n0, 1, kb.mask_below(kb.sub(end, n0))}); });
}

void for_each_step(KernelBuilder& kb, Value* begin, Value* end, std::int64_t step,
                   const std::function<void(Value* i)>& body) {
  kb.loop(begin, end, step, {}, KernelBuilder::Trip::kMayBeZero,
          [&](Value* i, const Values&) -> Values {
            body(i);
            return {};
          });
}

void for_each_panel(KernelBuilder& kb, const std::function<void(Value* panel)>& body) {
  for_each_step(kb, kb.args().panel_begin, kb.args().panel_end, 1, body);
}

void for_each_half(KernelBuilder& kb, const std::function<void(const HalfOfA&)>& body) {
  if (!kb.spec().epilogue.glu) {
    body({});
    return;
  }
  Value* const height = kb.i64(block_shape(kb.spec()).height);
  Value* const panels = kb.ir().CreateSDiv(kb.args().rows_out, height);
  for_each_step(kb, kb.i64(0), kb.i64(2), 1,
                [&](Value* number) { body({number, kb.mul(number, panels)}); });
}

PanelRows panel_rows(KernelBuilder& kb, Value* panel, int height) {
  Value* const nominal = kb.mul(panel, kb.i64(height));
  Value* const first = kb.min(nominal, kb.sub(kb.args().rows_out, kb.i64(height)));
  return {first, kb.sub(nominal, first)};
}

BlockShape block_shape(const KernelSpec& spec) {
  if (const auto* const jam = std::get_if<Jam>(&spec.format))
    return {.height = jam->r, .depth = 1};  // its values are not blocks: see jam_panel.h
  if (const auto* const baked = std::get_if<Baked>(&spec.format))
    return {.height = baked->r, .depth = 1};
  const Bsr& bsr = std::get<Bsr>(spec.format);
  const std::int64_t lane_bytes = stored_lane_bytes(spec);
  const std::int64_t column_bytes = bsr.r * lane_bytes;
  const std::int64_t block_bytes = column_bytes * (bsr.c / bsr.group);
  if (spec.op != Op::kSpmmTransposed)
    return {bsr.r, bsr.c / bsr.group, lane_bytes, column_bytes, block_bytes};
  if (stages_values(spec) && !widens(spec))
    return {bsr.c, bsr.r / bsr.group, 4, bsr.c * 4LL, block_bytes};
  return {bsr.c, bsr.r, column_bytes, lane_bytes, block_bytes};
}

}  // namespace lacuna
