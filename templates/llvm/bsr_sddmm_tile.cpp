// SPDX-License-Identifier: Apache-2.0
//
// sddmm, A = B * C^T at A's blocks: vectors run along A's rows, C's elements are broadcast, the reduction runs over n.
// With packing, the rows of B of a block row are copied to scratch once (transposed from a row-major B), where
// they serve all its blocks, and a column-major C is transposed, kPackedColumns columns at a time so that the copy
// stays in L2 (as a whole it doubled the bytes of the call: 37 instead of 60 % of the FMA peak at density 0.05).
// Without, a column-major B is used in place.
//
// Scratch with packing, in floats (scratch_floats() in registry.cpp agrees; up() rounds up to whole vectors):
//   columns * up(r)               the panel of B, [n][r]; columns is kPackedColumns with packs_c(), else up(n)
//   up(rows_in) * kPackedRowOfC   with packs_c(): a stretch of C, [k][n]
//
// A tile is mr columns of one block, or, with one-column blocks, the columns of mr neighbouring blocks of the row.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/dense_tile.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/tile_loops.h"
#include "templates/problem.h"
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

// Rows [first, first + r) of B as vectors: vector v of column n is at base + (n - n0) * column_bytes + v *
// vector_bytes, where n0 begins the stretch of columns at hand.
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

// Fetches what the tile reads `kPrefetchColumns` columns of n later from operands that step by a leading dimension:
// such strides are too long for the hardware prefetchers, and the many loads of a line that is still on its way are
// each issued twice.
constexpr int kPrefetchColumns = 8;

// What the tiles of one panel and stretch read.
struct Operands {
  Stretch stretch;
  PanelOfB b;
  DenseC c;
  Value* add = nullptr;  // i1: values hold a sum to add to; null = never
};

// `vectors` vectors of the panel's rows, from row `sub` on.
struct RowSlice {
  Value* sub = nullptr;  // i64
  int vectors = 1;
  Value* last_mask = nullptr;  // of the last vector; null = whole
};

void prefetch_column(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                     const RowsOfC& rows, const Values& pointers) {
  if (kb.spec().schedule.pack) return;
  const auto ahead = [&](Value* stride) { return kb.mul(stride, kb.i64(kPrefetchColumns)); };
  for (int v = 0; v < slice.vectors; ++v)
    kb.prefetch(kb.at(kb.at(pointers.back(), ahead(in.b.column_bytes)), v * kb.vector_bytes()));
  const bool neighbours = kb.spec().layout_c == Layout::kColMajor && bsr_of(kb).c > 1;
  if (!neighbours) return;
  constexpr std::int64_t kLineBytes = 64;
  const std::int64_t bytes = 4LL * static_cast<std::int64_t>(rows.offsets.size());
  for (std::int64_t offset = 0; offset < bytes; offset += kLineBytes)
    kb.prefetch(kb.at(kb.at(pointers[0], ahead(kb.args().ldc_bytes)), offset));
}

Value* load_of_panel(KernelBuilder& kb, const Operands& in, const RowSlice& slice, Value* column,
                     int v) {
  const bool last = v == slice.vectors - 1;
  return kb.load(kb.at(column, v * kb.vector_bytes()),
                 last && !in.b.padded ? slice.last_mask : nullptr);
}

Value* address_of_scalar(KernelBuilder& kb, const RowsOfC& rows, const Values& pointers, int i) {
  const auto index = static_cast<std::size_t>(i);
  const auto pointer = index / static_cast<std::size_t>(rows.per_pointer);
  return kb.at(pointers[pointer], rows.offsets[index]);
}

// One tile: a slice of the panel times the rows of C, summed over the stretch. With groups_columns, ku columns go
// scalar by scalar: a tile may have more rows of C than there are registers for their addresses, and
// loads each once a group.
Values reduce_tile(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                   const RowsOfC& rows) {
  const std::size_t count = rows.offsets.size();
  const RegisterTile registers{static_cast<int>(count), slice.vectors};
  const Values zeros(count * static_cast<std::size_t>(slice.vectors), kb.zero());
  std::vector<ReductionPointer> streams = rows.pointers;
  streams.push_back({kb.at(in.b.base, kb.mul(slice.sub, kb.i64(4))), in.b.column_bytes});
  Value* const columns = kb.sub(in.stretch.end, in.stretch.n0);
  const std::int64_t ku = kb.spec().schedule.ku;
  if (!groups_columns(kb.spec()))
    return reduce_n(kb, columns, streams, zeros, ku, [&](const Values& acc, const Values& p) {
      prefetch_column(kb, in, slice, rows, p);
      return outer_product(
          kb, registers, acc, [&](int v) { return load_of_panel(kb, in, slice, p.back(), v); },
          [&](int i) { return kb.broadcast(address_of_scalar(kb, rows, p, i)); });
    });
  return reduce_n_in_groups(
      kb, columns, streams, zeros, ku, [&](const Values& acc, const Values& p, std::int64_t steps) {
        prefetch_column(kb, in, slice, rows, p);
        return outer_products(
            kb, registers.scalars, steps, acc,
            [&](std::int64_t step) {
              Value* const column = kb.at(p.back(), kb.mul(in.b.column_bytes, kb.i64(step)));
              return load_of_panel(kb, in, slice, column, 0);
            },
            [&](int i) { return address_of_scalar(kb, rows, p, i); });
      });
}

