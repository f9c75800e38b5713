// SPDX-License-Identifier: Apache-2.0
//
// spmm and spmm_transposed with vectors along n: each vector of a row of B is loaded once and meets mr broadcast
// values of A. For blocks at least 4 high this is bound by the FMA units on every x86 measured (one 64-byte load
// feeds mr FMAs).
//
// With packing (always when B or C is column-major) the tile of B is first copied, transposed where needed, into
// scratch [rows_in][nv*lanes], and a column-major C is collected in scratch, a group of panels at a time, and
// transposed out from there.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "templates/abi.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/dense_tile.h"
#include "templates/llvm/jam_panel.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/tile_loops.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;

namespace {

// The rows of B that an entry ahead of the current one meets are fetched into L1: rows of different shallow blocks lie
// too far apart for the hardware prefetchers (93 -> 98 % of the FMA peak for 16x1 blocks with B in L2, Granite Rapids).
// Deep blocks read their rows in order, and several passes read them: there it costs 2 to 12 %.
constexpr int kDeepBlock = 8;
constexpr int kRowsAhead = 6;
static_assert(kRowsAhead <= kOriginPadding);

void prefetch_later_block(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& b,
                          Value* origin_pointer) {
  const int depth = block_shape(kb.spec()).depth;
  if (depth >= kDeepBlock) return;
  const int entries_ahead = (kRowsAhead + depth - 1) / depth;
  Value* const origin = kb.load_i32(kb.at(origin_pointer, 4LL * entries_ahead));
  Value* row = kb.at(b.base, kb.mul(origin, b.row_bytes));
  for (int d = 0; d < depth; ++d) {
    for (int v = 0; v < tile.vectors; ++v)
      kb.prefetch(kb.at(row, v * kb.vector_bytes()));
    row = kb.at(row, b.row_bytes);
  }
}

// What one block multiplies: its values, and the first of the `depth` rows of B that they meet.
struct BlockOperands {
  Value* values = nullptr;
  Value* b_rows = nullptr;
};

// One block, added to acc.
Values add_block(KernelBuilder& kb, const ColumnTile& tile, const DenseTile& b, int rows,
                 const Values& acc, const BlockOperands& block) {
  const BlockShape shape = block_shape(kb.spec());
  const RegisterTile registers{rows, tile.vectors};
  return reduce(kb, shape.depth,
                {{block.b_rows, b.row_bytes}, {block.values, kb.i64(shape.depth_bytes)}}, acc,
                [&](const Values& in, const Values& p) {
                  return outer_product(
                      kb, registers, in,
                      [&](int v) {
                        return kb.load(kb.at(p[0], v * kb.vector_bytes()),
                                       b.in_place ? tile.mask_of(v) : nullptr);
                      },
                      [&](int i) { return kb.broadcast(kb.at(p[1], i * shape.row_bytes)); });
                });
}

// The sum over all blocks of the panel for `rows` output rows of it, from row `sub` (i64) on. Blocks of one step are
// unrolled by ku: with them the index arithmetic of a block costs 10 % of its FMAs' issue slots.
Values accumulate_panel(KernelBuilder& kb, Value* panel, const ColumnTile& tile, const DenseTile& b,
                        Value* sub, int rows) {
  const BlockShape shape = block_shape(kb.spec());
  const Values zeros(static_cast<std::size_t>(rows * tile.vectors), kb.zero());
  Value* const values_of_rows = kb.at(kb.args().values, kb.mul(sub, kb.i64(shape.row_bytes)));
  Value* const begin = kb.load_i64(kb.args().ptr, panel);
  Value* const count = kb.sub(kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1))), begin);
  const auto entries_of = [&](Value* array) {
    return ReductionPointer{kb.at(array, kb.mul(begin, kb.i64(4))), kb.i64(4)};
  };
  const bool by_column = panel_direction(kb.spec()) == PanelDirection::kBlockColumns;
  const ReductionPointer values =
      by_column ? entries_of(kb.args().block)
                : ReductionPointer{kb.at(values_of_rows, kb.mul(begin, kb.i64(shape.block_bytes))),
                                   kb.i64(shape.block_bytes)};
  const std::int64_t unroll = shape.depth == 1 ? kb.spec().schedule.ku : 1;
  return reduce_n(kb, count, {entries_of(kb.args().origin), values}, zeros, unroll,
                  [&](const Values& acc, const Values& p) {
                    Value* const block_values =
                        by_column ? kb.at(values_of_rows,
                                          kb.mul(kb.load_i32(p[1]), kb.i64(shape.block_bytes)))
                                  : p[1];
                    prefetch_later_block(kb, tile, b, p[0]);
                    Value* const b_rows = kb.at(b.base, kb.mul(kb.load_i32(p[0]), b.row_bytes));
                    return add_block(kb, tile, b, rows, acc, {block_values, b_rows});
                  });
}

