// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/nm_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>

#include "templates/format.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/nm_pack.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/transpose.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

// To columns of C in which rows lie side by side.
void store_columns(KernelBuilder& kb, const CollectedPanel& panel) {
  const auto& a = kb.args();
  Value* const row_bytes = kb.mul(panel.first, kb.i64(4));
  for (int v = 0; v < kNmPanelRows / kb.lanes(); ++v) {
    const std::int64_t offset = v * kb.vector_bytes();
    Value* const row = kb.add(panel.first, kb.i64(static_cast<std::int64_t>(v) * kb.lanes()));
    Value* const mask = kb.mask_below(kb.sub(panel.row_end, row));
    const Terms terms = terms_of_rows(kb, row, mask);
    for_each_step(kb, panel.n0, panel.end, 1, [&](Value* n) {
      Value* const to = kb.at(kb.at(kb.at(a.c, kb.mul(n, a.ldc_bytes)), row_bytes), offset);
      Value* const column = kb.mul(kb.sub(n, panel.n0), kb.i64(panel.column_bytes));
      Value* sum = kb.load(kb.at(kb.at(panel.from, column), offset));
      if (kb.spec().accumulate) sum = kb.fadd(sum, kb.load(to, mask));
      kb.store(to, finish_in_registers(kb, sum, in_column(kb, terms, n)), mask);
    });
  }
}

// Calls body(number, row) for each row of the panel, with its dense columns as a vector.
void for_each_row_of(KernelBuilder& kb, const CollectedPanel& panel,
                     const std::function<void(Value* number, Value* row)>& body) {
  for_each_step(kb, kb.i64(0), kb.i64(kNmPanelRows), 4, [&](Value* begin) {
    Values columns;
    for (std::int64_t j = 0; j < collected_columns(kb.spec().schedule.mr); ++j)
      columns.push_back(kb.at(kb.at(panel.from, j * panel.column_bytes), kb.mul(begin, kb.i64(4))));
    const Values rows = load_four_columns(kb, columns, 0);
    for (std::size_t t = 0; t < rows.size(); ++t)
      body(kb.add(begin, kb.i64(static_cast<std::int64_t>(t))), rows[t]);
  });
}

// To rows of C in which columns lie side by side. Rows that are not there go to the absorbing row.
void store_rows(KernelBuilder& kb, const CollectedPanel& panel) {
  const auto& a = kb.args();
  Value* const mask = kb.mask_below(kb.sub(panel.end, panel.n0));
  Value* const column_bytes = kb.mul(panel.n0, kb.i64(4));
  Value* const last_row = kb.sub(panel.row_end, kb.i64(1));
  for_each_row_of(kb, panel, [&](Value* number, Value* sums) {
    Value* const row = kb.add(panel.first, number);
    Value* const inside = kb.ir().CreateICmpSLE(row, last_row);
    Value* const in_c = kb.at(kb.at(a.c, kb.mul(row, a.ldc_bytes)), column_bytes);
    Value* const to = kb.ir().CreateSelect(inside, in_c, a.scratch);
    const Terms terms = terms_of_row(kb, kb.min(row, last_row));
    Value* const sum = kb.spec().accumulate ? kb.fadd(sums, kb.load(to, mask)) : sums;
    kb.store(to, finish_in_registers(kb, sum, in_columns(kb, terms, panel.n0, mask)), mask);
  });
}

// To C in either layout, with an epilogue that registers have no room for.
void store_from_memory(KernelBuilder& kb, const CollectedPanel& panel) {
  const PartOfC part{panel.first, kb.min(kb.add(panel.first, kb.i64(kNmPanelRows)), panel.row_end),
                     panel.n0, panel.end};
  if (kb.spec().layout_c == Layout::kColMajor) {
    finish_part(kb, part, {panel.from, kb.i64(panel.column_bytes)});
    return;
  }
  Value* const rows = rows_on_their_way(kb);
  Value* const row_bytes = kb.i64(kb.vector_bytes());
  for_each_row_of(kb, panel, [&](Value* number, Value* sums) {
    kb.store(kb.at(rows, kb.mul(number, row_bytes)), sums);
  });
  finish_part(kb, part, {rows, row_bytes});
}

}  // namespace

void store_panel(KernelBuilder& kb, const CollectedPanel& panel) {
  if (!finishes_in_registers(kb.spec().epilogue)) {
    store_from_memory(kb, panel);
    return;
  }
  if (kb.spec().layout_c == Layout::kColMajor) {
    store_columns(kb, panel);
    return;
  }
  // A single column with a leading dimension of 1 is contiguous.
  Value* const contiguous = kb.ir().CreateICmpEQ(kb.args().ldc_bytes, kb.i64(4));
  kb.if_then(contiguous, [&] { store_columns(kb, panel); });
  kb.if_then(kb.ir().CreateNot(contiguous), [&] { store_rows(kb, panel); });
}

}  // namespace lacuna
