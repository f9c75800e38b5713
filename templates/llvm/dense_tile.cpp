// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/dense_tile.h"

#include "templates/llvm/transpose.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

std::int64_t tile_row_bytes(const KernelBuilder& kb) {
  return kb.spec().schedule.nv * kb.vector_bytes();
}

Value* packed_b_base(KernelBuilder& kb) {
  return kb.at(kb.args().scratch, tile_row_bytes(kb));
}

Value* collected_c_base(KernelBuilder& kb) {
  Value* const b_bytes =
      kb.mul(kb.round_up_to_lanes(kb.args().rows_in), kb.i64(tile_row_bytes(kb)));
  return kb.at(packed_b_base(kb), b_bytes);
}

// for (i = begin; i < end; i += lanes) body(i)
void for_each_group(KernelBuilder& kb, Value* begin, Value* end,
                    const std::function<void(Value*)>& body) {
  kb.loop(begin, end, kb.lanes(), {}, Trip::kMayBeZero, [&](Value* i, const Values&) -> Values {
    body(i);
    return {};
  });
}

// Calls body(row, n, offset in scratch) for each lanes x lanes tile of a dense operand of `rows` rows.
using TileOfOperand = std::function<void(Value* row, Value* n, Value* offset)>;
void for_each_square(KernelBuilder& kb, const Stretch& stretch, Value* rows,
                     const TileOfOperand& body) {
  for_each_group(kb, kb.i64(0), rows, [&](Value* row) {
    for_each_group(kb, stretch.n0, stretch.end, [&](Value* n) {
      Value* const column_bytes = kb.mul(kb.sub(n, stretch.n0), kb.i64(4));
      body(row, n, kb.add(kb.mul(row, kb.i64(tile_row_bytes(kb))), column_bytes));
    });
  });
}

void pack_col_major_b(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  transpose_copy(kb,
                 {kb.at(a.b, kb.mul(stretch.n0, a.ldb_bytes)), a.ldb_bytes, a.rows_in,
                  kb.sub(stretch.end, stretch.n0), packed_b_base(kb), kb.i64(tile_row_bytes(kb))});
}

void pack_row_major_b(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  const DenseTile source{kb.at(a.b, kb.mul(stretch.n0, kb.i64(4))), a.ldb_bytes, true};
  for_each_row(kb, source, a.rows_in, [&](Value* row, Value* from) {
    Value* const to = kb.at(packed_b_base(kb), kb.mul(row, kb.i64(tile_row_bytes(kb))));
    for_each_group(kb, stretch.n0, stretch.end, [&](Value* n) {
      Value* const offset = kb.mul(kb.sub(n, stretch.n0), kb.i64(4));
      kb.store(kb.at(to, offset),
               kb.load(kb.at(from, offset), kb.mask_below(kb.sub(stretch.end, n))));
    });
  });
}

void unpack_row_major_c(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  const DenseTile to{kb.at(a.c, kb.mul(stretch.n0, kb.i64(4))), a.ldc_bytes, true};
  for_each_row(kb, to, a.rows_out, [&](Value* row, Value* address) {
    Value* const from = kb.at(collected_c_base(kb), kb.mul(row, kb.i64(tile_row_bytes(kb))));
    Value* const bias =
        kb.has_bias() ? kb.broadcast(kb.at(a.bias, kb.mul(row, kb.i64(4)))) : nullptr;
    for_each_group(kb, stretch.n0, stretch.end, [&](Value* n) {
      Value* const mask = kb.mask_below(kb.sub(stretch.end, n));
      Value* const offset = kb.mul(kb.sub(n, stretch.n0), kb.i64(4));
      Value* result = kb.load(kb.at(from, offset));
      if (kb.spec().accumulate) result = kb.fadd(result, kb.load(kb.at(address, offset), mask));
      kb.store(kb.at(address, offset), kb.apply_epilogue(result, bias), mask);
    });
  });
}

void unpack_col_major_c(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  for_each_square(kb, stretch, a.rows_out, [&](Value* row, Value* n0, Value* offset) {
    Value* const from = kb.at(collected_c_base(kb), offset);
    Values rows;
    for (int i = 0; i < kb.lanes(); ++i)
      rows.push_back(kb.load(kb.at(from, i * tile_row_bytes(kb))));
    const Values columns = transpose(kb, rows);
    // After the transpose, so that it is not live across it: 8 + 8 rows fill the registers of AVX2.
    Value* const mask = kb.mask_below(kb.sub(a.rows_out, row));
    Value* const row_bytes = kb.mul(row, kb.i64(4));
    Value* const bias = kb.has_bias() ? kb.load(kb.at(a.bias, row_bytes), mask) : nullptr;
    for (int t = 0; t < kb.lanes(); ++t) {
      Value* const n = kb.add(n0, kb.i64(t));
      // Columns beyond the end go to the absorbing row: a branch here would make LLVM sink shuffles into it and spill.
      Value* const inside = kb.ir().CreateICmpSLT(n, stretch.end);
      Value* const in_c = kb.at(kb.at(a.c, kb.mul(n, a.ldc_bytes)), row_bytes);
      Value* const to = kb.ir().CreateSelect(inside, in_c, a.scratch);
      Value* result = columns[static_cast<std::size_t>(t)];
      if (kb.spec().accumulate) result = kb.fadd(result, kb.load(to, mask));
      kb.store(to, kb.apply_epilogue(result, bias), mask);
    }
  });
}

}  // namespace