void compute_panel(KernelBuilder& kb, Value* panel, const ColumnTile& tile, const DenseTile& b,
                   const DenseTile& c) {
  const int height = block_shape(kb.spec()).height;
  const int mr = std::min(kb.spec().schedule.mr, height);
  const PanelRows rows = panel_rows(kb, panel, height);
  if (std::holds_alternative<Jam>(kb.spec().format)) {
    store_rows(kb, accumulate_jammed(kb, panel, tile, b), tile, c, rows, height);
    return;
  }
  const auto compute_rows = [&](Value* sub, int count) {
    const Values acc = accumulate_panel(kb, panel, tile, b, sub, count);
    store_rows(kb, acc, tile, c, {kb.add(rows.first, sub), kb.sub(rows.skip, sub)}, count);
  };
  const int whole = height / mr * mr;
  for_each_step(kb, kb.i64(0), kb.i64(whole), mr, [&](Value* sub) { compute_rows(sub, mr); });
  if (whole < height) compute_rows(kb.i64(whole), height - whole);
}

// A stretch of a column-major C: a group of panels at a time is collected in scratch, where it stays in L1, and
// transposed from there.
void compute_collected(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  const int height = block_shape(kb.spec()).height;
  const std::int64_t group = panels_per_group(kb.spec());
  for_each_step(kb, a.panel_begin, a.panel_end, group, [&](Value* begin) {
    Value* const end = kb.min(kb.add(begin, kb.i64(group)), a.panel_end);
    Value* const first_row = kb.mul(begin, kb.i64(height));
    for_each_column_tile(kb, stretch.n0, stretch.end, [&](const ColumnTile& tile) {
      const DenseTile b = b_in_scratch(kb, stretch, tile);
      const DenseTile c = c_in_scratch(kb, stretch, tile, first_row);
      for_each_step(kb, begin, end, 1, [&](Value* panel) { compute_panel(kb, panel, tile, b, c); });
    });
    unpack_c(kb, stretch, first_row, kb.min(kb.mul(end, kb.i64(height)), a.rows_out));
  });
}

}  // namespace

void emit_row_tile(KernelBuilder& kb) {
  const KernelSpec& spec = kb.spec();
  const auto& a = kb.args();
  if (spec.schedule.order == LoopOrder::kPanelOuter) {
    for_each_panel(kb, [&](Value* panel) {
      for_each_column_tile(kb, a.n_begin, a.n_end, [&](const ColumnTile& tile) {
        compute_panel(kb, panel, tile, b_in_place(kb, tile), c_in_place(kb, tile));
      });
    });
    return;
  }
  if (!spec.schedule.pack) {
    for_each_column_tile(kb, a.n_begin, a.n_end, [&](const ColumnTile& tile) {
      for_each_panel(kb, [&](Value* panel) {
        compute_panel(kb, panel, tile, b_in_place(kb, tile), c_in_place(kb, tile));
      });
    });
    return;
  }
  for_each_stretch(kb, [&](const Stretch& stretch) {
    pack_b(kb, stretch);
    if (spec.layout_c == Layout::kColMajor) {
      compute_collected(kb, stretch);
      return;
    }
    for_each_column_tile(kb, stretch.n0, stretch.end, [&](const ColumnTile& tile) {
      const DenseTile b = b_in_scratch(kb, stretch, tile);
      for_each_panel(
          kb, [&](Value* panel) { compute_panel(kb, panel, tile, b, c_in_place(kb, tile)); });
    });
  });
}

}  // namespace lacuna
