// SPDX-License-Identifier: Apache-2.0
//
// sddmm, A = B * C^T at A's blocks: vectors run along A's rows, C's elements are broadcast, the reduction runs over n.
// With packing, the rows of B of a block row are copied to scratch once ([n][r], transposed from a row-major B), where they
// serve all its blocks, and a column-major C is transposed, kPackedColumns columns at a time so that the copy stays in L2
// (as a whole it doubled the bytes of the call: 37 instead of 60 % of the FMA peak at density 0.05). Without, a
// column-major B is used in place.
//
// A tile is mr columns of one block, or, with one-column blocks, the columns of mr neighbouring blocks of the row.
#include "templates/llvm/bodies.h"
#include "templates/llvm/dense_tile.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/tile_loops.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

const Bsr& bsr_of(const KernelBuilder& kb) {
  return std::get<Bsr>(kb.spec().format);
}

// Rows of a panel rounded up to whole vectors.
std::int64_t padded_rows(const KernelBuilder& kb) {
  return (bsr_of(kb).r + kb.lanes() - 1) / kb.lanes() * static_cast<std::int64_t>(kb.lanes());
}

// Rows [first, first + r) of B as vectors: vector v of column n is at base + (n - n0) * column_bytes + v * vector_bytes,
// where n0 begins the stretch of columns at hand.
struct PanelOfB {
  Value* base = nullptr;
  Value* column_bytes = nullptr;
  bool padded = false;  // whole vectors may be read
};

// [n][r] from a row-major B.
PanelOfB transpose_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  Value* const column_bytes = kb.i64(padded_rows(kb) * 4);
  Value* const start =
      kb.at(a.b, kb.add(kb.mul(first, a.ldb_bytes), kb.mul(stretch.n0, kb.i64(4))));
  transpose_copy(kb, {start, a.ldb_bytes, kb.sub(stretch.end, stretch.n0), kb.i64(bsr_of(kb).r),
                      a.scratch, column_bytes});
  return {a.scratch, column_bytes, true};
}

// Element (first, stretch.n0) of a column-major B.
Value* first_of_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  return kb.at(a.b, kb.add(kb.mul(first, kb.i64(4)), kb.mul(stretch.n0, a.ldb_bytes)));
}

// [n][r] from a column-major B; the lanes beyond r are zero.
PanelOfB copy_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  const int r = bsr_of(kb).r;
  kb.loop(stretch.n0, stretch.end, 1, {first_of_panel(kb, stretch, first), a.scratch},
          Trip::kMayBeZero, [&](Value*, const Values& p) -> Values {
            for (int row = 0; row < r; row += kb.lanes()) {
              Value* const mask = r - row < kb.lanes() ? kb.mask_below(kb.i64(r - row)) : nullptr;
              kb.store(kb.at(p[1], row * 4LL), kb.load(kb.at(p[0], row * 4LL), mask));
            }
            return {kb.at(p[0], a.ldb_bytes), kb.at(p[1], padded_rows(kb) * 4)};
          });
  return {a.scratch, kb.i64(padded_rows(kb) * 4), true};
}

PanelOfB panel_of_b(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  if (!kb.spec().schedule.pack)
    return {first_of_panel(kb, stretch, first), kb.args().ldb_bytes,
            bsr_of(kb).r % kb.lanes() == 0};
  return kb.spec().layout_b == Layout::kRowMajor ? transpose_panel(kb, stretch, first)
                                                 : copy_panel(kb, stretch, first);
}

// C as the tiles read it: element (k, n) is at base + k * row_bytes + (n - n0) * column_bytes.
struct DenseC {
  Value* base = nullptr;
  Value* row_bytes = nullptr;
  Value* column_bytes = nullptr;
  bool rows_reachable =
      false;  // row_bytes is a small constant: displacements reach all rows of a tile
};

