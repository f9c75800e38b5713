// SPDX-License-Identifier: Apache-2.0
//
// spmm and spmm_transposed on column-major B and C (token-major activations) without packing them: vectors run along
// A's rows (its columns when transposed), so a block's values are the vectors and B's elements are broadcast. A
// k-contiguous B is read in the order it lies in memory.
//
// spmm_transposed needs vectors along A's columns, which are strided in the stored blocks: the blocks of a panel are
// transposed into scratch first, once for all tokens of the call (3 % of the work at 256 tokens).
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/finish.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/panel_values.h"
#include "templates/llvm/tile_loops.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// Tokens [n0, n0 + count); `guarded`: those from n_end on are computed from a copy of the last one and not stored.
struct TokenTile {
  Value* n0 = nullptr;
  int count = 1;
  bool guarded = false;
};

// Whole tiles of mr tokens, then of 4, then one guarded tile.
void for_each_token_tile(KernelBuilder& kb, const std::function<void(const TokenTile&)>& body) {
  Value* begin = kb.args().n_begin;
  const int mr = kb.spec().schedule.mr;
  constexpr int kSmallTile = 4;
  std::vector<int> sizes{mr};
  if (mr > kSmallTile) sizes.push_back(kSmallTile);
  for (const int size : sizes) {
    Value* const tiles = kb.ir().CreateSDiv(kb.sub(kb.args().n_end, begin), kb.i64(size));
    Value* const end = kb.add(begin, kb.mul(tiles, kb.i64(size)));
    for_each_step(kb, begin, end, size, [&](Value* n0) { body({n0, size, false}); });
    begin = end;
  }
  if (sizes.back() == 1) return;
  kb.if_then(kb.ir().CreateICmpSLT(begin, kb.args().n_end),
             [&] { body({begin, sizes.back(), true}); });
}

// One pointer for every three tokens: x86 addresses then reach base, base + ld and base + 2 ld.
constexpr int kTokensPerPointer = 3;

std::vector<ReductionPointer> token_pointers(KernelBuilder& kb, const TokenTile& tokens,
                                             Value* row) {
  const auto& a = kb.args();
  std::vector<ReductionPointer> pointers;
  const int step = tokens.guarded ? 1 : kTokensPerPointer;
  for (int i = 0; i < tokens.count; i += step) {
    Value* n = kb.add(tokens.n0, kb.i64(i));
    if (tokens.guarded) n = kb.min(n, kb.sub(a.n_end, kb.i64(1)));
    Value* const base = kb.at(a.b, kb.mul(n, a.ldb_bytes));
    pointers.push_back({kb.at(base, kb.mul(row, kb.i64(kb.b_bytes()))), kb.i64(4)});
  }
  return pointers;
}

Value* token_scalar(KernelBuilder& kb, const TokenTile& tokens, const Values& pointers, int i) {
  const int per_pointer = tokens.guarded ? 1 : kTokensPerPointer;
  Value* const offset = kb.mul(kb.args().ldb_bytes, kb.i64(i % per_pointer));
  Value* const scalar =
      kb.broadcast(kb.at(pointers[static_cast<std::size_t>(i / per_pointer)], offset));
  return shifts_dense(kb.spec()) ? kb.shift_bytes(scalar) : scalar;
}

// Where scratch holds staged values, or what sums start from.
Value* staged_in_scratch(KernelBuilder& kb) {
  return kb.at(kb.args().scratch, sums_tile_floats(kb.spec(), kb.lanes()) * 4);
}

// The stored blocks, whose output rows are contiguous for spmm, or their transposed copies.
PanelValues panel_values(KernelBuilder& kb, Value* begin, Value* end) {
  if (shifts_dense(kb.spec())) store_starts(kb, begin, end, staged_in_scratch(kb));
  if (stages_values(kb.spec())) return stage_values(kb, begin, end, staged_in_scratch(kb));
  return {kb.args().values, kb.i64(0)};
}