DenseTile b_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().b, kb.mul(tile.n0, kb.i64(4))), kb.args().ldb_bytes, true};
}

DenseTile c_in_place(KernelBuilder& kb, const ColumnTile& tile) {
  return {kb.at(kb.args().c, kb.mul(tile.n0, kb.i64(4))), kb.args().ldc_bytes, true};
}

DenseTile b_in_scratch(KernelBuilder& kb, const Stretch& stretch, const ColumnTile& tile) {
  Value* const offset = kb.mul(kb.sub(tile.n0, stretch.n0), kb.i64(4));
  return {kb.at(packed_b_base(kb), offset), kb.i64(tile_row_bytes(kb)), false};
}

DenseTile c_in_scratch(KernelBuilder& kb, const Stretch& stretch, const ColumnTile& tile) {
  Value* const offset = kb.mul(kb.sub(tile.n0, stretch.n0), kb.i64(4));
  return {kb.at(collected_c_base(kb), offset), kb.i64(tile_row_bytes(kb)), false};
}

void for_each_stretch(KernelBuilder& kb, const std::function<void(const Stretch&)>& body) {
  const std::int64_t width = static_cast<std::int64_t>(kb.spec().schedule.nv) * kb.lanes();
  kb.loop(kb.args().n_begin, kb.args().n_end, width, {}, Trip::kMayBeZero,
          [&](Value* n0, const Values&) -> Values {
            body({n0, kb.min(kb.add(n0, kb.i64(width)), kb.args().n_end)});
            return {};
          });
}

void transpose_copy(KernelBuilder& kb, const TransposeCopy& copy) {
  Value* const last = kb.sub(copy.columns, kb.i64(1));
  for_each_group(kb, kb.i64(0), copy.rows, [&](Value* row) {
    for_each_group(kb, kb.i64(0), copy.columns, [&](Value* n0) {
      Value* const mask = kb.mask_below(kb.sub(copy.rows, row));
      Value* const from = kb.at(copy.from, kb.mul(row, kb.i64(4)));
      Values columns;
      for (int t = 0; t < kb.lanes(); ++t) {
        Value* const n = kb.min(kb.add(n0, kb.i64(t)), last);
        columns.push_back(kb.load(kb.at(from, kb.mul(n, copy.ld_bytes)), mask));
      }
      Value* to = kb.at(kb.at(copy.to, kb.mul(row, copy.row_bytes)), kb.mul(n0, kb.i64(4)));
      for (Value* const out : transpose(kb, columns)) {
        kb.store(to, out);
        to = kb.at(to, copy.row_bytes);
      }
    });
  });
}

void pack_b(KernelBuilder& kb, const Stretch& stretch) {
  if (kb.spec().layout_b == Layout::kColMajor)
    pack_col_major_b(kb, stretch);
  else
    pack_row_major_b(kb, stretch);
}

void unpack_c(KernelBuilder& kb, const Stretch& stretch) {
  if (kb.spec().layout_c == Layout::kColMajor)
    unpack_col_major_c(kb, stretch);
  else
    unpack_row_major_c(kb, stretch);
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
  Value* pointer = kb.at(c.base, kb.mul(rows.first, c.row_bytes));
  Value* const bias_base =
      c.in_place && kb.has_bias() ? kb.at(kb.args().bias, kb.mul(rows.first, kb.i64(4))) : nullptr;
  for (int i = 0; i < count; ++i) {
    Value* const owned = kb.ir().CreateICmpSGE(kb.i64(i), rows.skip);
    Value* const to = kb.ir().CreateSelect(owned, pointer, kb.args().scratch);
    Value* const bias = bias_base != nullptr ? kb.broadcast(kb.at(bias_base, i * 4)) : nullptr;
    for (int v = 0; v < tile.vectors; ++v) {
      Value* result = acc[static_cast<std::size_t>(i * tile.vectors + v)];
      Value* const address = kb.at(to, v * kb.vector_bytes());
      Value* const mask = c.in_place ? tile.mask_of(v) : nullptr;
      if (c.in_place && kb.spec().accumulate) result = kb.fadd(result, kb.load(address, mask));
      if (c.in_place) result = kb.apply_epilogue(result, bias);
      kb.store(address, result, mask);
    }
    pointer = kb.at(pointer, c.row_bytes);
  }
}

}  // namespace lacuna
