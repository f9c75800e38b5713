// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/dense_tile.h"

#include <cstddef>
#include <cstdint>
#include <functional>

#include "templates/llvm/finish.h"
#include "templates/llvm/transpose.h"
#include "templates/llvm/widen.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

std::int64_t tile_row_bytes(const KernelBuilder& kb) {
  return kb.spec().schedule.nv * kb.vector_bytes();
}

// Rows that scratch has for a packed tile of B, in groups.
Value* packed_capacity(KernelBuilder& kb) {
  if (kb.spec().schedule.kc > 0) return kb.i64(chunk_capacity(kb.spec()) / kb.group());
  return kb.round_up_to_lanes(kb.groups_of(kb.args().rows_in));
}

Value* groups_in(KernelBuilder& kb, const RowsOfB& rows) {
  return kb.groups_of(kb.sub(rows.end, rows.begin));
}

bool packs_whole_b(const KernelBuilder& kb) {
  return kb.spec().schedule.order == LoopOrder::kPanelOuter;
}

// Bytes of the packed tiles before column n of the call.
Value* packed_bytes_before(KernelBuilder& kb, Value* n) {
  Value* const columns = kb.sub(n, kb.args().n_begin);
  return kb.mul(packed_capacity(kb), kb.mul(columns, kb.i64(4)));
}

Value* sums_tile(KernelBuilder& kb) {
  return kb.at(kb.args().scratch, tile_row_bytes(kb));
}

// Behind the rows and tiles whose size is fixed.
Value* packed_base(KernelBuilder& kb) {
  return kb.at(sums_tile(kb), sums_tile_floats(kb.spec(), kb.lanes()) * 4);
}

Value* packed_b_base(KernelBuilder& kb, const Stretch& stretch) {
  Value* const first = packed_base(kb);
  return packs_whole_b(kb) ? kb.at(first, packed_bytes_before(kb, stretch.n0)) : first;
}

Value* collected_c_base(KernelBuilder& kb) {
  const auto& a = kb.args();
  const std::int64_t width = static_cast<std::int64_t>(kb.spec().schedule.nv) * kb.lanes();
  Value* end = kb.add(a.n_begin, kb.i64(width));
  if (packs_whole_b(kb)) {
    Value* const up = kb.add(kb.sub(a.n_end, a.n_begin), kb.i64(width - 1));
    end = kb.add(a.n_begin, kb.mul(kb.ir().CreateSDiv(up, kb.i64(width)), kb.i64(width)));
  }
  return kb.at(packed_base(kb), packed_bytes_before(kb, end));
}

void pack_col_major_b(KernelBuilder& kb, const Stretch& stretch, const RowsOfB& rows) {
  const auto& a = kb.args();
  Value* const column = kb.at(a.b, kb.mul(stretch.n0, a.ldb_bytes));
  transpose_copy(kb,
                 {kb.at(column, kb.mul(rows.begin, kb.i64(kb.b_bytes()))), a.ldb_bytes,
                  groups_in(kb, rows), kb.sub(stretch.end, stretch.n0), packed_b_base(kb, stretch),
                  kb.i64(tile_row_bytes(kb)), shifts_dense(kb.spec())});
}

void pack_row_major_b(KernelBuilder& kb, const Stretch& stretch, const RowsOfB& rows) {
  const auto& a = kb.args();
  const std::int32_t group = kb.group();
  Value* const first_row = kb.at(a.b, kb.mul(rows.begin, a.ldb_bytes));
  Value* const first = kb.at(first_row, kb.mul(stretch.n0, kb.i64(kb.b_bytes())));
  if (widens(kb.spec())) {
    widen_lines(kb, {first, a.ldb_bytes, groups_in(kb, rows), kb.sub(stretch.end, stretch.n0),
                     packed_b_base(kb, stretch), kb.i64(tile_row_bytes(kb))});
    return;
  }
  const auto packed = [&](Value* lanes) {
    return shifts_dense(kb.spec()) ? kb.shift_bytes(lanes) : lanes;
  };
  const DenseTile source{first, kb.mul(a.ldb_bytes, kb.i64(group)), true};
  for_each_row(kb, source, groups_in(kb, rows), [&](Value* row, Value* from) {
    Value* const to = kb.at(packed_b_base(kb, stretch), kb.mul(row, kb.i64(tile_row_bytes(kb))));
    for_each_step(kb, stretch.n0, stretch.end, kb.lanes(), [&](Value* n) {
      Value* const column = kb.sub(n, stretch.n0);
      Value* const mask = kb.mask_below(kb.sub(stretch.end, n));
      Value* address = kb.at(from, kb.mul(column, kb.i64(kb.b_bytes())));
      Values of_group;
      for (std::int32_t i = 0; i < group; ++i) {
        of_group.push_back(address);
        address = kb.at(address, a.ldb_bytes);
      }
      kb.store(kb.at(to, kb.mul(column, kb.i64(4))),
               packed(group == 1 ? kb.load(of_group[0], mask) : kb.load_groups(of_group, mask)));
    });
  });
}