// Bytes of one half's sums in the tile.
std::int64_t half_bytes(const KernelBuilder& kb) {
  return sums_tile_floats(kb.spec(), kb.lanes()) / kb.spec().epilogue.halves() * 4;
}

void store_sums(KernelBuilder& kb, const Values& acc, const HalfOfA& half) {
  Value* sums = kb.args().scratch;
  if (half.number != nullptr) sums = kb.at(sums, kb.mul(half.number, kb.i64(half_bytes(kb))));
  for (std::size_t i = 0; i < acc.size(); ++i)
    kb.store(kb.at(sums, static_cast<std::int64_t>(i) * kb.vector_bytes()), acc[i]);
}

// From the tile of sums, where an epilogue needs more room than registers have, to C.
void finish_tokens(KernelBuilder& kb, const TokenTile& tokens, const PanelRows& rows) {
  Value* const sums = kb.args().scratch;
  const std::int64_t height = static_cast<std::int64_t>(kb.spec().schedule.nv) * kb.lanes();
  Value* const skip = kb.max(rows.skip, kb.i64(0));
  Value* n_end = kb.add(tokens.n0, kb.i64(tokens.count));
  if (tokens.guarded) n_end = kb.min(n_end, kb.args().n_end);
  finish_part(
      kb, {kb.add(rows.first, skip), kb.add(rows.first, kb.i64(height)), tokens.n0, n_end},
      {kb.at(sums, kb.mul(skip, kb.i64(4))), kb.i64(height * 4), false, kb.i64(half_bytes(kb))});
}

void store_tokens(KernelBuilder& kb, const Values& acc, const TokenTile& tokens,
                  const PanelRows& rows) {
  const auto& a = kb.args();
  const int nv = kb.spec().schedule.nv;
  Value* const row_bytes = kb.mul(rows.first, kb.i64(kb.c_bytes()));
  Values masks;
  std::vector<Terms> terms;
  for (int v = 0; v < nv; ++v) {
    Value* const before = kb.i64(static_cast<std::int64_t>(v) * kb.lanes());
    masks.push_back(kb.mask_from(kb.sub(rows.skip, before)));
    terms.push_back(terms_of_rows(kb, kb.add(rows.first, before), nullptr));
  }
  for (int i = 0; i < tokens.count; ++i) {
    Value* const n = kb.add(tokens.n0, kb.i64(i));
    const auto store = [&] {
      Value* const column = kb.at(kb.at(a.c, kb.mul(n, a.ldc_bytes)), row_bytes);
      for (std::size_t v = 0; v < masks.size(); ++v) {
        Value* const to = kb.at(column, static_cast<std::int64_t>(v) * kb.lanes() * kb.c_bytes());
        Value* result = kb.finished_sums(acc[static_cast<std::size_t>(i) * masks.size() + v]);
        if (kb.spec().accumulate) result = kb.add_results(result, kb.load_result(to, masks[v]));
        const Terms of_token = in_column(kb, terms[v], n);
        kb.store_result(to, finish_in_registers(kb, result, of_token), masks[v]);
      }
    };
    if (tokens.guarded)
      kb.if_then(kb.ir().CreateICmpSLT(n, a.n_end), store);
    else
      store();
  }
}

// Entries [begin, end) of a panel, their values, and the output rows they add to.
struct Panel {
  Value* begin = nullptr;
  Value* end = nullptr;
  PanelValues values;
  PanelRows rows;
};

