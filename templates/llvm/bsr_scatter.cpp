// SPDX-License-Identifier: Apache-2.0
//
// spmm_transposed for narrow blocks (16x1 and the like), where a column of A^T has too few rows for the row tile:
// mr rows of B stay in registers and each block updates its rows of C in cache, C[k,:] += sum_i a(i,k) * B[m+i,:].
// One load and one store of C per vector serve mr FMAs, and the same values serve both directions.
//
// Walks block rows of A (panel_direction in registry.h); every panel may touch every row of C, so a call covers all
// panels and work is split over n only. The order of summation is that of the panels.
#include <cstddef>
#include <cstdint>

#include "templates/abi.h"
#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/dense_tile.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/jam_panel.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/widen.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// mr x vectors registers of B: rows [first, first + count), row by row.
Values load_b_rows(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& b, Value* first,
                   int count) {
  Values rows;
  Value* pointer = kb.at(b.base, kb.mul(first, b.row_bytes));
  for (int i = 0; i < count; ++i) {
    for (int v = 0; v < tile.vectors; ++v)
      rows.push_back(
          kb.load(kb.at(pointer, v * kb.vector_bytes()), b.in_place ? tile.mask_of(v) : nullptr));
    pointer = kb.at(pointer, b.row_bytes);
  }
  return rows;
}

// Adds one column of a block, as many values from `values` as there are rows of B, to the row of C at `c_row`. Where
// every tile is one vector the sum is two chains: one of 16 dependent FMAs takes 64 cycles, more than the scheduler can
// overlap. Not in the narrow tiles of wider schedules: which columns they get depends on how a call is split over n
// (nv = 3).
void update_row(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& c, const Values& b_rows,
                Value* values, Value* c_row) {
  const auto mask_of = [&](int v) { return c.in_place ? tile.mask_of(v) : nullptr; };
  const auto vectors = static_cast<std::size_t>(tile.vectors);
  const std::size_t chains = kb.spec().schedule.nv == 1 && b_rows.size() >= 8 ? 2 : 1;
  Values acc;
  for (int v = 0; v < tile.vectors; ++v)
    acc.push_back(kb.load(kb.at(c_row, v * kb.vector_bytes()), mask_of(v)));
  acc.resize(chains * vectors, kb.zero());
  for (std::size_t i = 0; i * vectors < b_rows.size(); ++i) {
    Value* const a = kb.broadcast_weight(
        kb.at(values, static_cast<std::int64_t>(i) * stored_lane_bytes(kb.spec())));
    for (std::size_t v = 0; v < vectors; ++v) {
      Value*& sum = acc[i % chains * vectors + v];
      sum = kb.multiply_add(b_rows[i * vectors + v], a, sum);
    }
  }
  if (chains == 2) acc[0] = kb.add_sums(acc[0], acc[1]);
  for (int v = 0; v < tile.vectors; ++v)
    kb.store(kb.at(c_row, v * kb.vector_bytes()), acc[static_cast<std::size_t>(v)], mask_of(v));
}

// The rows of C that entry + kEntriesAhead updates, into L1: see bsr_row_tile.cpp.
constexpr int kShallowBlock = 2;
constexpr int kEntriesAhead = 4;
static_assert(kEntriesAhead <= kOriginPadding);

void prefetch_later_rows(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& c,
                         Value* entry) {
  Value* const origin = kb.load_i32(kb.args().origin, kb.add(entry, kb.i64(kEntriesAhead)));
  Value* const row = kb.at(c.base, kb.mul(origin, c.row_bytes));
  for (int v = 0; v < tile.vectors; ++v)
    kb.prefetch(kb.at(row, v * kb.vector_bytes()));
}

// As they lie, or widened for this tile of columns.
PanelValues panel_values(KernelBuilder& kb, Value* panel) {
  if (!widens(kb.spec())) return {kb.args().values, kb.i64(0)};
  return widen_values(kb, panel, kb.add(panel, kb.i64(1)), staged_base(kb));
}

