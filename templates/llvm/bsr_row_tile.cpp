// SPDX-License-Identifier: Apache-2.0
//
// spmm and spmm_transposed with vectors along n: each vector of a row of B is loaded once and meets mr broadcast
// values of A. For blocks at least 4 high this is bound by the FMA units on every x86 measured (one 64-byte load
// feeds mr FMAs).
//
// With packing (always when B or C is column-major, or elements are narrow) a tile of B is first copied, transposed
// where needed, into scratch [rows_in/group][nv*lanes], and a column-major C is collected in scratch, a group of panels
// at a time, and transposed out from there. With loop order po all of B is packed first, so that A streams once; with kc
// a chunk of its rows, and sums stay in scratch until the last chunk.
// spmm_transposed of jammed rows and of baked panels walks the panels of A's transpose, whose values are gathered from
// where the forward's order has them, once a call.
// bf16 of group 1 is widened to f32 on that way; the values of a group of panels are, once for each tile of columns, or
// with loop order po once for all.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "templates/llvm/baked_panel.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/dense_tile.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/jam_panel.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/row_tile_operands.h"
#include "templates/llvm/row_tile_panel.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/widen.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;

namespace {

std::int64_t tile_row_bytes(const KernelBuilder& kb) {
  return kb.spec().schedule.nv * kb.vector_bytes();
}

// Calls visit(address) for each vector of the rows' sums of earlier chunks, row by row.
void for_each_sum(KernelBuilder& kb, const TileOperands& in, const RowRange& rows,
                  const std::function<void(Value* address)>& visit) {
  Value* row = kb.at(in.sums, kb.mul(rows.sub, kb.i64(tile_row_bytes(kb))));
  for (int i = 0; i < rows.count; ++i) {
    for (int v = 0; v < in.tile.vectors; ++v)
      visit(kb.at(row, v * kb.vector_bytes()));
    row = kb.at(row, tile_row_bytes(kb));
  }
}

// What the sums of some rows start from.
Values first_sums(KernelBuilder& kb, const TileOperands& in, const RowRange& rows) {
  Values sums;
  if (in.chunk.number != nullptr) {
    // In the first chunk nothing is there yet: a mask without lanes loads zeros, and needs no branch.
    Value* const not_first = kb.mask_below(kb.mul(in.chunk.number, kb.i64(kb.lanes())));
    for_each_sum(kb, in, rows,
                 [&](Value* address) { sums.push_back(kb.load(address, not_first)); });
    return sums;
  }
  for (int i = 0; i < rows.count; ++i) {
    Value* start = kb.zero();
    if (shifts_dense(kb.spec()))
      start = kb.broadcast(kb.at(staged_base(kb), kb.mul(kb.add(rows.sub, kb.i64(i)), kb.i64(4))));
    sums.insert(sums.end(), static_cast<std::size_t>(in.tile.vectors), start);
  }
  return sums;
}

// Sums of rows [rows.first, rows.first + count), row `sub` of the panel being the first, to C, or in all chunks but the
// last to where the next one finds them.
void store_sums(KernelBuilder& kb, const Values& acc, const TileOperands& in, const PanelRows& rows,
                const RowRange& of_panel) {
  const auto finish = [&] { store_rows(kb, acc, in.tile, in.c, rows, of_panel.count); };
  if (in.chunk.number == nullptr) {
    finish();
    return;
  }
  Value* const last = is_last(kb, in.chunk);
  kb.if_then(kb.ir().CreateNot(last), [&] {
    std::size_t i = 0;
    for_each_sum(kb, in, of_panel, [&](Value* address) { kb.store(address, acc[i++]); });
  });
  kb.if_then(last, finish);
}

void compute_panel(KernelBuilder& kb, Value* panel, const TileOperands& in) {
  if (std::holds_alternative<Baked>(kb.spec().format)) {
    call_baked_panel(kb, panel, in.staged, in.tile, in.b, in.c);
    return;
  }
  const int height = block_shape(kb.spec()).height;
  const int mr = std::min(kb.spec().schedule.mr, height);
  const PanelRows rows = panel_rows(kb, panel, height);
  panel = panel_of_a(kb, panel, in);
  if (std::holds_alternative<Jam>(kb.spec().format)) {
    const RowRange all{kb.i64(0), height};
    const JammedChunk chunk{in.chunk.number, in.chunk.count};
    const JammedValues weights =
        stages_values(kb.spec()) ? JammedValues{in.staged} : values_in_place(kb);
    const Values acc =
        accumulate_jammed(kb, panel, {chunk, weights}, in.tile, in.b, first_sums(kb, in, all));
    store_sums(kb, acc, in, rows, all);
    return;
  }
  if (shifts_dense(kb.spec()))
    store_starts(kb, kb.load_i64(kb.args().ptr, panel),
                 kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1))), staged_base(kb));
  const auto compute_rows = [&](Value* sub, int count) {
    const Values acc =
        accumulate_panel(kb, panel, in, {sub, count}, first_sums(kb, in, {sub, count}));
    store_sums(kb, acc, in, {kb.add(rows.first, sub), kb.sub(rows.skip, sub)}, {sub, count});
  };
  const int whole = height / mr * mr;
  for_each_step(kb, kb.i64(0), kb.i64(whole), mr, [&](Value* sub) { compute_rows(sub, mr); });
  if (whole < height) compute_rows(kb.i64(whole), height - whole);
}