// Stores the accumulators of scalar i, or adds them to what the values hold, at `to`.
void store_column(KernelBuilder& kb, const Operands& in, const RowSlice& slice, const Values& acc,
                  int i, Value* to) {
  for (int v = 0; v < slice.vectors; ++v) {
    Value* const mask = v == slice.vectors - 1 ? slice.last_mask : nullptr;
    Value* const address = kb.at(to, v * kb.vector_bytes());
    Value* sum = acc[static_cast<std::size_t>(i) * static_cast<std::size_t>(slice.vectors) +
                     static_cast<std::size_t>(v)];
    if (in.add != nullptr) {
      Value* const all = kb.ir().CreateVectorSplat(static_cast<unsigned>(kb.lanes()), in.add);
      sum = kb.fadd(sum, kb.load(address, kb.mask_and(mask, all)));
    }
    kb.store(address, sum, mask);
  }
}

// All vectors of a block's rows, nv at a time.
void for_each_row_slice(KernelBuilder& kb, const std::function<void(const RowSlice&)>& body) {
  const int r = bsr_of(kb).r;
  const int nv = kb.spec().schedule.nv;
  const int step = nv * kb.lanes();
  const int whole = r / step * step;
  if (whole > 0)
    for_each_step(kb, kb.i64(0), kb.i64(whole), step,
                  [&](Value* sub) { body({sub, nv, nullptr}); });
  if (whole == r) return;
  const int vectors = (r - whole + kb.lanes() - 1) / kb.lanes();
  const int last = r - whole - (vectors - 1) * kb.lanes();
  body({kb.i64(whole), vectors, last == kb.lanes() ? nullptr : kb.mask_below(kb.i64(last))});
}

void compute_wide_block(KernelBuilder& kb, const Operands& in, Value* entry) {
  const std::int64_t r = bsr_of(kb).r;
  const int c = bsr_of(kb).c;
  const int mr = std::min(kb.spec().schedule.mr, c);
  Value* const origin = kb.load_i32(kb.args().origin, entry);
  Value* const block = kb.at(kb.args().values, kb.mul(entry, kb.i64(4 * r * c)));
  const auto compute_columns = [&](Value* column, int count) {
    for_each_row_slice(kb, [&](const RowSlice& slice) {
      const RowsOfC rows = neighbouring_rows(kb, in.c, kb.add(origin, column), count);
      const Values acc = reduce_tile(kb, in, slice, rows);
      Value* to = kb.at(block, kb.add(kb.mul(column, kb.i64(4 * r)), kb.mul(slice.sub, kb.i64(4))));
      for (int i = 0; i < count; ++i)
        store_column(kb, in, slice, acc, i, kb.at(to, i * r * 4));
    });
  };
  const int whole = c / mr * mr;
  for_each_step(kb, kb.i64(0), kb.i64(whole), mr,
                [&](Value* column) { compute_columns(column, mr); });
  if (whole < c) compute_columns(kb.i64(whole), c - whole);
}

// One-column blocks entry .. entry + mr - 1, those from `end` on computed but not stored.
void compute_column_blocks(KernelBuilder& kb, const Operands& in, Value* entry, Value* end) {
  const std::int64_t r = bsr_of(kb).r;
  const int mr = kb.spec().schedule.mr;
  for_each_row_slice(kb, [&](const RowSlice& slice) {
    const RowsOfC rows = rows_of_entries(kb, in.c, entry, kb.sub(end, kb.i64(1)), mr);
    const Values acc = reduce_tile(kb, in, slice, rows);
    for (int i = 0; i < mr; ++i) {
      Value* const number = kb.add(entry, kb.i64(i));
      kb.if_then(kb.ir().CreateICmpSLT(number, end), [&] {
        Value* const block = kb.at(kb.args().values, kb.mul(number, kb.i64(r * 4)));
        store_column(kb, in, slice, acc, i, kb.at(block, kb.mul(slice.sub, kb.i64(4))));
      });
    }
  });
}

// i1: the values hold the sum of earlier stretches, or what the caller accumulates to.
Value* something_to_add(KernelBuilder& kb, const Stretch& stretch) {
  if (kb.spec().accumulate) return kb.ir().getTrue();
  if (!packs_c(kb.spec())) return nullptr;
  return kb.ir().CreateICmpSGT(stretch.n0, kb.args().n_begin);
}

void compute_stretch(KernelBuilder& kb, const Stretch& stretch) {
  Value* const add = something_to_add(kb, stretch);
  const DenseC c = dense_c(kb, stretch);
  for_each_panel(kb, [&](Value* panel) {
    Value* const begin = kb.load_i64(kb.args().ptr, panel);
    Value* const end = kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1)));
    kb.if_then(kb.ir().CreateICmpSLT(begin, end), [&] {
      const PanelOfB b = panel_of_b(kb, stretch, panel_rows(kb, panel, bsr_of(kb).r).first);
      const Operands in{stretch, b, c, add};
      const bool one_column = bsr_of(kb).c == 1;
      for_each_step(kb, begin, end, one_column ? kb.spec().schedule.mr : 1, [&](Value* entry) {
        if (one_column)
          compute_column_blocks(kb, in, entry, end);
        else
          compute_wide_block(kb, in, entry);
      });
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
