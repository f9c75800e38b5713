// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/row_tile_panel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "templates/abi.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/tile_loops.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

// The rows of B that an entry ahead of the current one meets are fetched into L1: rows of different shallow blocks lie
// too far apart for the hardware prefetchers (93 -> 98 % of the FMA peak for 16x1 blocks with B in L2, Granite Rapids).
// Deep blocks read their rows in order, and several passes read them: there it costs 2 to 12 %.
constexpr int kDeepBlock = 8;
constexpr int kRowsAhead = 6;
static_assert(kRowsAhead <= kOriginPadding);

// The first row of B that an entry meets; `origin` is whole groups.
Value* row_of_b(KernelBuilder& kb, const DenseTile& b, Value* origin) {
  return kb.at(b.base, kb.mul(kb.groups_of(origin), b.row_bytes));
}

void prefetch_later_block(KernelBuilder& kb, const TileOperands& in, Value* origin_pointer) {
  const int depth = block_shape(kb.spec()).depth;
  if (depth >= kDeepBlock) return;
  const int entries_ahead = (kRowsAhead + depth - 1) / depth;
  Value* row = row_of_b(kb, in.b, kb.load_i32(kb.at(origin_pointer, 4LL * entries_ahead)));
  for (int d = 0; d < depth; ++d) {
    for (int v = 0; v < in.tile.vectors; ++v)
      kb.prefetch(kb.at(row, v * kb.vector_bytes()));
    row = kb.at(row, in.b.row_bytes);
  }
}

// What one block multiplies: its values, and the first of the `depth` rows of B that they meet.
struct BlockOperands {
  Value* values = nullptr;
  Value* b_rows = nullptr;
};

// One step of a block: its values and a row of B.
Values add_step(KernelBuilder& kb, const TileOperands& in, int rows, const Values& acc, Value* row,
                Value* values) {
  const BlockShape shape = block_shape(kb.spec());
  return outer_product(
      kb, {rows, in.tile.vectors}, acc,
      [&](int v) {
        return kb.load(kb.at(row, v * kb.vector_bytes()),
                       in.b.in_place ? in.tile.mask_of(v) : nullptr);
      },
      [&](int i) { return kb.broadcast_weight(kb.at(values, i * shape.row_bytes)); });
}

// Parts of each sum. The few sums of a small tile would wait for each other: two FMAs start a cycle and take about 4.
// The same for tiles of every width: which columns share a tile depends on how a call is split among threads, their bits
// must not.
int parts_of_sums(const KernelBuilder& kb, int rows) {
  const int chains = kb.lanes() == 16 ? 8 : 4;  // of 16 or 32 registers
  if (kb.group() != 1) return 1;  // two chains a sum where groups are widened for each product
  return std::max(1, chains / (rows * kb.spec().schedule.nv));
}

// One block, added to sums in `parts` parts, its first step to part `part`.
Values add_block(KernelBuilder& kb, const TileOperands& in, int rows, int parts, int part,
                 const Values& acc, const BlockOperands& block) {
  const BlockShape shape = block_shape(kb.spec());
  const std::vector<ReductionPointer> streams{{block.b_rows, in.b.row_bytes},
                                              {block.values, kb.i64(shape.depth_bytes)}};
  if (parts == 1)
    return reduce(kb, shape.depth, streams, acc, [&](const Values& now, const Values& p) {
      return add_step(kb, in, rows, now, p[0], p[1]);
    });
  const auto one = static_cast<std::ptrdiff_t>(acc.size()) / parts;
  const auto add_steps = [&](const Values& now, const Values& p, std::int64_t steps) {
    Values sums = now;
    Value* row = p[0];
    for (std::int64_t d = 0; d < steps; ++d) {
      const auto from = sums.begin() + (part + d) % parts * one;
      const Values next =
          add_step(kb, in, rows, Values(from, from + one), row, kb.at(p[1], d * shape.depth_bytes));
      std::ranges::copy(next, from);
      row = kb.at(row, in.b.row_bytes);
    }
    return sums;
  };
  if (shape.depth <= parts) return add_steps(acc, {block.b_rows, block.values}, shape.depth);
  return reduce_n_in_groups(kb, kb.i64(shape.depth), streams, acc, parts, add_steps);
}

