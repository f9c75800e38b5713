// SPDX-License-Identifier: Apache-2.0
//
// The inner strategy (inner_tile.h): for each panel, for each tile of columns of its blocks, for each slice of its rows.
// The panel's rows of B stay in L1 or L2.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/lane_sums.h"
#include "templates/llvm/sddmm_rows.h"
#include "templates/llvm/tile_loops.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

const Bsr& bsr_of(const KernelBuilder& kb) {
  return std::get<Bsr>(kb.spec().format);
}

// The operands, and where rows of a tile begin in them.
struct Operands {
  SddmmRows b, c;
};
struct Rows {
  Values b, c;
};

// Adds the products of `lanes` columns of n to the sums, those of a row of C side by side.
Values add_products(KernelBuilder& kb, const Rows& rows, Values sums, Value* n, Value* mask) {
  const auto load = [&](Value* row) { return kb.load(kb.at(row, kb.mul(n, kb.i64(4))), mask); };
  const bool holds_b = rows.b.size() < rows.c.size();
  Values held;
  for (Value* const row : holds_b ? rows.b : rows.c)
    held.push_back(load(row));
  const Values& others = holds_b ? rows.c : rows.b;
  for (std::size_t i = 0; i < others.size(); ++i) {
    Value* const other = load(others[i]);
    for (std::size_t j = 0; j < held.size(); ++j) {
      Value*& sum = sums[holds_b ? i * rows.b.size() + j : j * rows.b.size() + i];
      sum = kb.fma(held[j], other, sum);
    }
  }
  return sums;
}

// All of n: ku vectors at a time, single ones, then what is left of one.
Values reduce(KernelBuilder& kb, const Rows& rows) {
  const auto& a = kb.args();
  const std::int64_t ku = kb.spec().schedule.ku;
  Values sums(rows.b.size() * rows.c.size(), kb.zero());
  Value* begin = a.n_begin;
  for (std::int64_t unroll = ku; unroll >= 1; unroll = unroll > 1 ? 1 : 0) {
    const std::int64_t width = unroll * kb.lanes();
    Value* const vectors = kb.ir().CreateSDiv(kb.sub(a.n_end, begin), kb.i64(width));
    Value* const end = kb.add(begin, kb.mul(vectors, kb.i64(width)));
    sums = kb.loop(begin, end, width, sums, Trip::kMayBeZero, [&](Value* n, Values now) {
      for (std::int64_t i = 0; i < unroll; ++i)
        now = add_products(kb, rows, now, kb.add(n, kb.i64(i * kb.lanes())), nullptr);
      return now;
    });
    begin = end;
  }
  return kb.loop(begin, a.n_end, kb.lanes(), sums, Trip::kMayBeZero,
                 [&](Value* n, const Values& now) {
                   return add_products(kb, rows, now, n, kb.mask_below(kb.sub(a.n_end, n)));
                 });
}

// Lanes [first, first + count) of a vector of sums to the values at `to`.
void store_sums(KernelBuilder& kb, Value* sums, int first, int count, Value* to) {
  std::vector<int> lanes(static_cast<std::size_t>(count));
  std::iota(lanes.begin(), lanes.end(), first);
  Value* part = kb.ir().CreateShuffleVector(sums, lanes);
  const llvm::Align align(4);
  if (kb.spec().accumulate)
    part = kb.fadd(part, kb.ir().CreateAlignedLoad(part->getType(), to, align));
  kb.ir().CreateAlignedStore(part, to, align);
}

// The columns of a panel's blocks, one behind the other.
struct Panel {
  Value* first_row = nullptr;  // of B
  Value *begin = nullptr, *end = nullptr;
};

// Rows [sub, sub + height) of columns [column, column + nv), of which those from the panel's end on are not stored.
void compute_tile(KernelBuilder& kb, const Operands& in, const Panel& panel, Value* column,
                  Value* sub, int height, bool is_last) {
  const auto& a = kb.args();
  const auto [r, c, group] = bsr_of(kb);
  const int nv = kb.spec().schedule.nv;
  Rows rows;
  for (int i = 0; i < height; ++i)
    rows.b.push_back(in.b.at(kb, kb.add(panel.first_row, kb.add(sub, kb.i64(i)))));
  for (int j = 0; j < nv; ++j) {
    Value* number = kb.add(column, kb.i64(j));
    if (is_last && j > 0) number = kb.min(number, kb.sub(panel.end, kb.i64(1)));
    Value* const entry = kb.ir().CreateUDiv(number, kb.i64(c));
    Value* const within = kb.sub(number, kb.mul(entry, kb.i64(c)));
    Value* const row = kb.add(kb.load_i32(a.origin, entry), within);
    rows.c.push_back(in.c.at(kb, row));
  }
  const Values sums = reduce(kb, rows);
  const int at_once = std::max(1, kb.lanes() / height);
  for (int first = 0; first < nv; first += at_once) {
    const int count = std::min(at_once, nv - first);
    const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(first) * height;
    Value* const totals = add_lanes(kb, Values(begin, begin + count * height));
    const auto address = [&](int j) {
      return kb.at(a.values,
                   kb.mul(kb.add(kb.mul(kb.add(column, kb.i64(j)), kb.i64(r)), sub), kb.i64(4)));
    };
    if (!is_last && height == r) {
      store_sums(kb, totals, 0, count * height, address(first));
      continue;
    }
    for (int j = 0; j < count; ++j) {
      const auto store = [&] { store_sums(kb, totals, j * height, height, address(first + j)); };
      if (is_last && first + j > 0)
        kb.if_then(kb.ir().CreateICmpSLT(kb.add(column, kb.i64(first + j)), panel.end), store);
      else
        store();
    }
  }
}

// All rows of a panel for one tile of columns.
void compute_columns(KernelBuilder& kb, const Operands& in, const Panel& panel, Value* column,
                     bool is_last) {
  const int r = bsr_of(kb).r;
  const int mr = kb.spec().schedule.mr;
  const int whole = r / mr * mr;
  for_each_step(kb, kb.i64(0), kb.i64(whole), mr,
                [&](Value* sub) { compute_tile(kb, in, panel, column, sub, mr, is_last); });
  if (whole < r) compute_tile(kb, in, panel, column, kb.i64(whole), r - whole, is_last);
}

}  // namespace

void emit_sddmm_inner(KernelBuilder& kb) {
  const auto& a = kb.args();
  const std::int64_t nv = kb.spec().schedule.nv;
  const SddmmRows c_rows = sddmm_rows_of_c(kb);
  const Operands in{sddmm_rows_of_b(kb, bsr_of(kb).r), c_rows};
  for_each_panel(kb, [&](Value* number) {
    Value* const c = kb.i64(bsr_of(kb).c);
    const Panel panel{panel_rows(kb, number, bsr_of(kb).r).first,
                      kb.mul(kb.load_i64(a.ptr, number), c),
                      kb.mul(kb.load_i64(a.ptr, kb.add(number, kb.i64(1))), c)};
    Value* const tiles = kb.ir().CreateUDiv(kb.sub(panel.end, panel.begin), kb.i64(nv));
    Value* const whole = kb.add(panel.begin, kb.mul(tiles, kb.i64(nv)));
    for_each_step(kb, panel.begin, whole, nv,
                  [&](Value* column) { compute_columns(kb, in, panel, column, false); });
    if (nv == 1) return;
    kb.if_then(kb.ir().CreateICmpSLT(whole, panel.end),
               [&] { compute_columns(kb, in, panel, whole, true); });
  });
}

}  // namespace lacuna