// The sums of output rows [sub, sub + nv * lanes) of the panel for one tile of tokens.
Values sums_of_tile(KernelBuilder& kb, const Panel& panel, Value* sub, const TokenTile& tokens) {
  const PanelValues& values = panel.values;
  const int nv = kb.spec().schedule.nv;
  const RegisterTile registers{tokens.count, nv};
  Values starts;
  for (int v = 0; v < nv; ++v) {
    Value* const row = kb.add(sub, kb.i64(static_cast<std::int64_t>(v) * kb.lanes()));
    starts.push_back(shifts_dense(kb.spec())
                         ? kb.load(kb.at(staged_in_scratch(kb), kb.mul(row, kb.i64(4))))
                         : kb.zero());
  }
  Values sums;
  for (int i = 0; i < tokens.count; ++i)
    sums.insert(sums.end(), starts.begin(), starts.end());
  const BlockShape shape = block_shape(kb.spec());
  Value* const sub_values = kb.at(values.base, kb.mul(sub, kb.i64(shape.row_bytes)));
  return kb.loop(
      panel.begin, panel.end, 1, sums, Trip::kMayBeZero, [&](Value* entry, const Values& in) {
        Value* const local = kb.sub(entry, values.first);
        auto streams = token_pointers(kb, tokens, kb.load_i32(kb.args().origin, entry));
        streams.push_back({kb.at(sub_values, kb.mul(local, kb.i64(shape.block_bytes))),
                           kb.i64(shape.depth_bytes)});
        return reduce(kb, shape.depth, streams, in, [&](const Values& now, const Values& p) {
          return outer_product(
              kb, registers, now,
              [&](int v) {
                return kb.load_weights(kb.at(p.back(), v * kb.lanes() * shape.row_bytes));
              },
              [&](int i) { return token_scalar(kb, tokens, p, i); });
        });
      });
}

Panel make_panel(KernelBuilder& kb, Value* number, const PanelRows& rows) {
  Value* const begin = kb.load_i64(kb.args().ptr, number);
  Value* const end = kb.load_i64(kb.args().ptr, kb.add(number, kb.i64(1)));
  return {begin, end, panel_values(kb, begin, end), rows};
}

void compute_tile(KernelBuilder& kb, const Panel& panel, Value* sub, const TokenTile& tokens) {
  const Values acc = sums_of_tile(kb, panel, sub, tokens);
  const PanelRows rows{kb.add(panel.rows.first, sub), kb.sub(panel.rows.skip, sub)};
  if (finishes_in_registers(kb.spec().epilogue)) {
    store_tokens(kb, acc, tokens, rows);
    return;
  }
  store_sums(kb, acc, {});
  finish_tokens(kb, tokens, rows);
}

// With glu: the sums of both halves, then C.
void compute_halves(KernelBuilder& kb, Value* number, const PanelRows& rows, Value* sub,
                    const TokenTile& tokens) {
  for_each_half(kb, [&](const HalfOfA& half) {
    const Panel panel = make_panel(kb, kb.add(number, half.panels_before), rows);
    store_sums(kb, sums_of_tile(kb, panel, sub, tokens), half);
  });
  finish_tokens(kb, tokens, {kb.add(rows.first, sub), kb.sub(rows.skip, sub)});
}

void compute_panel(KernelBuilder& kb, Value* number,
                   const std::function<void(const std::function<void(const TokenTile&)>&)>& tiles) {
  const int height = block_shape(kb.spec()).height;
  const PanelRows rows = panel_rows(kb, number, height);
  const bool glu = kb.spec().epilogue.glu;
  const Panel panel = glu ? Panel{} : make_panel(kb, number, rows);
  const std::int64_t step = static_cast<std::int64_t>(kb.spec().schedule.nv) * kb.lanes();
  tiles([&](const TokenTile& tokens) {
    for_each_step(kb, kb.i64(0), kb.i64(height), step, [&](Value* sub) {
      if (glu)
        compute_halves(kb, number, rows, sub, tokens);
      else
        compute_tile(kb, panel, sub, tokens);
    });
  });
}

}  // namespace

void emit_column_tile(KernelBuilder& kb) {
  if (kb.spec().schedule.order == LoopOrder::kPanelOuter) {
    for_each_panel(kb, [&](Value* panel) {
      compute_panel(kb, panel, [&](const auto& body) { for_each_token_tile(kb, body); });
    });
    return;
  }
  for_each_token_tile(kb, [&](const TokenTile& tokens) {
    for_each_panel(kb, [&](Value* panel) {
      compute_panel(kb, panel, [&](const auto& body) { body(tokens); });
    });
  });
}

}  // namespace lacuna
