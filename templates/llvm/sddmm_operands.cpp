// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/sddmm_operands.h"

#include <cstdint>
#include <functional>

#include "templates/format.h"
#include "templates/llvm/tile_loops.h"
#include "templates/llvm/widen.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

std::int64_t rows_of_panel(const KernelBuilder& kb) {
  return std::get<Bsr>(kb.spec().format).r;
}

// Rows of a panel rounded up to whole vectors.
std::int64_t padded_rows(const KernelBuilder& kb) {
  return (rows_of_panel(kb) + kb.lanes() - 1) / kb.lanes() * static_cast<std::int64_t>(kb.lanes());
}

Value* packed_column_bytes(KernelBuilder& kb) {
  return kb.i64(padded_rows(kb) * 4);
}

// Runs body if the stretch ends in a group that is not whole.
void if_ragged(KernelBuilder& kb, const Stretch& stretch, const std::function<void()>& body) {
  if (kb.group() == 1) return;
  Value* const ragged = kb.ir().CreateICmpSLT(whole_groups(kb, stretch), all_groups(kb, stretch));
  kb.if_then(ragged, body);
}

// The address of group p of `to`.
Value* group_at(KernelBuilder& kb, Value* to, Value* p, Value* column_bytes) {
  return kb.at(to, kb.mul(p, column_bytes));
}

// [n/g][r] from a row-major B, whose groups lie side by side.
PanelOfB transpose_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  Value* const column_bytes = packed_column_bytes(kb);
  Value* const rows = kb.at(a.b, kb.mul(first, a.ldb_bytes));
  const auto column = [&](Value* n) { return kb.at(rows, kb.mul(n, kb.i64(kb.b_bytes()))); };
  transpose_copy(kb, {column(stretch.n0), a.ldb_bytes, whole_groups(kb, stretch),
                      kb.i64(rows_of_panel(kb)), a.scratch, column_bytes});
  if_ragged(kb, stretch, [&] {
    Value* const last = column(kb.sub(stretch.end, kb.i64(1)));
    Value* const to = group_at(kb, a.scratch, whole_groups(kb, stretch), column_bytes);
    kb.loop(kb.i64(0), kb.i64(rows_of_panel(kb)), 1, {last, to}, Trip::kAtLeastOne,
            [&](Value*, const Values& p) -> Values {
              kb.store_float(p[1], kb.load_element(p[0]));
              return {kb.at(p[0], a.ldb_bytes), kb.at(p[1], 4)};
            });
  });
  return {a.scratch, column_bytes, true};
}

// Element (first, stretch.n0) of a column-major B.
Value* first_of_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  return kb.at(a.b, kb.add(kb.mul(first, kb.i64(kb.b_bytes())), kb.mul(stretch.n0, a.ldb_bytes)));
}

bool whole_vectors(const KernelBuilder& kb, Value* rows) {
  const auto* const count = llvm::dyn_cast<llvm::ConstantInt>(rows);
  return count != nullptr && count->getSExtValue() % kb.lanes() == 0;
}

// One group of columns of a column-major operand from `from` on, `columns` of them, to lanes at `to`: elements
// [0, rows) and, up to whole vectors, zeros.
void copy_group(KernelBuilder& kb, Value* from, Value* ld_bytes, int columns, Value* rows,
                Value* to) {
  for_each_step(kb, kb.i64(0), rows, kb.lanes(), [&](Value* row) {
    Value* const mask = whole_vectors(kb, rows) ? nullptr : kb.mask_below(kb.sub(rows, row));
    Value* address = kb.at(from, kb.mul(row, kb.i64(kb.b_bytes())));
    Values addresses;
    for (int i = 0; i < columns; ++i) {
      addresses.push_back(address);
      address = kb.at(address, ld_bytes);
    }
    kb.store(kb.at(to, kb.mul(row, kb.i64(4))), widens(kb.spec())
                                                    ? kb.load_bf16(addresses[0], mask)
                                                    : kb.load_groups(addresses, mask));
  });
}

// All groups of a stretch of a column-major operand, `rows` rows from `from` on, to [n/g][rows] at `to`.
struct GroupCopy {
  Value *from, *ld_bytes, *rows, *to, *column_bytes;
};

void copy_groups(KernelBuilder& kb, const Stretch& stretch, const GroupCopy& copy) {
  const int group = kb.group();
  Value* const whole = whole_groups(kb, stretch);
  const auto source = [&](Value* p) {
    return kb.at(copy.from, kb.mul(p, kb.mul(copy.ld_bytes, kb.i64(group))));
  };
  for_each_step(kb, kb.i64(0), whole, 1, [&](Value* p) {
    copy_group(kb, source(p), copy.ld_bytes, group, copy.rows,
               group_at(kb, copy.to, p, copy.column_bytes));
  });
  if_ragged(kb, stretch, [&] {
    copy_group(kb, source(whole), copy.ld_bytes, 1, copy.rows,
               group_at(kb, copy.to, whole, copy.column_bytes));
  });
}

