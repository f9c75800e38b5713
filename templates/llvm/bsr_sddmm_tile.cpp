// SPDX-License-Identifier: Apache-2.0
//
// sddmm, A = B * C^T at A's blocks: vectors run along A's rows, C's elements are broadcast, the reduction runs over n.
// With packing, the rows of B of a block row are copied to scratch once ([n][r], transposed from a row-major B), where they
// serve all its blocks; without, a column-major B is used in place. One-column blocks would touch a line of a column-major
// C per element: with packing, C is first transposed as a whole (packs_c in registry.h).
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

// Rows [first, first + r) of B as vectors: vector v of column n is at base + n * column_bytes + v * vector_bytes, where
// n counts from n_begin.
struct PanelOfB {
  Value* base = nullptr;
  Value* column_bytes = nullptr;
  bool padded = false;  // whole vectors may be read
};

// [n][r] from a row-major B.
PanelOfB transpose_panel(KernelBuilder& kb, Value* first) {
  const auto& a = kb.args();
  Value* const column_bytes = kb.i64(padded_rows(kb) * 4);
  Value* const start = kb.at(a.b, kb.add(kb.mul(first, a.ldb_bytes), kb.mul(a.n_begin, kb.i64(4))));
  transpose_copy(kb, {start, a.ldb_bytes, kb.sub(a.n_end, a.n_begin), kb.i64(bsr_of(kb).r),
                      a.scratch, column_bytes});
  return {a.scratch, column_bytes, true};
}

// [n][r] from a column-major B; the lanes beyond r are zero.
PanelOfB copy_panel(KernelBuilder& kb, Value* first) {
  const auto& a = kb.args();
  const int r = bsr_of(kb).r;
  Value* const start = kb.at(a.b, kb.add(kb.mul(first, kb.i64(4)), kb.mul(a.n_begin, a.ldb_bytes)));
  kb.loop(kb.i64(0), kb.sub(a.n_end, a.n_begin), 1, {start, a.scratch}, Trip::kMayBeZero,
          [&](Value*, const Values& p) -> Values {
            for (int row = 0; row < r; row += kb.lanes()) {
              Value* const mask = r - row < kb.lanes() ? kb.mask_below(kb.i64(r - row)) : nullptr;
              kb.store(kb.at(p[1], row * 4LL), kb.load(kb.at(p[0], row * 4LL), mask));
            }
            return {kb.at(p[0], a.ldb_bytes), kb.at(p[1], padded_rows(kb) * 4)};
          });
  return {a.scratch, kb.i64(padded_rows(kb) * 4), true};
}

PanelOfB panel_of_b(KernelBuilder& kb, Value* first) {
  const bool row_major = kb.spec().layout_b == Layout::kRowMajor;
  if (kb.spec().schedule.pack)
    return row_major ? transpose_panel(kb, first) : copy_panel(kb, first);
  const auto& a = kb.args();
  Value* const start = kb.at(a.b, kb.add(kb.mul(first, kb.i64(4)), kb.mul(a.n_begin, a.ldb_bytes)));
  return {start, a.ldb_bytes, bsr_of(kb).r % kb.lanes() == 0};
}

// C as the tiles read it: element (k, n) is at base + k * row_bytes + (n - n_begin) * column_bytes.
struct DenseC {
  Value* base = nullptr;
  Value* row_bytes = nullptr;
  Value* column_bytes = nullptr;
  bool rows_contiguous = false;  // row_bytes is 4: a tile's rows lie side by side
};