// Rows of C that scratch has for a group of panels, in whole vectors.
std::int64_t collected_rows(const KernelBuilder& kb) {
  const std::int64_t rows = panels_per_group(kb.spec()) * block_shape(kb.spec()).height;
  return (rows + kb.lanes() - 1) / kb.lanes() * kb.lanes();
}

void unpack_row_major_c(KernelBuilder& kb, const Stretch& stretch, Value* begin, Value* end) {
  finish_part(kb, {begin, end, stretch.n0, stretch.end},
              {collected_c_base(kb), kb.i64(tile_row_bytes(kb))});
}

// lanes rows of kTransposedColumns columns of scratch, as vectors along the rows; `from`: the first row's.
Values transposed_columns(KernelBuilder& kb, Value* from) {
  Values rows;
  for (int i = 0; i < kb.lanes(); ++i)
    rows.push_back(kb.at(from, i * tile_row_bytes(kb)));
  return load_four_columns(kb, rows, 0);
}

// Rows from `row` on of columns from n on.
void store_columns(KernelBuilder& kb, const Values& columns, Value* row, Value* end_row, Value* n,
                   Value* end_n) {
  const auto& a = kb.args();
  Value* const mask = kb.mask_below(kb.sub(end_row, row));
  Value* const row_bytes = kb.mul(row, kb.i64(kb.c_bytes()));
  const Terms terms = terms_of_rows(kb, row, mask);
  for (std::size_t t = 0; t < columns.size(); ++t) {
    Value* const column = kb.add(n, kb.i64(static_cast<std::int64_t>(t)));
    // Columns beyond the end go to the absorbing row: a branch here would make LLVM sink shuffles into it and spill.
    Value* const inside = kb.ir().CreateICmpSLT(column, end_n);
    Value* const in_c = kb.at(kb.at(a.c, kb.mul(column, a.ldc_bytes)), row_bytes);
    Value* const to = kb.ir().CreateSelect(inside, in_c, a.scratch);
    Value* result = kb.finished_sums(columns[t]);
    if (kb.spec().accumulate) result = kb.add_results(result, kb.load_result(to, mask));
    Value* const existing = kb.min(column, kb.sub(end_n, kb.i64(1)));
    kb.store_result(to, finish_in_registers(kb, result, in_column(kb, terms, existing)), mask);
  }
}

constexpr std::int64_t kLineBytes = kTransposedRows * 4;
constexpr std::int64_t kTransposedBytes = kTransposedColumns * kLineBytes;

// Rows [first, last), which `from` holds as rows, to the tile of sums as columns; with glu those of the other half
// behind them.
void transpose_sums(KernelBuilder& kb, Value* from, Value* first, Value* last) {
  for_each_step(kb, first, last, kb.lanes(), [&](Value* row) {
    Value* const before = kb.sub(row, first);
    Value* const rows = kb.at(from, kb.mul(before, kb.i64(tile_row_bytes(kb))));
    Value* const to = kb.at(sums_tile(kb), kb.mul(before, kb.i64(4)));
    for (int half = 0; half < kb.spec().epilogue.halves(); ++half) {
      Value* const of_half = half == 0 ? rows : kb.at(rows, collected_half_bytes(kb));
      const Values columns = transposed_columns(kb, of_half);
      for (std::size_t t = 0; t < columns.size(); ++t)
        kb.store(kb.at(to, static_cast<std::int64_t>(t) * kLineBytes + half * kTransposedBytes),
                 columns[t]);
    }
  });
}