// [n/g][r] from a column-major B.
PanelOfB copy_panel(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  const auto& a = kb.args();
  Value* const column_bytes = packed_column_bytes(kb);
  copy_groups(kb, stretch,
              {first_of_panel(kb, stretch, first), a.ldb_bytes, kb.i64(rows_of_panel(kb)),
               a.scratch, column_bytes});
  return {a.scratch, column_bytes, true};
}

// Where scratch holds C: behind the panel of B.
Value* packed_c_base(KernelBuilder& kb, const Stretch& stretch) {
  Value* columns = kb.i64(kPackedColumns);
  if (!takes_stretches(kb.spec())) columns = kb.round_up_to_lanes(kb.sub(stretch.end, stretch.n0));
  Value* const groups = kb.groups_of(columns);
  return kb.at(kb.args().scratch, kb.mul(groups, packed_column_bytes(kb)));
}

// Bytes of packed_row_of_c(), computed at run time.
Value* packed_row_bytes(KernelBuilder& kb, Value* count) {
  Value* const lanes = kb.ir().CreateOr(kb.round_up_to_lanes(count), kb.i64(kLineFloats));
  return kb.mul(lanes, kb.i64(4));
}

// [k][n] of f32, or of bf16 that is widened.
DenseC transpose_or_widen_c(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  Value* const columns = kb.sub(stretch.end, stretch.n0);
  Value* const to = packed_c_base(kb, stretch);
  const bool stretches = takes_stretches(kb.spec());
  Value* const row_bytes = stretches ? kb.i64(kPackedRowOfC * 4) : packed_row_bytes(kb, columns);
  if (kb.spec().layout_c == Layout::kRowMajor) {
    Value* const from = kb.at(a.c, kb.mul(stretch.n0, kb.i64(kb.c_bytes())));
    widen_lines(kb, {from, a.ldc_bytes, a.rows_in, columns, to, row_bytes});
  } else {
    Value* const from = kb.at(a.c, kb.mul(stretch.n0, a.ldc_bytes));
    transpose_copy(kb, {from, a.ldc_bytes, a.rows_in, columns, to, row_bytes});
  }
  return {to, row_bytes, kb.i64(4), stretches};
}

// [n/g][k]: interleaving is enough, since a tile's rows of C are neighbours.
DenseC copy_c(KernelBuilder& kb, const Stretch& stretch, Value* from) {
  const auto& a = kb.args();
  Value* const to = packed_c_base(kb, stretch);
  Value* const column_bytes = packed_row_bytes(kb, a.rows_in);
  copy_groups(kb, stretch, {from, a.ldc_bytes, a.rows_in, to, column_bytes});
  return {to, kb.i64(4), column_bytes, true};
}

}  // namespace

Value* whole_groups(KernelBuilder& kb, const Stretch& stretch) {
  Value* const columns = kb.sub(stretch.end, stretch.n0);
  return kb.group() == 1 ? columns : kb.ir().CreateUDiv(columns, kb.i64(kb.group()));
}

Value* all_groups(KernelBuilder& kb, const Stretch& stretch) {
  const std::int64_t group = kb.group();
  Value* const columns = kb.add(kb.sub(stretch.end, stretch.n0), kb.i64(group - 1));
  return group == 1 ? columns : kb.ir().CreateUDiv(columns, kb.i64(group));
}

PanelOfB panel_of_b(KernelBuilder& kb, const Stretch& stretch, Value* first) {
  if (!kb.spec().schedule.pack)
    return {first_of_panel(kb, stretch, first), kb.args().ldb_bytes,
            rows_of_panel(kb) % kb.lanes() == 0};
  return kb.spec().layout_b == Layout::kRowMajor ? transpose_panel(kb, stretch, first)
                                                 : copy_panel(kb, stretch, first);
}

DenseC dense_c(KernelBuilder& kb, const Stretch& stretch) {
  const auto& a = kb.args();
  if (packs_c(kb.spec()) && kb.group() == 1) return transpose_or_widen_c(kb, stretch);
  if (kb.spec().layout_c == Layout::kRowMajor)
    return {kb.at(a.c, kb.mul(stretch.n0, kb.i64(kb.c_bytes()))), a.ldc_bytes, kb.i64(4), false};
  Value* const start = kb.at(a.c, kb.mul(stretch.n0, a.ldc_bytes));
  if (!packs_c(kb.spec())) return {start, kb.i64(4), a.ldc_bytes, true};
  return copy_c(kb, stretch, start);
}

}  // namespace lacuna
