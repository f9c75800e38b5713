// SPDX-License-Identifier: Apache-2.0
//
// sddmm, A = B * C^T at A's blocks: vectors run along A's rows, C's elements are broadcast, the reduction runs over n.
// With packing, the rows of B of a block row are copied to scratch once (transposed from a row-major B), where
// they serve all its blocks, and a column-major C is transposed, kPackedColumns columns at a time so that the copy
// stays in L2 (as a whole it doubled the bytes of the call: 37 instead of 60 % of the FMA peak at density 0.05).
// Without, a column-major B is used in place.
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
#include "templates/llvm/sddmm_operands.h"
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
  Value* last_mask = nullptr;     // of the last vector; null = whole
  Value* rows_of_last = nullptr;  // how many the mask lets through
  [[nodiscard]] Value* mask_of(int v) const { return v == vectors - 1 ? last_mask : nullptr; }
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
Values reduce_columns(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                      const RowsOfC& rows, Value* columns,
                      const std::vector<ReductionPointer>& streams) {
  const RegisterTile registers{static_cast<int>(rows.offsets.size()), slice.vectors};
  const Values zeros(rows.offsets.size() * static_cast<std::size_t>(slice.vectors), kb.zero());
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

Values reduce_tile(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                   const RowsOfC& rows) {
  std::vector<ReductionPointer> streams = rows.pointers;
  streams.push_back({kb.at(in.b.base, kb.mul(slice.sub, kb.i64(4))), in.b.column_bytes});
  const bool reads_c_in_place = !packs_c(kb.spec());
  if (kb.group() == 1 || !reads_c_in_place)
    return reduce_columns(kb, in, slice, rows, all_groups(kb, in.stretch), streams);
  // A last column without a partner: C holds no whole group there.
  Value* const whole = whole_groups(kb, in.stretch);
  const Values acc = reduce_columns(kb, in, slice, rows, whole, streams);
  Values last;
  for (const ReductionPointer& stream : streams)
    last.push_back(kb.at(stream.start, kb.mul(stream.stride, whole)));
  const RegisterTile registers{static_cast<int>(rows.offsets.size()), slice.vectors};
  return kb.loop(
      whole, all_groups(kb, in.stretch), 1, acc, Trip::kMayBeZero, [&](Value*, const Values& now) {
        return outer_product(
            kb, registers, now, [&](int v) { return load_of_panel(kb, in, slice, last.back(), v); },
            [&](int i) { return kb.broadcast_element(address_of_scalar(kb, rows, last, i)); });
      });
}

// Sums of `count` columns from `first` on, for one slice of the panel's rows.
struct TileSums {
  const Values& acc;
  int vectors = 1;
  [[nodiscard]] Value* of(int column, int v) const {
    return acc[static_cast<std::size_t>(column * vectors + v)];
  }
};

// Masks off lanes that values may not be read from.
Value* mask_of_sums(KernelBuilder& kb, const Operands& in, Value* mask) {
  Value* const all = kb.ir().CreateVectorSplat(static_cast<unsigned>(kb.lanes()), in.add);
  return kb.mask_and(mask, all);
}

// Stores column i of the sums, or adds it to what the values hold, at `to`.
void store_column(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                  const TileSums& sums, int i, Value* to) {
  for (int v = 0; v < slice.vectors; ++v) {
    Value* const mask = slice.mask_of(v);
    Value* const address = kb.at(to, v * kb.lanes() * kb.values_bytes());
    Value* sum = sums.of(i, v);
    if (in.add != nullptr) sum = kb.fadd(sum, kb.load_result(address, mask_of_sums(kb, in, mask)));
    kb.store_result(address, sum, mask);
  }
}

// Two vectors of f32, element by element of both in turn: the first half and the second.
Values interleave(KernelBuilder& kb, Value* a, Value* b) {
  Values halves;
  for (int half = 0; half < 2; ++half) {
    std::vector<int> order;
    for (int lane = half * kb.lanes() / 2; lane < (half + 1) * kb.lanes() / 2; ++lane)
      order.insert(order.end(), {lane, kb.lanes() + lane});
    halves.push_back(kb.ir().CreateShuffleVector(a, b, order));
  }
  return halves;
}

// The same for columns i and i + 1, whose values lie side by side.
void store_column_pair(KernelBuilder& kb, const Operands& in, const RowSlice& slice,
                       const TileSums& sums, int i, Value* to) {
  const bool narrow = kb.values_bytes() == 2;
  for (int v = 0; v < slice.vectors; ++v) {
    Value* const rows = slice.mask_of(v) == nullptr ? kb.i64(kb.lanes()) : slice.rows_of_last;
    Value* address = kb.at(to, v * 2 * kb.lanes() * kb.values_bytes());
    Value *first = sums.of(i, v), *second = sums.of(i + 1, v);
    if (narrow) {
      Value* const mask = kb.mask_below(rows);
      if (in.add != nullptr) {
        const auto [low, high] = kb.split_pairs(kb.load(address, mask_of_sums(kb, in, mask)));
        first = kb.fadd(first, low);
        second = kb.fadd(second, high);
      }
      kb.store(address, kb.join_pairs(first, second), mask);
      continue;
    }
    Value* left = kb.mul(rows, kb.i64(2));
    for (Value* half : interleave(kb, first, second)) {
      Value* const mask = kb.mask_below(left);
      if (in.add != nullptr) half = kb.fadd(half, kb.load(address, mask_of_sums(kb, in, mask)));
      kb.store(address, half, mask);
      address = kb.at(address, kb.vector_bytes());
      left = kb.sub(left, kb.i64(kb.lanes()));
    }
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
                  [&](Value* sub) { body({sub, nv, nullptr, nullptr}); });
  if (whole == r) return;
  const int vectors = (r - whole + kb.lanes() - 1) / kb.lanes();
  const int last = r - whole - (vectors - 1) * kb.lanes();
  body({kb.i64(whole), vectors, last == kb.lanes() ? nullptr : kb.mask_below(kb.i64(last)),
        kb.i64(last)});
}

void compute_wide_block(KernelBuilder& kb, const Operands& in, Value* entry) {
  const std::int64_t r = bsr_of(kb).r;
  const int c = bsr_of(kb).c;
  const int mr = std::min(kb.spec().schedule.mr, c);
  Value* const origin = kb.load_i32(kb.args().origin, entry);
  const std::int64_t bytes = kb.values_bytes();
  const int group = kb.group();
  Value* const block = kb.at(kb.args().values, kb.mul(entry, kb.i64(bytes * r * c)));
  const auto compute_columns = [&](Value* column, int count) {
    for_each_row_slice(kb, [&](const RowSlice& slice) {
      const RowsOfC rows = neighbouring_rows(kb, in.c, kb.add(origin, column), count);
      const Values acc = reduce_tile(kb, in, slice, rows);
      const TileSums sums{acc, slice.vectors};
      Value* const to = kb.at(block, kb.add(kb.mul(column, kb.i64(bytes * r)),
                                            kb.mul(slice.sub, kb.i64(bytes * group))));
      for (int i = 0; i < count; i += group) {
        Value* const values = kb.at(to, i * r * bytes);
        if (group == 1)
          store_column(kb, in, slice, sums, i, values);
        else
          store_column_pair(kb, in, slice, sums, i, values);
      }
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
        const std::int64_t bytes = kb.values_bytes();
        Value* const block = kb.at(kb.args().values, kb.mul(number, kb.i64(r * bytes)));
        store_column(kb, in, slice, {acc, slice.vectors}, i,
                     kb.at(block, kb.mul(slice.sub, kb.i64(bytes))));
      });
    }
  });
}

// i1: the values hold the sum of earlier stretches, or what the caller accumulates to.
Value* something_to_add(KernelBuilder& kb, const Stretch& stretch) {
  if (kb.spec().accumulate) return kb.ir().getTrue();
  if (!takes_stretches(kb.spec())) return nullptr;
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
  if (!takes_stretches(kb.spec())) {
    compute_stretch(kb, {a.n_begin, a.n_end});
    return;
  }
  for_each_step(kb, a.n_begin, a.n_end, kPackedColumns, [&](Value* n0) {
    compute_stretch(kb, {n0, kb.min(kb.add(n0, kb.i64(kPackedColumns)), a.n_end)});
  });
}

}  // namespace lacuna