DenseC dense_c(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  if (kb.spec().layout_c == Layout::kRowMajor)
    return {kb.at(a.c, kb.mul(stretch.n0, kb.i64(4))), a.ldc_bytes, kb.i64(4), false};
  Value* const start = kb.at(a.c, kb.mul(stretch.n0, a.ldc_bytes));
  if (!packs_c(kb.spec())) return {start, kb.i64(4), a.ldc_bytes, true};
  Value* const to = kb.at(a.scratch, kPackedColumns * padded_rows(kb) * 4);
  Value* const row_bytes = kb.i64(kPackedRowOfC * 4);
  transpose_copy(kb,
                 {start, a.ldc_bytes, a.rows_in, kb.sub(stretch.end, stretch.n0), to, row_bytes});
  return {to, row_bytes, kb.i64(4), true};
}

// The broadcast side of a tile: `count` rows of C. Scalar i of column n is at pointers[i / per_pointer] +
// offset(i) + n * step.
struct RowsOfC {
  std::vector<ReductionPointer> pointers;
  std::vector<Value*> offsets;  // bytes, per scalar
  int per_pointer = 1;
};

// Rows first .. first + count - 1 of C.
RowsOfC neighbouring_rows(KernelBuilder& kb, const DenseC& c, Value* first, int count) {
  RowsOfC rows;
  // One pointer where displacements reach all rows; else one for three: x86 addresses reach base + {0, 1, 2} * ld.
  rows.per_pointer = c.rows_reachable ? count : 3;
  for (int i = 0; i < count; i += rows.per_pointer) {
    Value* const start = kb.at(c.base, kb.mul(kb.add(first, kb.i64(i)), c.row_bytes));
    rows.pointers.push_back({start, c.column_bytes});
  }
  for (int i = 0; i < count; ++i)
    rows.offsets.push_back(kb.mul(c.row_bytes, kb.i64(i % rows.per_pointer)));
  return rows;
}

// The rows of C that entries entry .. entry + count - 1 meet; beyond `last` the last one again.
RowsOfC rows_of_entries(KernelBuilder& kb, const DenseC& c, Value* entry, Value* last, int count) {
  RowsOfC rows;
  rows.per_pointer = count;
  rows.pointers.push_back({c.base, c.column_bytes});
  for (int i = 0; i < count; ++i) {
    Value* const number = kb.min(kb.add(entry, kb.i64(i)), last);
    rows.offsets.push_back(kb.mul(kb.load_i32(kb.args().origin, number), c.row_bytes));
  }
  return rows;
}

// Fetches what the tile reads `kPrefetchColumns` columns of n later from operands that step by a leading dimension: such
// strides are too long for the hardware prefetchers, and the many loads of a line that is still on its way are each
// issued twice.
constexpr int kPrefetchColumns = 8;

void prefetch_column(KernelBuilder& kb, const PanelOfB& b, int vectors, const RowsOfC& rows,
                     const Values& pointers, std::int64_t step) {
  if (kb.spec().schedule.pack) return;
  const auto ahead = [&](Value* stride) { return kb.mul(stride, kb.i64(step + kPrefetchColumns)); };
  for (int v = 0; v < vectors; ++v)
    kb.prefetch(kb.at(kb.at(pointers.back(), ahead(b.column_bytes)), v * kb.vector_bytes()));
  const bool neighbours = kb.spec().layout_c == Layout::kColMajor && bsr_of(kb).c > 1;
  if (!neighbours) return;
  constexpr std::int64_t kLineBytes = 64;
  const std::int64_t bytes = 4LL * static_cast<std::int64_t>(rows.offsets.size());
  for (std::int64_t offset = 0; offset < bytes; offset += kLineBytes)
    kb.prefetch(kb.at(kb.at(pointers[0], ahead(kb.args().ldc_bytes)), offset));
}