// Rows [first, last) of columns from n on, which `from` holds as rows.
void unpack_columns(KernelBuilder& kb, Value* from, Value* first, Value* last, Value* n,
                    Value* end_n) {
  const auto transposed = [&](Value* row) {
    Value* const offset = kb.mul(kb.sub(row, first), kb.i64(tile_row_bytes(kb)));
    return transposed_columns(kb, kb.at(from, offset));
  };
  if (finishes_in_registers(kb.spec().epilogue)) {
    for_each_step(kb, first, last, kb.lanes(),
                  [&](Value* row) { store_columns(kb, transposed(row), row, last, n, end_n); });
    return;
  }
  transpose_sums(kb, from, first, last);
  Value* const last_n = kb.min(kb.add(n, kb.i64(kTransposedColumns)), end_n);
  finish_part(kb, {first, last, n, last_n},
              {sums_tile(kb), kb.i64(kLineBytes), false, kb.i64(kTransposedBytes)});
}

// Four columns at a time, down kTransposedRows rows, which stay in L1: a leading dimension of a power of two puts all
// columns of one row into the same few sets of L1, where more than four stores of one row in flight evict each other
// (16 x 16 tiles took 2.5 times as long).
static_assert(kTransposedColumns == 4, "load_four_columns");

void unpack_col_major_c(KernelBuilder& kb, const Stretch& stretch, Value* begin, Value* end) {
  for_each_step(kb, begin, end, kTransposedRows, [&](Value* first) {
    Value* const last = kb.min(kb.add(first, kb.i64(kTransposedRows)), end);
    Value* const rows =
        kb.at(collected_c_base(kb), kb.mul(kb.sub(first, begin), kb.i64(tile_row_bytes(kb))));
    for_each_step(kb, stretch.n0, stretch.end, kTransposedColumns, [&](Value* n) {
      Value* const from = kb.at(rows, kb.mul(kb.sub(n, stretch.n0), kb.i64(4)));
      unpack_columns(kb, from, first, last, n, stretch.end);
    });
  });
}

// Rows of a square: elements of a vector, which are lanes unless they are widened.
std::int64_t rows_of_square(const KernelBuilder& kb) {
  return widens(kb.spec()) ? kb.vector_bytes() / kb.b_bytes() : kb.lanes();
}

// One vector of a transposed square, to its row at `to`, or to as many as there are elements in a lane. Returns the address
// of the next row.
Value* store_transposed(KernelBuilder& kb, const TransposeCopy& copy, Value* vector, Value* to) {
  if (!widens(kb.spec())) {
    kb.store(to, copy.shifts ? kb.shift_bytes(vector) : vector);
    return kb.at(to, copy.row_bytes);
  }
  for (Value* const row : kb.split_widened(vector)) {
    kb.store(to, row);
    to = kb.at(to, copy.row_bytes);
  }
  return to;
}

// Squares of lanes; the last one is shifted back to end with the operand.
void transpose_squares(KernelBuilder& kb, const TransposeCopy& copy) {
  const std::int64_t square = rows_of_square(kb);
  const std::int64_t element_bytes = kb.lanes() * 4 / square;
  Value* const last_row = kb.sub(copy.rows, kb.i64(square));
  Value* const last_column = kb.sub(copy.columns, kb.i64(1));
  for_each_step(kb, kb.i64(0), copy.columns, kb.lanes(), [&](Value* n0) {
    Values columns;
    for (int t = 0; t < kb.lanes(); ++t) {
      Value* const n = kb.min(kb.add(n0, kb.i64(t)), last_column);
      columns.push_back(kb.at(copy.from, kb.mul(n, copy.ld_bytes)));
    }
    for_each_step(kb, kb.i64(0), copy.rows, square, [&](Value* start) {
      Value* const row = kb.min(start, last_row);
      Values from;
      for (Value* const column : columns)
        from.push_back(kb.at(column, kb.mul(row, kb.i64(element_bytes))));
      Value* to = kb.at(kb.at(copy.to, kb.mul(row, copy.row_bytes)), kb.mul(n0, kb.i64(4)));
      for (int quad = 0; quad < kb.lanes() / 4; ++quad)
        for (Value* const out : load_four_columns(kb, from, quad * 16LL))
          to = store_transposed(kb, copy, out, to);
    });
  });
}