// Some of the call's panels, and with stages_values() their values.
struct PanelGroup {
  Value* begin = nullptr;
  Value* end = nullptr;
  PanelValues staged;
};

// With glu and a row-major C: the sums of both halves of a panel to the tile of sums, and from there to C.
void compute_halves(KernelBuilder& kb, Value* panel, const TileOperands& in,
                    const SumsOfTile& sums_of_chunks) {
  const std::int64_t height = block_shape(kb.spec()).height;
  const DenseTile tile = sums_in_scratch(kb);
  Value* const row = kb.mul(panel, kb.i64(height));
  Value* const half_bytes = kb.mul(kb.i64(height), tile.row_bytes);
  TileOperands to_tile = in;
  to_tile.c = tile;
  to_tile.c.base = kb.at(tile.base, kb.sub(kb.i64(0), kb.mul(row, tile.row_bytes)));
  for_each_half(kb, [&](const HalfOfA& half) {
    const TileOperands of_half = in_half(kb, to_tile, half, half_bytes);
    compute_panel(kb, panel, with_sums(kb, panel, sums_of_chunks, of_half));
  });
  when_finished(kb, in.chunk, [&] {
    finish_part(kb, {row, kb.add(row, kb.i64(height)), in.tile.n0, end_of_tile(kb, in.tile)},
                {tile.base, tile.row_bytes, false, half_bytes});
  });
}

// A group of panels in a packed stretch. A column-major C is collected in scratch, where it stays in L1, and
// transposed from there.
void compute_group(KernelBuilder& kb, const Stretch& stretch, const PanelGroup& panels,
                   const Chunk& chunk) {
  const bool collects = kb.spec().layout_c == Layout::kColMajor;
  const int height = block_shape(kb.spec()).height;
  Value* const first_row = kb.mul(panels.begin, kb.i64(height));
  for_each_column_tile(kb, stretch.n0, stretch.end, [&](const ColumnTile& tile) {
    const DenseTile c =
        collects ? c_in_scratch(kb, stretch, tile, first_row) : c_in_place(kb, tile);
    const TileOperands in{
        tile, b_in_scratch(kb, stretch, tile, chunk.rows), c, panels.staged, chunk, nullptr, {}};
    const bool chunked = chunk.number != nullptr;
    const SumsOfTile sums = chunked ? sums_of_tile(kb, chunk, stretch, tile) : SumsOfTile{};
    if (collects_halves(kb.spec())) {
      for_each_step(kb, panels.begin, panels.end, 1,
                    [&](Value* panel) { compute_halves(kb, panel, in, sums); });
      return;
    }
    for_each_half(kb, [&](const HalfOfA& half) {
      const TileOperands of_half = in_half(kb, in, half, collected_half_bytes(kb));
      for_each_step(kb, panels.begin, panels.end, 1, [&](Value* panel) {
        compute_panel(kb, panel, with_sums(kb, panel, sums, of_half));
      });
    });
  });
  if (!collects) return;
  when_finished(kb, chunk, [&] {
    Value* const end_row = kb.min(kb.mul(panels.end, kb.i64(height)), kb.args().rows_out);
    unpack_c(kb, stretch, first_row, end_row);
  });
}

PanelValues staged_values(KernelBuilder& kb, Value* begin, Value* end) {
  if (!stages_values(kb.spec())) return {};
  if (gathers_values(kb.spec())) return gather_values(kb, begin, end, staged_base(kb));
  if (widens(kb.spec())) return widen_values(kb, begin, end, staged_base(kb));
  const auto& a = kb.args();
  return stage_values(kb, kb.load_i64(a.ptr, begin), kb.load_i64(a.ptr, end), staged_base(kb));
}