// How the entries of a panel, from `begin` on, find their values: a pointer that steps by whole blocks, or, by block
// columns and not staged, numbers of blocks.
ReductionPointer values_of_panel(KernelBuilder& kb, const PanelValues& staged, Value* begin,
                                 Value* sub) {
  const BlockShape shape = block_shape(kb.spec());
  const auto from = [&](Value* base, Value* entry) {
    Value* const rows = kb.at(base, kb.mul(sub, kb.i64(shape.row_bytes)));
    return ReductionPointer{kb.at(rows, kb.mul(entry, kb.i64(shape.block_bytes))),
                            kb.i64(shape.block_bytes)};
  };
  if (stages_values(kb.spec())) return from(staged.base, kb.sub(begin, staged.first));
  if (panel_direction(kb.spec()) == PanelDirection::kBlockRows)
    return from(kb.args().values, begin);
  return {kb.at(kb.args().block, kb.mul(begin, kb.i64(4))), kb.i64(4)};
}

}  // namespace

// The sum over all blocks of the panel for some of its output rows. Blocks of one step are unrolled by ku: with them
// the index arithmetic of a block costs 10 % of its FMAs' issue slots; blocks of few steps also for as many parts of
// sums.
Values accumulate_panel(KernelBuilder& kb, Value* panel, const TileOperands& in,
                        const RowRange& rows, Values sums) {
  const BlockShape shape = block_shape(kb.spec());
  Value* const list =
      in.chunk.number == nullptr ? panel : kb.add(kb.mul(panel, in.chunk.count), in.chunk.number);
  Value* const begin = kb.load_i64(kb.args().ptr, list);
  Value* const count = kb.sub(kb.load_i64(kb.args().ptr, kb.add(list, kb.i64(1))), begin);
  const ReductionPointer origins{kb.at(kb.args().origin, kb.mul(begin, kb.i64(4))), kb.i64(4)};
  const bool by_number =
      panel_direction(kb.spec()) == PanelDirection::kBlockColumns && !stages_values(kb.spec());
  Value* const values_of_rows = kb.at(kb.args().values, kb.mul(rows.sub, kb.i64(shape.row_bytes)));
  const int parts = parts_of_sums(kb, rows.count);
  const std::size_t count_of_sums = sums.size();
  sums.resize(count_of_sums * static_cast<std::size_t>(parts), kb.zero());
  const std::int64_t ku = shape.depth == 1 ? kb.spec().schedule.ku : 1;
  const std::int64_t unroll = std::max<std::int64_t>(ku, parts / shape.depth);
  const ReductionPointer values = values_of_panel(kb, in.staged, begin, rows.sub);
  const auto add_entry = [&](const Values& acc, Value* origin, Value* of_entry, int part) {
    Value* const block_values =
        by_number ? kb.at(values_of_rows, kb.mul(kb.load_i32(of_entry), kb.i64(shape.block_bytes)))
                  : of_entry;
    prefetch_later_block(kb, in, origin);
    Value* const b_rows = row_of_b(kb, in.b, kb.load_i32(origin));
    return add_block(kb, in, rows.count, parts, part, acc, {block_values, b_rows});
  };
  sums = reduce_n_in_groups(kb, count, {origins, values}, sums, unroll,
                            [&](Values acc, const Values& p, std::int64_t entries) {
                              for (std::int64_t i = 0; i < entries; ++i)
                                acc = add_entry(acc, kb.at(p[0], i * 4),
                                                kb.at(p[1], kb.mul(values.stride, kb.i64(i))),
                                                static_cast<int>(i * shape.depth % parts));
                              return acc;
                            });
  return add_parts(kb, sums, count_of_sums);
}

}  // namespace lacuna