// Fewer rows than a square: one by one.
void transpose_elements(KernelBuilder& kb, const TransposeCopy& copy) {
  for_each_step(kb, kb.i64(0), copy.columns, 1, [&](Value* n) {
    Value* const from = kb.at(copy.from, kb.mul(n, copy.ld_bytes));
    Value* const to = kb.at(copy.to, kb.mul(n, kb.i64(4)));
    for_each_step(kb, kb.i64(0), copy.rows, 1, [&](Value* row) {
      if (widens(kb.spec())) {
        kb.store_float(kb.at(to, kb.mul(row, copy.row_bytes)),
                       kb.load_widened_element(kb.at(from, kb.mul(row, kb.i64(kb.b_bytes())))));
        return;
      }
      Value* element = kb.broadcast(kb.at(from, kb.mul(row, kb.i64(4))));
      if (copy.shifts) element = kb.shift_bytes(element);
      kb.store_float(kb.at(to, kb.mul(row, copy.row_bytes)),
                     kb.ir().CreateExtractElement(element, kb.i64(0)));
    });
  });
}

// The sums of store_rows, with an epilogue that registers have no room for.
void store_rows_through_tile(KernelBuilder& kb, const Values& acc, const ColumnTile& tile,
                             const PanelRows& rows, int count) {
  Value* const sums = sums_tile(kb);
  for (std::size_t i = 0; i < acc.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / tile.vectors;
    const auto v = static_cast<std::int64_t>(i) % tile.vectors;
    kb.store(kb.at(sums, row * tile_row_bytes(kb) + v * kb.vector_bytes()), acc[i]);
  }
  Value* const skip = kb.max(rows.skip, kb.i64(0));
  const PartOfC part{kb.add(rows.first, skip), kb.add(rows.first, kb.i64(count)), tile.n0,
                     end_of_tile(kb, tile)};
  finish_part(kb, part,
              {kb.at(sums, kb.mul(skip, kb.i64(tile_row_bytes(kb)))), kb.i64(tile_row_bytes(kb))});
}

}  // namespace

DenseTile b_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().b, kb.mul(tile.n0, kb.i64(kb.b_bytes()))), kb.args().ldb_bytes, true};
}

DenseTile c_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().c, kb.mul(tile.n0, kb.i64(kb.c_bytes()))), kb.args().ldc_bytes, true};
}

RowsOfB all_rows_of_b(KernelBuilder& kb) {
  return {kb.i64(0), kb.args().rows_in};
}

DenseTile b_in_scratch(KernelBuilder& kb, const Stretch& stretch, const ColumnTile& tile,
                       const RowsOfB& packed) {
  Value* const columns = kb.mul(kb.sub(tile.n0, stretch.n0), kb.i64(4));
  Value* const rows = kb.mul(kb.groups_of(packed.begin), kb.i64(tile_row_bytes(kb)));
  return {kb.at(packed_b_base(kb, stretch), kb.sub(columns, rows)), kb.i64(tile_row_bytes(kb)),
          false};
}

DenseTile c_in_scratch(KernelBuilder& kb, const Stretch& stretch, const ColumnTile& tile,
                       Value* first_row) {
  Value* const columns = kb.mul(kb.sub(tile.n0, stretch.n0), kb.i64(4));
  Value* const rows = kb.mul(first_row, kb.i64(tile_row_bytes(kb)));
  return {kb.at(collected_c_base(kb), kb.sub(columns, rows)), kb.i64(tile_row_bytes(kb)), false};
}

Value* collected_half_bytes(KernelBuilder& kb) {
  return kb.i64(collected_rows(kb) * tile_row_bytes(kb));
}

DenseTile sums_in_scratch(KernelBuilder& kb) {
  return {sums_tile(kb), kb.i64(tile_row_bytes(kb)), false};
}