DenseC dense_c(KernelBuilder& kb) {
  const auto& a = kb.args();
  if (kb.spec().layout_c == Layout::kRowMajor)
    return {kb.at(a.c, kb.mul(a.n_begin, kb.i64(4))), a.ldc_bytes, kb.i64(4), false};
  Value* const start = kb.at(a.c, kb.mul(a.n_begin, a.ldc_bytes));
  if (!packs_c(kb.spec())) return {start, kb.i64(4), a.ldc_bytes, true};
  Value* const columns = kb.sub(a.n_end, a.n_begin);
  Value* const padded = kb.round_up_to_lanes(columns);
  Value* const to = kb.at(a.scratch, kb.mul(padded, kb.i64(padded_rows(kb) * 4)));
  Value* const row_bytes = kb.mul(padded, kb.i64(4));
  transpose_copy(kb, {start, a.ldc_bytes, a.rows_in, columns, to, row_bytes});
  return {to, row_bytes, kb.i64(4), false};
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
  rows.per_pointer = c.rows_contiguous ? count : 3;
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

void prefetch_columns(KernelBuilder& kb, const PanelOfB& b, int vectors, const RowsOfC& rows,
                      const Values& pointers) {
  const auto ahead = [&](Value* stride) { return kb.mul(stride, kb.i64(kPrefetchColumns)); };
  if (!kb.spec().schedule.pack)
    for (int v = 0; v < vectors; ++v)
      kb.prefetch(kb.at(kb.at(pointers.back(), ahead(b.column_bytes)), v * kb.vector_bytes()));
  const bool neighbours = kb.spec().layout_c == Layout::kColMajor && bsr_of(kb).c > 1;
  if (!neighbours) return;
  constexpr std::int64_t kLineBytes = 64;
  const std::int64_t bytes = 4LL * static_cast<std::int64_t>(rows.offsets.size());
  for (std::int64_t offset = 0; offset < bytes; offset += kLineBytes)
    kb.prefetch(kb.at(kb.at(pointers[0], ahead(kb.args().ldc_bytes)), offset));
}

// One tile: nv vectors of the panel from row `sub` on, times the rows of C, summed over n.
Values reduce_tile(KernelBuilder& kb, const PanelOfB& b, Value* sub, int vectors, Value* last_mask,
                   const RowsOfC& rows) {
  const int count = static_cast<int>(rows.offsets.size());
  const RegisterTile registers{count, vectors};
  const Values zeros(static_cast<std::size_t>(count * vectors), kb.zero());
  std::vector<ReductionPointer> streams = rows.pointers;
  streams.push_back({kb.at(b.base, kb.mul(sub, kb.i64(4))), b.column_bytes});
  return reduce_n(
      kb, kb.sub(kb.args().n_end, kb.args().n_begin), streams, zeros, kb.spec().schedule.ku,
      [&](const Values& acc, const Values& p) {
        prefetch_columns(kb, b, vectors, rows, p);
        return outer_product(
            kb, registers, acc,
            [&](int v) {
              return kb.load(kb.at(p.back(), v * kb.vector_bytes()),
                             v == vectors - 1 && !b.padded ? last_mask : nullptr);
            },
            [&](int i) {
              const auto index = static_cast<std::size_t>(i);
              return kb.broadcast(kb.at(p[index / static_cast<std::size_t>(rows.per_pointer)],
                                        rows.offsets[index]));
            });
      });
}

// Adds accumulators of scalar i to `vectors` vectors of values at `to`.
void store_column(KernelBuilder& kb, const Values& acc, int i, int vectors, Value* last_mask,
                  Value* to) {
  for (int v = 0; v < vectors; ++v) {
    Value* const mask = v == vectors - 1 ? last_mask : nullptr;
    Value* const address = kb.at(to, v * kb.vector_bytes());
    Value* result = acc[static_cast<std::size_t>(i * vectors + v)];
    if (kb.spec().accumulate) result = kb.fadd(result, kb.load(address, mask));
    kb.store(address, result, mask);
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

void compute_wide_blocks(KernelBuilder& kb, const PanelOfB& b, const DenseC& c, Value* begin,
                         Value* end) {
  const Bsr& bsr = bsr_of(kb);
  const int mr = std::min(kb.spec().schedule.mr, bsr.c);
  kb.loop(begin, end, 1, {}, Trip::kMayBeZero, [&](Value* entry, const Values&) -> Values {
    Value* const origin = kb.load_i32(kb.args().origin, entry);
    Value* const block = kb.at(kb.args().values, kb.mul(entry, kb.i64(4LL * bsr.r * bsr.c)));
    const auto compute_columns = [&](Value* column, int count) {
      for_each_row_slice(kb, [&](Value* sub, int vectors, Value* mask) {
        const RowsOfC rows = neighbouring_rows(kb, c, kb.add(origin, column), count);
        const Values acc = reduce_tile(kb, b, sub, vectors, mask, rows);
        Value* to =
            kb.at(block, kb.add(kb.mul(column, kb.i64(bsr.r * 4LL)), kb.mul(sub, kb.i64(4))));
        for (int i = 0; i < count; ++i)
          store_column(kb, acc, i, vectors, mask, kb.at(to, i * bsr.r * 4LL));
      });
    };
    const int whole = bsr.c / mr * mr;
    kb.loop(kb.i64(0), kb.i64(whole), mr, {}, Trip::kAtLeastOne,
            [&](Value* column, const Values&) -> Values {
              compute_columns(column, mr);
              return {};
            });
    if (whole < bsr.c) compute_columns(kb.i64(whole), bsr.c - whole);
    return {};
  });
}

void compute_column_blocks(KernelBuilder& kb, const PanelOfB& b, const DenseC& c, Value* begin,
                           Value* end) {
  const Bsr& bsr = bsr_of(kb);
  const int mr = kb.spec().schedule.mr;
  kb.loop(begin, end, mr, {}, Trip::kMayBeZero, [&](Value* entry, const Values&) -> Values {
    for_each_row_slice(kb, [&](Value* sub, int vectors, Value* mask) {
      const RowsOfC rows = rows_of_entries(kb, c, entry, kb.sub(end, kb.i64(1)), mr);
      const Values acc = reduce_tile(kb, b, sub, vectors, mask, rows);
      for (int i = 0; i < mr; ++i) {
        Value* const number = kb.add(entry, kb.i64(i));
        kb.if_then(kb.ir().CreateICmpSLT(number, end), [&] {
          Value* const block = kb.at(kb.args().values, kb.mul(number, kb.i64(bsr.r * 4LL)));
          store_column(kb, acc, i, vectors, mask, kb.at(block, kb.mul(sub, kb.i64(4))));
        });
      }
    });
    return {};
  });
}

}  // namespace

void emit_sddmm_tile(KernelBuilder& kb) {
  const DenseC c = dense_c(kb);
  for_each_panel(kb, [&](Value* panel) {
    Value* const begin = kb.load_i64(kb.args().ptr, panel);
    Value* const end = kb.load_i64(kb.args().ptr, kb.add(panel, kb.i64(1)));
    kb.if_then(kb.ir().CreateICmpSLT(begin, end), [&] {
      const PanelOfB b = panel_of_b(kb, panel_rows(kb, panel, bsr_of(kb).r).first);
      if (bsr_of(kb).c == 1)
        compute_column_blocks(kb, b, c, begin, end);
      else
        compute_wide_blocks(kb, b, c, begin, end);
    });
  });
}

}  // namespace lacuna
