// SPDX-License-Identifier: Apache-2.0
//
// spmm on N:M with few dense columns, as in decoding, where the weights are read once and their bandwidth is the bound.
// Vectors run along A's rows, so the weights of a slot are loaded as they lie, and cost nothing but their load. What
// they meet differs from row to row but lies in the m elements of one group: these sit in a register, the table, and one
// permute by the slot's indices brings each row its own. Indices are 2 to 8 bits; one shift by a constant vector brings
// them into place (permutes look at an index's low bits only). All dense columns share it, and the weights.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/nm_pack.h"
#include "templates/llvm/nm_store.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/tile_loops.h"
#include "templates/permute.h"

namespace lacuna {

using llvm::Value;

namespace {

// The kernel under construction, with its fixed numbers.
struct Permuter {
  KernelBuilder& kb;
  PermuteShape shape;
  NofM nm;
  int mr = 1;

  [[nodiscard]] std::int64_t slot_bytes() const { return kNmPanelRows * 4LL; }
  [[nodiscard]] std::int64_t slot_index_bytes() const { return nm.index_words() * 4LL; }
};

llvm::FixedVectorType* vector_of(llvm::Type* element, int count) {
  return llvm::FixedVectorType::get(element, static_cast<unsigned>(count));
}

// `count` elements repeated to fill all lanes, or followed by any; 4 or more of them.
Value* widened(const Permuter& p, Value* vector, int count, bool repeat) {
  if (count == p.kb.lanes()) return vector;
  std::vector<int> lanes;
  lanes.reserve(static_cast<std::size_t>(p.kb.lanes()));
  for (int i = 0; i < p.kb.lanes(); ++i)
    lanes.push_back(repeat || i < count ? i % count : llvm::PoisonMaskElem);
  return p.kb.ir().CreateShuffleVector(vector, lanes);
}

// The table of one dense column. Tables of 4 floats are repeated: then it does not matter what follows an index of two
// bits.
Values load_table(const Permuter& p, Value* address) {
  auto& ir = p.kb.ir();
  const int floats = std::min(p.shape.table_floats, p.kb.lanes());
  Values table;
  for (int i = 0; i < p.shape.tables; ++i) {
    Value* const part = ir.CreateAlignedLoad(vector_of(ir.getFloatTy(), floats),
                                             p.kb.at(address, i * 4LL * floats), llvm::Align(4));
    table.push_back(widened(p, part, floats, floats == 4));
  }
  return table;
}

// The indices of rows [lanes * part, lanes * (part + 1)) of a slot, with bits of others above them.
Value* load_indices(const Permuter& p, Value* words, int part) {
  auto& ir = p.kb.ir();
  const int count = p.nm.index_words();
  const int lanes = p.kb.lanes();
  auto* const integers = vector_of(ir.getInt32Ty(), lanes);
  // A broadcast of all words at once: lane i then holds word i % words.
  Value* repeated = nullptr;
  if (count < 4) {
    auto* const word = ir.getIntNTy(static_cast<unsigned>(32 * count));
    Value* const all = ir.CreateAlignedLoad(word, words, llvm::Align(4));
    repeated =
        ir.CreateBitCast(ir.CreateVectorSplat(static_cast<unsigned>(lanes / count), all), integers);
  } else {
    Value* const all =
        ir.CreateAlignedLoad(vector_of(ir.getInt32Ty(), count), words, llvm::Align(4));
    repeated = widened(p, all, count, true);
  }
  std::vector<std::uint32_t> shifts;
  shifts.reserve(static_cast<std::size_t>(lanes));
  for (int i = 0; i < lanes; ++i)
    shifts.push_back(static_cast<std::uint32_t>(p.nm.index_bits() * ((part * lanes + i) / count)));
  return ir.CreateLShr(repeated, llvm::ConstantDataVector::get(ir.getContext(), shifts));
}

// x86: the elements of one register, by the low bits of each index.
Value* permute(const Permuter& p, Value* table, Value* indices) {
  namespace I = llvm::Intrinsic;
  auto& ir = p.kb.ir();
  const bool wide = p.kb.lanes() == 16;
  if (p.shape.table_floats == 4)  // within 128 bits: the shorter way through the core
    return ir.CreateIntrinsic(wide ? I::x86_avx512_vpermilvar_ps_512 : I::x86_avx_vpermilvar_ps_256,
                              {}, {table, indices});
  return ir.CreateIntrinsic(wide ? I::x86_avx512_permvar_sf_512 : I::x86_avx2_permps, {},
                            {table, indices});
}

// x86: the elements of a table of several registers.
Value* look_up(const Permuter& p, const Values& table, Value* indices) {
  auto& ir = p.kb.ir();
  if (table.size() == 1) return permute(p, table[0], indices);
  if (table.size() == 2 && p.kb.lanes() == 16)
    return ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_ps_512, {},
                              {table[0], indices, table[1]});
  const auto middle = table.begin() + static_cast<std::ptrdiff_t>(table.size() / 2);
  Value* const low = look_up(p, Values(table.begin(), middle), indices);
  Value* const high = look_up(p, Values(middle, table.end()), indices);
  // The bit that tells the halves apart, as the sign that x86 selects by.
  const int bit = std::countr_zero(static_cast<unsigned>(p.kb.lanes()) *
                                   static_cast<unsigned>(table.size() / 2));
  auto* const type = llvm::cast<llvm::VectorType>(indices->getType());
  Value* const sign =
      ir.CreateShl(indices, llvm::ConstantInt::get(type, static_cast<std::uint64_t>(31 - bit)));
  Value* const is_high = ir.CreateICmpSLT(sign, llvm::Constant::getNullValue(type));
  return ir.CreateSelect(is_high, high, low);
}

// The partial sums of `panels` panels.
struct Sums {
  std::size_t panels = 1, vectors = 1, columns = 1;
  Values all;