// One tile: nv vectors of the panel from row `sub` on, times the rows of C, summed over the stretch. Where n is contiguous
// in C, a group of ku columns goes scalar by scalar: a tile may have more rows of C than there are registers for their
// addresses, and loads each address once a group.
Values reduce_tile(KernelBuilder& kb, const Stretch& stretch, const PanelOfB& b, Value* sub,
                   int vectors, Value* last_mask, const RowsOfC& rows) {
  const int count = static_cast<int>(rows.offsets.size());
  const RegisterTile registers{count, vectors};
  const Values zeros(static_cast<std::size_t>(count * vectors), kb.zero());
  std::vector<ReductionPointer> streams = rows.pointers;
  streams.push_back({kb.at(b.base, kb.mul(sub, kb.i64(4))), b.column_bytes});
  const auto vector = [&](const Values& p, std::int64_t step, int v) {
    Value* const column = kb.at(p.back(), kb.mul(b.column_bytes, kb.i64(step)));
    return kb.load(kb.at(column, v * kb.vector_bytes()),
                   v == vectors - 1 && !b.padded ? last_mask : nullptr);
  };
  const auto row_address = [&](const Values& p, int i) {
    const auto index = static_cast<std::size_t>(i);
    return kb.at(p[index / static_cast<std::size_t>(rows.per_pointer)], rows.offsets[index]);
  };
  return reduce_n_in_groups(
      kb, kb.sub(stretch.end, stretch.n0), streams, zeros, kb.spec().schedule.ku,
      [&](Values acc, const Values& p, std::int64_t steps) {
        for (std::int64_t step = 0; step < steps; ++step)
          prefetch_column(kb, b, vectors, rows, p, step);
        if (groups_columns(kb.spec()))
          return outer_products(
              kb, count, steps, acc, [&](std::int64_t step) { return vector(p, step, 0); },
              [&](int i) { return row_address(p, i); });
        for (std::int64_t step = 0; step < steps; ++step)
          acc = outer_product(
              kb, registers, acc, [&](int v) { return vector(p, step, v); },
              [&](int i) {
                Value* const column = kb.mul(rows.pointers[0].stride, kb.i64(step));
                return kb.broadcast(kb.at(row_address(p, i), column));
              });
        return acc;
      });
}

// Adds accumulators of scalar i to `vectors` vectors of values at `to`, which count from the second stretch on, or from the
// first when the kernel accumulates.
struct ValueStore {
  int vectors = 1;
  Value* last_mask = nullptr;  // of the last vector; null = whole
  Value* add = nullptr;        // i1: there is something to add to
};

void store_column(KernelBuilder& kb, const ValueStore& store, const Values& acc, int i, Value* to) {
  Value* const all = kb.ir().CreateVectorSplat(static_cast<unsigned>(kb.lanes()), store.add);
  for (int v = 0; v < store.vectors; ++v) {
    Value* const mask = v == store.vectors - 1 ? store.last_mask : nullptr;
    Value* const address = kb.at(to, v * kb.vector_bytes());
    Value* const sum = acc[static_cast<std::size_t>(i * store.vectors + v)];
    Value* const before = kb.load(address, kb.mask_and(mask, all));
    kb.store(address, kb.fadd(sum, before), mask);
  }
}

// All vectors of a block's rows, nv at a time: body(sub, vectors, mask of the last vector or null).
void for_each_row_slice(KernelBuilder& kb,
                        const std::function<void(Value* sub, int vectors, Value* mask)>& body) {
  const int r = bsr_of(kb).r;
  const int step = kb.spec().schedule.nv * kb.lanes();
  const int whole = r / step * step;
  if (whole > 0)
    kb.loop(kb.i64(0), kb.i64(whole), step, {}, Trip::kAtLeastOne,
            [&](Value* sub, const Values&) -> Values {
              body(sub, kb.spec().schedule.nv, nullptr);
              return {};
            });
  if (whole == r) return;
  const int vectors = (r - whole + kb.lanes() - 1) / kb.lanes();
  const int last = r - whole - (vectors - 1) * kb.lanes();
  body(kb.i64(whole), vectors, last == kb.lanes() ? nullptr : kb.mask_below(kb.i64(last)));
}

// What the tiles of one panel and stretch read.
struct Operands {
  Stretch stretch;
  PanelOfB b;
  DenseC c;
  Value* add = nullptr;  // i1: values hold a sum to add to
};

