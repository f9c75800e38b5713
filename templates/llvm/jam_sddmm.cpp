// SPDX-License-Identifier: Apache-2.0
//
// sddmm on jammed rows: A[m,k] = sum over n of B[m,n] * C[k,n] at the stored weights. Vectors run along n: a vector of
// a row of C meets those of all rows of B that its column touches, in ku sums each, which are added up and across at
// the end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/jam_panel.h"
#include "templates/llvm/sddmm_rows.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// The dot products of one column: one for each of its rows. b_rows: the panel's.
Values dot_products(KernelBuilder& kb, const JammedColumn& column, const SddmmRows& b_rows,
                    Value* c_row) {
  const auto& a = kb.args();
  const std::size_t rows = column.rows.size();
  const auto step = [&](const Values& in, Value* n, std::size_t part, Value* mask) {
    Values sums = in;
    Value* const offset = kb.mul(n, kb.i64(4));
    Value* const c = kb.load(kb.at(c_row, offset), mask);
    for (std::size_t i = 0; i < rows; ++i) {
      Value* const b_row = b_rows.at(kb, kb.i64(column.rows[i]));
      Value*& sum = sums[part * rows + i];
      sum = kb.fma(c, kb.load(kb.at(b_row, offset), mask), sum);
    }
    return sums;
  };
  const auto ku = static_cast<std::size_t>(kb.spec().schedule.ku);
  Values sums(ku * rows, kb.zero());
  Value* begin = kb.i64(0);
  for (const std::size_t unroll : {ku, std::size_t{1}}) {
    const std::int64_t width = static_cast<std::int64_t>(unroll) * kb.lanes();
    Value* const end = kb.mul(kb.ir().CreateSDiv(a.n_end, kb.i64(width)), kb.i64(width));
    sums = kb.loop(begin, end, width, sums, Trip::kMayBeZero, [&](Value* n, Values now) {
      for (std::size_t part = 0; part < unroll; ++part)
        now = step(now, kb.add(n, kb.i64(static_cast<std::int64_t>(part) * kb.lanes())), part,
                   nullptr);
      return now;
    });
    begin = end;
    if (ku == 1) break;
  }
  // What is left is less than a vector: once or not at all.
  sums =
      kb.loop(begin, a.n_end, kb.lanes(), sums, Trip::kMayBeZero, [&](Value* n, const Values& now) {
        return step(now, n, 0, kb.mask_below(kb.sub(a.n_end, n)));
      });
  Values totals;
  for (std::size_t i = 0; i < rows; ++i) {
    Value* total = sums[i];
    for (std::size_t part = 1; part < ku; ++part)
      total = kb.fadd(total, sums[part * rows + i]);
    totals.push_back(kb.add_across(total));
  }
  return totals;
}

}  // namespace

void emit_jam_sddmm(KernelBuilder& kb) {
  const Jam& jam = std::get<Jam>(kb.spec().format);
  const SddmmRows c = sddmm_rows_of_c(kb);
  const SddmmRows b = sddmm_rows_of_b(kb, jam.r);
  const JammedValues weights = values_in_place(kb);
  for_each_panel(kb, [&](Value* panel) {
    const SddmmRows b_rows{b.at(kb, panel_rows(kb, panel, jam.r).first), b.row_bytes};
    for_each_jammed_column(
        kb, panel, {{}, weights}, {}, [&](const JammedColumn& column, const Values&) -> Values {
          const Values totals = dot_products(kb, column, b_rows, c.at(kb, column.number));
          for (std::size_t i = 0; i < totals.size(); ++i) {
            Value* const weight =
                kb.at(column.weights, static_cast<std::int64_t>(i) * weights.bytes);
            Value* sum = totals[i];
            if (kb.spec().accumulate) sum = kb.fadd(sum, kb.load_result_element(weight));
            kb.store_result_element(weight, sum);
          }
          return {};
        });
  });
}

}  // namespace lacuna