  Sums(const Permuter& p, int panel_count)
      : panels(static_cast<std::size_t>(panel_count)),
        vectors(static_cast<std::size_t>(p.shape.vectors)),
        columns(static_cast<std::size_t>(p.mr)),
        all(static_cast<std::size_t>(p.shape.sums) * of_one_sum(), p.kb.zero()) {}

  // Sums of one number: those of a panel side by side, in it those of a vector.
  [[nodiscard]] std::size_t of_one_sum() const { return panels * vectors * columns; }
  [[nodiscard]] Value*& at(std::size_t sum, std::size_t panel, std::size_t part,
                           std::size_t column) {
    return all[sum * of_one_sum() + (panel * vectors + part) * columns + column];
  }
};

// One group of columns: where its values and indices begin in each panel, and the table of each dense column.
struct Group {
  Values values, indices;
  std::vector<Values> tables;
};

// Dense columns [n0, end) of the panels from `panel` on.
struct PanelTile {
  Value *panel = nullptr, *n0 = nullptr, *end = nullptr;
};

// The same sum, made before this, and no load moves across it. Left alone, LLVM loads the weights and indices of many
// slots side by side before the first FMA, and spills. The elements live until here, so that the FMA's register is that
// of the sum, not theirs: else every sum is in two places, and copied back at the end of the loop.
Value* finished(KernelBuilder& kb, Value* sum, Value* elements) {
  auto* const type =
      llvm::FunctionType::get(sum->getType(), {sum->getType(), sum->getType()}, false);
  const char* const registers = kb.lanes() == 16 ? "=v,0,v,~{memory}" : "=x,0,x,~{memory}";
  return kb.ir().CreateCall(type, llvm::InlineAsm::get(type, "", registers, true), {sum, elements});
}

// Adds slot `slot` of a group to sum number `sum`.
void add_slot(const Permuter& p, const Group& group, int slot, std::size_t sum, Sums& sums) {
  auto& kb = p.kb;
  for (std::size_t panel = 0; panel < sums.panels; ++panel)
    for (std::size_t part = 0; part < sums.vectors; ++part) {
      const auto number = static_cast<int>(part);
      Value* const indices =
          load_indices(p, kb.at(group.indices[panel], slot * p.slot_index_bytes()), number);
      Value* const weights =
          kb.load(kb.at(group.values[panel], slot * p.slot_bytes() + number * kb.vector_bytes()));
      for (std::size_t j = 0; j < sums.columns; ++j) {
        Value*& to = sums.at(sum, panel, part, j);
        Value* const elements = look_up(p, group.tables[j], indices);
        to = finished(kb, kb.fma(elements, weights, to), elements);
      }
    }
}

// Group number `number` of those that begin at the pointers.
Group group_at(const Permuter& p, const Values& pointers, std::size_t panels, std::int64_t number) {
  auto& kb = p.kb;
  const std::int64_t slots = number * p.nm.n;
  Group group;
  for (std::size_t panel = 0; panel < panels; ++panel) {
    group.values.push_back(kb.at(pointers[2 * panel], slots * p.slot_bytes()));
    group.indices.push_back(kb.at(pointers[2 * panel + 1], slots * p.slot_index_bytes()));
  }
  Value* const tables = kb.at(pointers.back(), number * group_bytes(kb, p.shape));
  group.tables.reserve(static_cast<std::size_t>(p.mr));
  for (int j = 0; j < p.mr; ++j)
    group.tables.push_back(load_table(p, kb.at(tables, j * 4LL * p.shape.table_floats)));
  return group;
}

// `groups` groups that follow one another.
void add_groups(const Permuter& p, const Values& pointers, std::int64_t groups, Sums& sums) {
  std::size_t number = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    const Group group = group_at(p, pointers, sums.panels, g);
    for (int slot = 0; slot < p.nm.n; ++slot)
      add_slot(p, group, slot, number++ % static_cast<std::size_t>(p.shape.sums), sums);
  }
}

