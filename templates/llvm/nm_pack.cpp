// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/nm_pack.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/transpose.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

const NofM& format_of(const KernelBuilder& kb) {
  return std::get<NofM>(kb.spec().format);
}

// Columns of A in a group that exist, as i64.
Value* columns_of_group(KernelBuilder& kb, Value* group) {
  const int m = format_of(kb).m;
  return kb.min(kb.i64(m), kb.sub(kb.args().rows_in, kb.mul(group, kb.i64(m))));
}

// One tile of dense columns.
struct PackedTile {
  Value* to = nullptr;  // its tables
  Values
      columns;  // where B's element (0, n) is, for each of mr columns; those beyond the end as the last one
  Value* row_bytes = nullptr;  // from B's row to the next
};

Values column_addresses(KernelBuilder& kb, Value* n0, Value* last, Value* column_bytes) {
  Values columns;
  for (int j = 0; j < kb.spec().schedule.mr; ++j) {
    Value* const n = kb.min(kb.add(n0, kb.i64(j)), last);
    columns.push_back(kb.at(kb.args().b, kb.mul(n, column_bytes)));
  }
  return columns;
}

// `floats` of a column that lies contiguous, the first `count` of them (null: all), the others zero, to scratch.
void copy_contiguous(KernelBuilder& kb, Value* from, Value* to, int floats, Value* count) {
  const int width = std::min(floats, kb.lanes());
  std::vector<int> front(static_cast<std::size_t>(width));
  std::iota(front.begin(), front.end(), 0);
  auto* const type = llvm::FixedVectorType::get(kb.ir().getFloatTy(), static_cast<unsigned>(width));
  for (int done = 0; done < floats; done += width) {
    Value* const address = kb.at(from, done * 4LL);
    Value* part = nullptr;
    if (count == nullptr) {
      part = kb.ir().CreateAlignedLoad(type, address, llvm::Align(4));
    } else {
      part = kb.load(address, kb.mask_below(kb.sub(count, kb.i64(done))));
      if (width < kb.lanes()) part = kb.ir().CreateShuffleVector(part, front);
    }
    kb.ir().CreateAlignedStore(part, kb.at(to, done * 4LL), llvm::Align(4));
  }
}

// Columns whose rows lie side by side: group by group, whole ones and then the rest.
void pack_contiguous(KernelBuilder& kb, const PermuteShape& shape, const PackedTile& tile) {
  const int m = format_of(kb).m;
  const auto pack_group = [&](Value* group, Value* count) {
    Value* const offset = kb.mul(group, kb.i64(m * 4LL));
    Value* const to = kb.at(tile.to, kb.mul(group, kb.i64(group_bytes(kb, shape))));
    for (std::size_t j = 0; j < tile.columns.size(); ++j)
      copy_contiguous(kb, kb.at(tile.columns[j], offset),
                      kb.at(to, static_cast<std::int64_t>(j) * shape.table_floats * 4),
                      shape.table_floats, count);
  };
  Value* const whole = kb.ir().CreateSDiv(kb.args().rows_in, kb.i64(m));
  Value* const whole_count = m == shape.table_floats ? nullptr : kb.i64(m);
  for_each_step(kb, kb.i64(0), whole, 1, [&](Value* group) { pack_group(group, whole_count); });
  for_each_step(kb, whole, nm_groups(kb), 1,
                [&](Value* group) { pack_group(group, columns_of_group(kb, group)); });
}

// Columns whose rows lie apart, groups from `first` on: one element at a time.
void pack_strided(KernelBuilder& kb, const PermuteShape& shape, const PackedTile& tile,
                  Value* first) {
  const int m = format_of(kb).m;
  for_each_step(kb, first, nm_groups(kb), 1, [&](Value* group) {
    Value* const tables = kb.at(tile.to, kb.mul(group, kb.i64(group_bytes(kb, shape))));
    Value* const count = columns_of_group(kb, group);
    Value* const first_row = kb.mul(group, kb.i64(m));
    const auto at_element = [&](Value* i, std::size_t j) {
      return kb.at(kb.at(tables, static_cast<std::int64_t>(j) * shape.table_floats * 4),
                   kb.mul(i, kb.i64(4)));
    };
    for_each_step(kb, kb.i64(0), count, 1, [&](Value* i) {
      Value* const offset = kb.mul(kb.add(first_row, i), tile.row_bytes);
      for (std::size_t j = 0; j < tile.columns.size(); ++j)
        kb.store_float(at_element(i, j), kb.load_float(kb.at(tile.columns[j], offset)));
    });
    for_each_step(kb, count, kb.i64(m), 1, [&](Value* i) {
      for (std::size_t j = 0; j < tile.columns.size(); ++j)
        kb.store_float(at_element(i, j), llvm::ConstantFP::get(kb.ir().getFloatTy(), 0.0));
    });
  });
}

// The vector that begins with row `row` of column j, to the tables that its elements belong to.
void store_in_tables(KernelBuilder& kb, const PermuteShape& shape, const PackedTile& tile,
                     Value* row, std::int64_t j, Value* vector) {
  const int m = format_of(kb).m;
  Value* const group = kb.ir().CreateSDiv(row, kb.i64(m));
  Value* const skipped = kb.sub(row, kb.mul(group, kb.i64(m)));
  Value* to = kb.at(tile.to, kb.mul(group, kb.i64(group_bytes(kb, shape))));
  to = kb.at(kb.at(to, kb.mul(skipped, kb.i64(4))), j * shape.table_floats * 4);
  const int width = std::min(m, kb.lanes());
  for (int begin = 0; begin < kb.lanes(); begin += width) {
    std::vector<int> lanes(static_cast<std::size_t>(width));
    std::iota(lanes.begin(), lanes.end(), begin);
    kb.ir().CreateAlignedStore(kb.ir().CreateShuffleVector(vector, lanes), to, llvm::Align(4));
    to = kb.at(to, group_bytes(kb, shape));
  }
}