void update_panel(KernelBuilder& kb, Value* panel, const ColumnTile& tile, const DenseTile& b,
                  const DenseTile& c) {
  const Bsr& bsr = std::get<Bsr>(kb.spec().format);
  const std::int64_t lane_bytes = stored_lane_bytes(kb.spec());
  const std::int64_t column_bytes = bsr.r * lane_bytes;
  Value* const first =
      kb.min(kb.mul(panel, kb.i64(bsr.r)), kb.sub(kb.args().rows_in, kb.i64(bsr.r)));
  Value* const begin = kb.load_i64(kb.args().ptr, panel);
  Value* const end = kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1)));
  const PanelValues values = panel_values(kb, panel);
  const auto update_rows = [&](Value* sub, int count) {
    const Values b_rows = load_b_rows(kb, tile, b, kb.add(first, sub), count);
    Value* const values_of_rows = kb.at(values.base, kb.mul(sub, kb.i64(lane_bytes)));
    for_each_step(kb, begin, end, 1, [&](Value* entry) {
      Value* const number = kb.sub(entry, values.first);
      Value* const block = kb.at(values_of_rows, kb.mul(number, kb.i64(column_bytes * bsr.c)));
      Value* const c_rows =
          kb.at(c.base, kb.mul(kb.load_i32(kb.args().origin, entry), c.row_bytes));
      if (bsr.c <= kShallowBlock) prefetch_later_rows(kb, tile, c, entry);
      kb.loop(kb.i64(0), kb.i64(bsr.c), 1, {block, c_rows}, Trip::kAtLeastOne,
              [&](Value*, const Values& p) -> Values {
                update_row(kb, tile, c, b_rows, p[0], p[1]);
                return {kb.at(p[0], column_bytes), kb.at(p[1], c.row_bytes)};
              });
    });
  };
  const int mr = kb.spec().schedule.mr;
  const int whole = bsr.r / mr * mr;
  for_each_step(kb, kb.i64(0), kb.i64(whole), mr, [&](Value* sub) { update_rows(sub, mr); });
  if (whole < bsr.r) update_rows(kb.i64(whole), bsr.r - whole);
}

// The same for jammed rows: all rows of the panel's B in registers.
void update_from_jammed_panel(KernelBuilder& kb, Value* panel, const ColumnTile& tile,
                              const DenseTile& b, const DenseTile& c) {
  const int r = std::get<Jam>(kb.spec().format).r;
  Value* const first = kb.min(kb.mul(panel, kb.i64(r)), kb.sub(kb.args().rows_in, kb.i64(r)));
  const JammedValues weights =
      widens(kb.spec()) ? JammedValues{panel_values(kb, panel)} : values_in_place(kb);
  scatter_jammed(kb, panel, weights, tile, c, load_b_rows(kb, tile, b, first, r));
}

void clear_c(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& c) {
  for_each_row(kb, c, kb.args().rows_out, [&](Value*, Value* row) {
    for (int v = 0; v < tile.vectors; ++v)
      kb.store(kb.at(row, v * kb.vector_bytes()), kb.zero(),
               c.in_place ? tile.mask_of(v) : nullptr);
  });
}

void compute_tile(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& b,
                  const DenseTile& c) {
  if (!c.in_place || !kb.spec().accumulate) clear_c(kb, tile, c);
  const bool jammed = std::holds_alternative<Jam>(kb.spec().format);
  for_each_panel(kb, [&](Value* panel) {
    if (jammed)
      update_from_jammed_panel(kb, panel, tile, b, c);
    else
      update_panel(kb, panel, tile, b, c);
  });
  if (c.in_place && !kb.spec().epilogue.is_none())
    finish_part(kb, {kb.i64(0), kb.args().rows_out, tile.n0, end_of_tile(kb, tile)},
                {c.base, c.row_bytes, true});
}

}  // namespace

void emit_scatter(KernelBuilder& kb) {
  const auto& a = kb.args();
  if (!kb.spec().schedule.pack) {
    for_each_column_tile(kb, a.n_begin, a.n_end, [&](const ColumnTile& tile) {
      compute_tile(kb, tile, b_in_place(kb, tile), c_in_place(kb, tile));
    });
    return;
  }
  for_each_stretch(kb, [&](const Stretch& stretch) {
    pack_b(kb, stretch, all_rows_of_b(kb));
    for_each_column_tile(kb, stretch.n0, stretch.end, [&](const ColumnTile& tile) {
      compute_tile(kb, tile, b_in_scratch(kb, stretch, tile, all_rows_of_b(kb)),
                   c_in_scratch(kb, stretch, tile, kb.i64(0)));
    });
    unpack_c(kb, stretch, kb.i64(0), a.rows_out);
  });
}

}  // namespace lacuna