void compute_wide_blocks(KernelBuilder& kb, const Operands& in, Value* begin, Value* end) {
  const Bsr& bsr = bsr_of(kb);
  const int mr = std::min(kb.spec().schedule.mr, bsr.c);
  for_each_step(kb, begin, end, 1, [&](Value* entry) {
    Value* const origin = kb.load_i32(kb.args().origin, entry);
    Value* const block = kb.at(kb.args().values, kb.mul(entry, kb.i64(4LL * bsr.r * bsr.c)));
    const auto compute_columns = [&](Value* column, int count) {
      for_each_row_slice(kb, [&](Value* sub, int vectors, Value* mask) {
        const RowsOfC rows = neighbouring_rows(kb, in.c, kb.add(origin, column), count);
        const Values acc = reduce_tile(kb, in.stretch, in.b, sub, vectors, mask, rows);
        Value* to =
            kb.at(block, kb.add(kb.mul(column, kb.i64(bsr.r * 4LL)), kb.mul(sub, kb.i64(4))));
        for (int i = 0; i < count; ++i)
          store_column(kb, {vectors, mask, in.add}, acc, i, kb.at(to, i * bsr.r * 4LL));
      });
    };
    const int whole = bsr.c / mr * mr;
    for_each_step(kb, kb.i64(0), kb.i64(whole), mr,
                  [&](Value* column) { compute_columns(column, mr); });
    if (whole < bsr.c) compute_columns(kb.i64(whole), bsr.c - whole);
  });
}

void compute_column_blocks(KernelBuilder& kb, const Operands& in, Value* begin, Value* end) {
  const Bsr& bsr = bsr_of(kb);
  const int mr = kb.spec().schedule.mr;
  for_each_step(kb, begin, end, mr, [&](Value* entry) {
    for_each_row_slice(kb, [&](Value* sub, int vectors, Value* mask) {
      const RowsOfC rows = rows_of_entries(kb, in.c, entry, kb.sub(end, kb.i64(1)), mr);
      const Values acc = reduce_tile(kb, in.stretch, in.b, sub, vectors, mask, rows);
      for (int i = 0; i < mr; ++i) {
        Value* const number = kb.add(entry, kb.i64(i));
        kb.if_then(kb.ir().CreateICmpSLT(number, end), [&] {
          Value* const block = kb.at(kb.args().values, kb.mul(number, kb.i64(bsr.r * 4LL)));
          store_column(kb, {vectors, mask, in.add}, acc, i, kb.at(block, kb.mul(sub, kb.i64(4))));
        });
      }
    });
  });
}

void compute_stretch(KernelBuilder& kb, const Stretch& stretch) {
  Value* const later = kb.ir().CreateICmpSGT(stretch.n0, kb.args().n_begin);
  Value* const add = kb.spec().accumulate ? kb.ir().getTrue() : later;
  const DenseC c = dense_c(kb, stretch);
  for_each_panel(kb, [&](Value* panel) {
    Value* const begin = kb.load_i64(kb.args().ptr, panel);
    Value* const end = kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1)));
    kb.if_then(kb.ir().CreateICmpSLT(begin, end), [&] {
      const PanelOfB b = panel_of_b(kb, stretch, panel_rows(kb, panel, bsr_of(kb).r).first);
      const Operands in{stretch, b, c, add};
      if (bsr_of(kb).c == 1)
        compute_column_blocks(kb, in, begin, end);
      else
        compute_wide_blocks(kb, in, begin, end);
    });
  });
}

}  // namespace

void emit_sddmm_tile(KernelBuilder& kb) {
  const auto& a = kb.args();
  if (!packs_c(kb.spec())) {
    compute_stretch(kb, {a.n_begin, a.n_end});
    return;
  }
  for_each_step(kb, a.n_begin, a.n_end, kPackedColumns, [&](Value* n0) {
    compute_stretch(kb, {n0, kb.min(kb.add(n0, kb.i64(kPackedColumns)), a.n_end)});
  });
}

}  // namespace lacuna