// Columns whose rows lie apart, all of them there, in groups without padding: squares of 4 columns, transposed. (One
// element at a time, the packing of 1024 x 4 took a fifth of the product with a 1:16 matrix of 1024 rows.)
void pack_transposed(KernelBuilder& kb, const PermuteShape& shape, const PackedTile& tile) {
  const int m = format_of(kb).m;
  const std::int64_t rows_together = std::max(m, kb.lanes());
  Value* const whole =
      kb.mul(kb.ir().CreateSDiv(kb.args().rows_in, kb.i64(rows_together)), kb.i64(rows_together));
  for_each_step(kb, kb.i64(0), whole, kb.lanes(), [&](Value* row) {
    Values rows;
    for (int i = 0; i < kb.lanes(); ++i)
      rows.push_back(kb.at(tile.columns[0], kb.mul(kb.add(row, kb.i64(i)), tile.row_bytes)));
    for (std::int64_t first = 0; first < kb.spec().schedule.mr; first += 4) {
      const Values columns = load_four_columns(kb, rows, first * 4);
      for (std::size_t t = 0; t < columns.size(); ++t)
        store_in_tables(kb, shape, tile, row, first + static_cast<std::int64_t>(t), columns[t]);
    }
  });
  pack_strided(kb, shape, tile, kb.ir().CreateSDiv(whole, kb.i64(m)));
}

// A tile of columns [n0, ...) whose rows lie apart.
void pack_rows(KernelBuilder& kb, const PermuteShape& shape, const Stretch& stretch, Value* n0,
               const PackedTile& tile) {
  const int mr = kb.spec().schedule.mr;
  if (mr % 4 != 0 || format_of(kb).m != shape.table_floats) {
    pack_strided(kb, shape, tile, kb.i64(0));
    return;
  }
  Value* const complete = kb.ir().CreateICmpSLE(kb.add(n0, kb.i64(mr)), stretch.end);
  kb.if_then(complete, [&] { pack_transposed(kb, shape, tile); });
  kb.if_then(kb.ir().CreateNot(complete), [&] { pack_strided(kb, shape, tile, kb.i64(0)); });
}

void for_each_tile(KernelBuilder& kb, const PermuteShape& shape, const Stretch& stretch,
                   Value* column_bytes, Value* row_bytes,
                   const std::function<void(Value* n0, const PackedTile&)>& body) {
  Value* const last = kb.sub(stretch.end, kb.i64(1));
  for_each_step(kb, stretch.n0, stretch.end, kb.spec().schedule.mr, [&](Value* n0) {
    body(n0, {tables_of_tile(kb, shape, stretch, n0), column_addresses(kb, n0, last, column_bytes),
              row_bytes});
  });
}

}  // namespace

Value* nm_groups(KernelBuilder& kb) {
  const int m = format_of(kb).m;
  return kb.ir().CreateSDiv(kb.add(kb.args().rows_in, kb.i64(m - 1)), kb.i64(m));
}

std::int64_t group_bytes(const KernelBuilder& kb, const PermuteShape& shape) {
  return 4LL * kb.spec().schedule.mr * shape.table_floats;
}

Value* rows_on_their_way(KernelBuilder& kb) {
  return kb.at(kb.args().scratch, kNmPanelRows * 4LL);
}

Value* collected_panel(KernelBuilder& kb, Value* number) {
  const std::int64_t bytes = collected_columns(kb.spec().schedule.mr) * kNmPanelRows * 4;
  Value* const first = kb.at(rows_on_their_way(kb), sums_tile_floats(kb.spec(), kb.lanes()) * 4);
  return kb.at(first, kb.mul(number, kb.i64(bytes)));
}

Value* tables_of_tile(KernelBuilder& kb, const PermuteShape& shape, const Stretch& stretch,
                      Value* n0) {
  Value* const tables = collected_panel(kb, kb.i64(kb.spec().schedule.nv));  // behind them
  // n0 is a multiple of mr columns from the stretch's begin.
  Value* const column_bytes = kb.mul(nm_groups(kb), kb.i64(4LL * shape.table_floats));
  return kb.at(tables, kb.mul(kb.sub(n0, stretch.n0), column_bytes));
}

void pack_tables(KernelBuilder& kb, const PermuteShape& shape, const Stretch& stretch) {
  const auto& a = kb.args();
  const auto pack_columns = [&] {
    for_each_tile(kb, shape, stretch, a.ldb_bytes, kb.i64(4),
                  [&](Value*, const PackedTile& tile) { pack_contiguous(kb, shape, tile); });
  };
  if (kb.spec().layout_b == Layout::kColMajor) {
    pack_columns();
    return;
  }
  // A single column with a leading dimension of 1 is contiguous.
  Value* const contiguous = kb.ir().CreateICmpEQ(a.ldb_bytes, kb.i64(4));
  kb.if_then(contiguous, pack_columns);
  kb.if_then(kb.ir().CreateNot(contiguous), [&] {
    for_each_tile(
        kb, shape, stretch, kb.i64(4), a.ldb_bytes,
        [&](Value* n0, const PackedTile& tile) { pack_rows(kb, shape, stretch, n0, tile); });
  });
}

}  // namespace lacuna