// The sums of `panels` panels from `panel` on, for one tile of dense columns.
Values accumulate(const Permuter& p, Value* panel, int panels, Value* tables) {
  auto& kb = p.kb;
  const auto& a = kb.args();
  Value* const groups = nm_groups(kb);
  const std::int64_t value_bytes = p.nm.n * p.slot_bytes();
  const std::int64_t index_bytes = p.nm.n * p.slot_index_bytes();
  std::vector<ReductionPointer> streams;
  for (int i = 0; i < panels; ++i) {
    Value* const first = kb.mul(kb.add(panel, kb.i64(i)), groups);
    streams.push_back({kb.at(a.values, kb.mul(first, kb.i64(value_bytes))), kb.i64(value_bytes)});
    streams.push_back({kb.at(a.origin, kb.mul(first, kb.i64(index_bytes))), kb.i64(index_bytes)});
  }
  streams.push_back({tables, kb.i64(group_bytes(kb, p.shape))});
  const Sums zeros(p, panels);
  const Values all =
      reduce_n_in_groups(kb, groups, streams, zeros.all, kb.spec().schedule.ku,
                         [&](const Values& in, const Values& pointers, std::int64_t steps) {
                           Sums sums = zeros;
                           sums.all = in;
                           add_groups(p, pointers, steps, sums);
                           return sums.all;
                         });
  return add_parts(kb, all, zeros.of_one_sum());
}

// The sums of `panels` panels from `panel` on, to their places in scratch.
void collect(const Permuter& p, const Stretch& stretch, const PanelTile& tile, Value* panel,
             int panels) {
  auto& kb = p.kb;
  const Values sums = accumulate(p, panel, panels, tables_of_tile(kb, p.shape, stretch, tile.n0));
  Value* const to = collected_panel(kb, kb.sub(panel, tile.panel));
  const Sums place(p, panels);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i % place.columns);
    const auto part = static_cast<std::int64_t>(i / place.columns % place.vectors);
    const auto number = static_cast<std::int64_t>(i / place.columns / place.vectors);
    const std::int64_t offset = (number * collected_columns(p.mr) + column) * p.slot_bytes();
    kb.store(kb.at(to, offset + part * kb.vector_bytes()), sums[i]);
  }
}

// Panels [tile.panel, last) from scratch to C.
void store_panels(const Permuter& p, const PanelTile& tile, Value* last) {
  auto& kb = p.kb;
  for_each_step(kb, tile.panel, last, 1, [&](Value* panel) {
    store_panel(kb, {collected_panel(kb, kb.sub(panel, tile.panel)), p.slot_bytes(),
                     kb.mul(panel, kb.i64(kNmPanelRows)), kb.args().rows_out, tile.n0, tile.end});
  });
}

// nv panels from `panel` on, or those that are left, for all dense columns of a stretch.
void compute_panels(const Permuter& p, const Stretch& stretch, Value* panel) {
  auto& kb = p.kb;
  const int nv = kb.spec().schedule.nv;
  Value* const behind = kb.add(panel, kb.i64(nv));
  Value* const last = kb.min(behind, kb.args().panel_end);
  Value* const whole = kb.ir().CreateICmpEQ(behind, last);
  for_each_step(kb, stretch.n0, stretch.end, p.mr, [&](Value* n0) {
    const PanelTile tile{panel, n0, kb.min(kb.add(n0, kb.i64(p.mr)), stretch.end)};
    kb.if_then(whole, [&] { collect(p, stretch, tile, panel, nv); });
    if (nv > 1)
      kb.if_then(kb.ir().CreateNot(whole), [&] {
        for_each_step(kb, panel, last, 1,
                      [&](Value* single) { collect(p, stretch, tile, single, 1); });
      });
    store_panels(p, tile, last);
  });
}

}  // namespace

void emit_permute(KernelBuilder& kb) {
  const auto& a = kb.args();
  const Permuter p{kb, permute_shape(kb.spec(), kb.lanes()), std::get<NofM>(kb.spec().format),
                   kb.spec().schedule.mr};
  for_each_step(kb, a.n_begin, a.n_end, p.shape.stretch, [&](Value* n0) {
    const Stretch stretch{n0, kb.min(kb.add(n0, kb.i64(p.shape.stretch)), a.n_end)};
    pack_tables(kb, p.shape, stretch);
    for_each_step(kb, a.panel_begin, a.panel_end, kb.spec().schedule.nv,
                  [&](Value* panel) { compute_panels(p, stretch, panel); });
  });
}

}  // namespace lacuna