Value* staged_base(KernelBuilder& kb) {
  if (!kb.spec().schedule.pack) return packed_base(kb);  // nothing is
  Value* const c = collected_c_base(kb);
  if (kb.spec().schedule.strategy == Strategy::kScatter)
    return kb.at(c, kb.mul(kb.round_up_to_lanes(kb.args().rows_out), kb.i64(tile_row_bytes(kb))));
  if (kb.spec().layout_c != Layout::kColMajor) return c;
  return kb.at(c, kb.spec().epilogue.halves() * collected_rows(kb) * tile_row_bytes(kb));
}

void for_each_stretch(KernelBuilder& kb, const std::function<void(const Stretch&)>& body) {
  const std::int64_t width = static_cast<std::int64_t>(kb.spec().schedule.nv) * kb.lanes();
  for_each_step(kb, kb.args().n_begin, kb.args().n_end, width,
                [&](Value* n0) { body({n0, kb.min(kb.add(n0, kb.i64(width)), kb.args().n_end)}); });
}

void transpose_copy(KernelBuilder& kb, const TransposeCopy& copy) {
  Value* const fits = kb.ir().CreateICmpSGE(copy.rows, kb.i64(rows_of_square(kb)));
  kb.if_then(fits, [&] { transpose_squares(kb, copy); });
  kb.if_then(kb.ir().CreateNot(fits), [&] { transpose_elements(kb, copy); });
}

void pack_b(KernelBuilder& kb, const Stretch& stretch, const RowsOfB& rows) {
  if (kb.spec().layout_b == Layout::kColMajor)
    pack_col_major_b(kb, stretch, rows);
  else
    pack_row_major_b(kb, stretch, rows);
}

void unpack_c(KernelBuilder& kb, const Stretch& stretch, Value* begin, Value* end) {
  if (kb.spec().layout_c == Layout::kColMajor)
    unpack_col_major_c(kb, stretch, begin, end);
  else
    unpack_row_major_c(kb, stretch, begin, end);
}

void for_each_row(KernelBuilder& kb, const DenseTile& tile, Value* rows,
                  const std::function<void(Value* number, Value* address)>& body) {
  kb.loop(kb.i64(0), rows, 1, {tile.base}, Trip::kMayBeZero,
          [&](Value* number, const Values& p) -> Values {
            body(number, p[0]);
            return {kb.at(p[0], tile.row_bytes)};
          });
}

void store_rows(KernelBuilder& kb, const Values& acc, const ColumnTile& tile, const DenseTile& c,
                const PanelRows& rows, int count) {
  if (c.in_place && !finishes_in_registers(kb.spec().epilogue)) {
    store_rows_through_tile(kb, acc, tile, rows, count);
    return;
  }
  Value* pointer = kb.at(c.base, kb.mul(rows.first, c.row_bytes));
  const auto vectors = static_cast<std::size_t>(tile.vectors);
  for (int i = 0; i < count; ++i) {
    Value* const owned = kb.ir().CreateICmpSGE(kb.i64(i), rows.skip);
    Value* const to = kb.ir().CreateSelect(owned, pointer, kb.args().scratch);
    const Terms terms = c.in_place ? terms_of_row(kb, kb.add(rows.first, kb.i64(i))) : Terms{};
    for (int v = 0; v < tile.vectors; ++v) {
      Value* result = acc[static_cast<std::size_t>(i) * vectors + static_cast<std::size_t>(v)];
      if (!c.in_place) {
        kb.store(kb.at(to, v * kb.vector_bytes()), result);
        continue;
      }
      result = kb.finished_sums(result);
      Value* const address = kb.at(to, v * kb.lanes() * kb.c_bytes());
      Value* const mask = tile.mask_of(v);
      if (kb.spec().accumulate) result = kb.add_results(result, kb.load_result(address, mask));
      Value* const n = kb.add(tile.n0, kb.i64(std::int64_t{v} * kb.lanes()));
      kb.store_result(address, finish_in_registers(kb, result, in_columns(kb, terms, n, mask)),
                      mask);
    }
    pointer = kb.at(pointer, c.row_bytes);
  }
}

}  // namespace lacuna
