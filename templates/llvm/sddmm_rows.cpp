// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/sddmm_rows.h"

#include "templates/llvm/dense_tile.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/widen.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

Value* packed_row_bytes(KernelBuilder& kb) {
  return kb.mul(kb.round_up_to_lanes(kb.args().n_end), kb.i64(4));
}

bool copies(const KernelBuilder& kb, Layout layout) {
  return layout == Layout::kColMajor || widens(kb.spec());
}

// Rows [first, first + rows) of an operand, to scratch.
struct RowsCopy {
  Layout layout;
  Value *from, *ld_bytes, *first, *rows, *to;
};

void copy_rows(KernelBuilder& kb, const RowsCopy& copy) {
  const bool by_rows = copy.layout == Layout::kRowMajor;
  Value* const from =
      kb.at(copy.from, kb.mul(copy.first, by_rows ? copy.ld_bytes : kb.i64(kb.b_bytes())));
  Value* const columns = kb.args().n_end;
  Value* const row_bytes = packed_row_bytes(kb);
  if (by_rows)
    widen_lines(kb, {from, copy.ld_bytes, copy.rows, columns, copy.to, row_bytes});
  else
    transpose_copy(kb, {from, copy.ld_bytes, copy.rows, columns, copy.to, row_bytes});
}

}  // namespace

SddmmRows sddmm_rows_of_c(KernelBuilder& kb) {
  const auto& a = kb.args();
  const Layout layout = kb.spec().layout_c;
  if (!copies(kb, layout)) return {a.c, a.ldc_bytes};
  copy_rows(kb, {layout, a.c, a.ldc_bytes, kb.i64(0), a.rows_in, a.scratch});
  return {a.scratch, packed_row_bytes(kb)};
}

SddmmRows sddmm_rows_of_b(KernelBuilder& kb, int height) {
  const auto& a = kb.args();
  const Layout layout = kb.spec().layout_b;
  if (!copies(kb, layout)) return {a.b, a.ldb_bytes};
  Value* const row_bytes = packed_row_bytes(kb);
  Value* to = a.scratch;
  if (copies(kb, kb.spec().layout_c)) to = kb.at(to, kb.mul(a.rows_in, row_bytes));
  Value* const first = panel_rows(kb, a.panel_begin, height).first;
  Value* const end = kb.min(kb.mul(a.panel_end, kb.i64(height)), a.rows_out);
  copy_rows(kb, {layout, a.b, a.ldb_bytes, first, kb.sub(end, first), to});
  return {kb.at(to, kb.mul(first, kb.mul(row_bytes, kb.i64(-1)))), row_bytes};
}

}  // namespace lacuna