// As many panels at a time as are transposed out of scratch together, else one.
void for_each_group(KernelBuilder& kb, const std::function<void(const PanelGroup&)>& body) {
  const auto& a = kb.args();
  const bool collects = kb.spec().layout_c == Layout::kColMajor;
  const std::int64_t panels = collects ? panels_per_group(kb.spec()) : 1;
  for_each_step(kb, a.panel_begin, a.panel_end, panels, [&](Value* begin) {
    Value* const end = kb.min(kb.add(begin, kb.i64(panels)), a.panel_end);
    body({begin, end, staged_values(kb, begin, end)});
  });
}

void compute_in_place(KernelBuilder& kb) {
  const auto& a = kb.args();
  const auto compute = [&](Value* panel, const PanelValues& staged, const ColumnTile& tile) {
    const TileOperands in{tile, b_in_place(kb, tile), c_in_place(kb, tile), staged, {}, nullptr,
                          {}};
    if (collects_halves(kb.spec()))
      compute_halves(kb, panel, in, {});
    else
      compute_panel(kb, panel, in);
  };
  if (kb.spec().schedule.order == LoopOrder::kPanelOuter)
    for_each_panel(kb, [&](Value* panel) {
      const PanelValues staged = staged_values(kb, panel, kb.add(panel, kb.i64(1)));
      for_each_column_tile(kb, a.n_begin, a.n_end,
                           [&](const ColumnTile& tile) { compute(panel, staged, tile); });
    });
  else
    for_each_column_tile(kb, a.n_begin, a.n_end, [&](const ColumnTile& tile) {
      for_each_panel(kb, [&](Value* panel) { compute(panel, {}, tile); });
    });
}

// B and A's panels in the order po: all of the rows at hand are packed, then each group of panels meets all stretches.
void compute_packed(KernelBuilder& kb, const Chunk& chunk) {
  for_each_stretch(kb, [&](const Stretch& stretch) { pack_b(kb, stretch, chunk.rows); });
  for_each_group(kb, [&](const PanelGroup& panels) {
    for_each_stretch(kb,
                     [&](const Stretch& stretch) { compute_group(kb, stretch, panels, chunk); });
  });
}

// Some columns at a time, chunk by chunk.
void compute_in_chunks(KernelBuilder& kb) {
  const auto& a = kb.args();
  const std::int64_t kc = kb.spec().schedule.kc;
  Value* const up = kb.add(a.rows_in, kb.i64(kc - 1));
  Value* const count = kb.max(kb.ir().CreateSDiv(up, kb.i64(kc)), kb.i64(1));
  const std::int64_t columns = chunked_columns(kb.spec(), kb.lanes());
  for_each_step(kb, a.n_begin, a.n_end, columns, [&](Value* n0) {
    Value* const end = kb.min(kb.add(n0, kb.i64(columns)), a.n_end);
    kb.narrow_to_columns(n0, end, [&] {
      for_each_step(kb, kb.i64(0), count, 1, [&](Value* number) {
        Value* const row = kb.mul(number, kb.i64(kc));
        Value* const row_end = kb.min(kb.add(row, kb.i64(chunk_capacity(kb.spec()))), a.rows_in);
        compute_packed(kb, {number, count, {row, row_end}, staged_base(kb)});
      });
    });
  });
}

}  // namespace

void emit_row_tile(KernelBuilder& kb) {
  const KernelSpec& spec = kb.spec();
  const auto& a = kb.args();
  const Chunk whole{
      .number = nullptr, .count = nullptr, .rows = all_rows_of_b(kb), .sums = nullptr};
  if (!spec.schedule.pack) {
    compute_in_place(kb);
    return;
  }
  if (spec.schedule.kc > 0) {
    compute_in_chunks(kb);
    return;
  }
  if (spec.schedule.order == LoopOrder::kPanelOuter) {
    compute_packed(kb, whole);
    return;
  }
  for_each_stretch(kb, [&](const Stretch& stretch) {
    pack_b(kb, stretch, whole.rows);
    if (spec.layout_c != Layout::kColMajor && !stages_values(spec)) {
      compute_group(kb, stretch, {a.panel_begin, a.panel_end, {}}, whole);
      return;
    }
    for_each_group(kb,
                   [&](const PanelGroup& panels) { compute_group(kb, stretch, panels, whole); });
  });
}

}  // namespace lacuna
