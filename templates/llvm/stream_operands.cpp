// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/stream_operands.h"

#include <cstddef>
#include <cstdint>

#include "templates/llvm/nm_pack.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/transpose.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

constexpr std::int64_t kTogether = 4;  // columns of a transpose

Value* column_bytes(KernelBuilder& kb) {
  Value* const lines = kb.ir().CreateSDiv(kb.add(kb.args().rows_in, kb.i64(2 * kLineFloats - 1)),
                                          kb.i64(kLineFloats));
  return kb.mul(lines, kb.i64(kLineFloats * 4));
}

Value* packed_columns(KernelBuilder& kb, const StreamShape& shape) {
  return kb.at(collected_panels(kb),
               collected_columns(kb.spec().schedule.mr) * shape.collected * 4);
}

// A single column with a leading dimension of 1 is contiguous.
Value* is_contiguous(KernelBuilder& kb) {
  return kb.ir().CreateICmpEQ(kb.args().ldb_bytes, kb.i64(4));
}

// Rows [begin, end) of one column, one by one.
void copy_elements(KernelBuilder& kb, Value* from, Value* to, Value* begin, Value* end) {
  for_each_step(kb, begin, end, 1, [&](Value* k) {
    kb.store_float(kb.at(to, kb.mul(k, kb.i64(4))),
                   kb.load_float(kb.at(from, kb.mul(k, kb.args().ldb_bytes))));
  });
}

// Four columns: squares of as many rows as a vector has lanes, then the rest.
void copy_four(KernelBuilder& kb, Value* from, Value* to, Value* whole) {
  for_each_step(kb, kb.i64(0), whole, kb.lanes(), [&](Value* k) {
    Values rows;
    for (int i = 0; i < kb.lanes(); ++i)
      rows.push_back(kb.at(from, kb.mul(kb.add(k, kb.i64(i)), kb.args().ldb_bytes)));
    const Values columns = load_four_columns(kb, rows, 0);
    Value* line = kb.at(to, kb.mul(k, kb.i64(4)));
    for (Value* const column : columns) {
      kb.store(line, column);
      line = kb.at(line, column_bytes(kb));
    }
  });
}

}  // namespace

Value* collected_panels(KernelBuilder& kb) {
  return kb.at(rows_on_their_way(kb),
               (sums_tile_floats(kb.spec(), kb.lanes()) + kRowsBeforeCollected) * 4);
}

void pack_columns(KernelBuilder& kb, const StreamShape& shape, const Stretch& stretch) {
  const auto& a = kb.args();
  Value* const between = column_bytes(kb);
  const auto from = [&](Value* n) { return kb.at(a.b, kb.mul(n, kb.i64(4))); };
  const auto to = [&](Value* n) {
    return kb.at(packed_columns(kb, shape), kb.mul(kb.sub(n, stretch.n0), between));
  };
  kb.if_then(kb.ir().CreateNot(is_contiguous(kb)), [&] {
    Value* const fours = kb.ir().CreateSDiv(kb.sub(stretch.end, stretch.n0), kb.i64(kTogether));
    Value* const in_fours = kb.add(stretch.n0, kb.mul(fours, kb.i64(kTogether)));
    Value* const squares = kb.ir().CreateSDiv(a.rows_in, kb.i64(kb.lanes()));
    Value* const whole = kb.mul(squares, kb.i64(kb.lanes()));
    for_each_step(kb, stretch.n0, in_fours, kTogether,
                  [&](Value* n) { copy_four(kb, from(n), to(n), whole); });
    for_each_step(kb, stretch.n0, stretch.end, 1, [&](Value* n) {
      Value* const in_square = kb.ir().CreateICmpSLT(n, in_fours);
      Value* const begin = kb.ir().CreateSelect(in_square, whole, kb.i64(0));
      copy_elements(kb, from(n), to(n), begin, a.rows_in);
    });
  });
}

StreamedB streamed_b(KernelBuilder& kb, const StreamShape& shape, const Stretch& stretch,
                     Value* n0) {
  const auto& a = kb.args();
  auto& ir = kb.ir();
  const bool by_row = kb.spec().layout_b == Layout::kRowMajor;
  StreamedB b{a.b, by_row ? a.ldb_bytes : kb.i64(4), {}};
  Value* step = by_row ? kb.i64(4) : a.ldb_bytes;
  Value* first = kb.i64(0);  // the column that lies at `base`
  if (kb.spec().schedule.pack) {
    Value* const in_place = is_contiguous(kb);
    b.base = ir.CreateSelect(in_place, a.b, packed_columns(kb, shape));
    b.row_bytes = kb.i64(4);
    step = ir.CreateSelect(in_place, step, column_bytes(kb));
    first = ir.CreateSelect(in_place, first, stretch.n0);
  }
  Value* const last = kb.sub(stretch.end, kb.i64(1));
  for (int j = 0; j < kb.spec().schedule.mr; ++j) {
    Value* const n = kb.min(kb.add(n0, kb.i64(j)), last);
    b.columns.push_back(kb.mul(kb.sub(n, first), step));
  }
  return b;
}

}  // namespace lacuna
