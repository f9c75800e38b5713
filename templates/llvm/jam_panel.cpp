// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/jam_panel.h"

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "templates/format.h"

namespace lacuna {

using llvm::Value;

namespace {

std::vector<int> rows_of_group(int group) {
  std::vector<int> rows;
  for (int row = 0; group >> row != 0; ++row)
    if ((group >> row & 1) != 0) rows.push_back(row);
  return rows;
}

std::size_t index_of(int row, int vectors, int v) {
  return static_cast<std::size_t>(row * vectors + v);
}

}  // namespace

Values for_each_jammed_column(KernelBuilder& kb, Value* panel, const Values& carried,
                              const JammedBody& body) {
  const auto& a = kb.args();
  const Jam& jam = std::get<Jam>(kb.spec().format);
  Value* const first_group = kb.mul(panel, kb.i64(jam.groups()));
  Value* const first_value = kb.load_i64(a.first_value, panel);
  Value* entry = kb.load_i64(a.ptr, first_group);
  // What travels through the loops: the address of the next weight, then the caller's values.
  Values state{kb.at(a.values, kb.mul(first_value, kb.i64(4)))};
  state.insert(state.end(), carried.begin(), carried.end());
  for (int group = 1; group <= jam.groups(); ++group) {
    const std::vector<int> rows = rows_of_group(group);
    const auto weight_bytes = static_cast<std::int64_t>(rows.size()) * 4;
    Value* const end = kb.load_i64(a.ptr, kb.add(first_group, kb.i64(group)));
    state = kb.loop(entry, end, 1, state, KernelBuilder::Trip::kMayBeZero,
                    [&](Value* number, const Values& in) {
                      const JammedColumn column{rows, kb.load_i32(a.origin, number), in.front()};
                      Values out = body(column, Values(in.begin() + 1, in.end()));
                      out.insert(out.begin(), kb.at(in.front(), weight_bytes));
                      return out;
                    });
    entry = end;
  }
  return {state.begin() + 1, state.end()};
}

Values accumulate_jammed(KernelBuilder& kb, Value* panel, const ColumnTile& tile,
                         const DenseTile& b) {
  const Jam& jam = std::get<Jam>(kb.spec().format);
  const Values zeros(static_cast<std::size_t>(jam.r * tile.vectors), kb.zero());
  return for_each_jammed_column(
      kb, panel, zeros, [&](const JammedColumn& column, const Values& in) {
        Value* const row = kb.at(b.base, kb.mul(column.number, b.row_bytes));
        Values vectors;
        for (int v = 0; v < tile.vectors; ++v)
          vectors.push_back(
              kb.load(kb.at(row, v * kb.vector_bytes()), b.in_place ? tile.mask_of(v) : nullptr));
        Values sums = in;
        for (std::size_t i = 0; i < column.rows.size(); ++i) {
          Value* const weight =
              kb.broadcast(kb.at(column.weights, static_cast<std::int64_t>(i) * 4));
          for (int v = 0; v < tile.vectors; ++v) {
            Value*& sum = sums[index_of(column.rows[i], tile.vectors, v)];
            sum = kb.fma(weight, vectors[static_cast<std::size_t>(v)], sum);
          }
        }
        return sums;
      });
}

void scatter_jammed(KernelBuilder& kb, Value* panel, const ColumnTile& tile, const DenseTile& c,
                    const Values& b_rows) {
  const auto mask_of = [&](int v) { return c.in_place ? tile.mask_of(v) : nullptr; };
  for_each_jammed_column(kb, panel, {}, [&](const JammedColumn& column, const Values&) -> Values {
    Value* const row = kb.at(c.base, kb.mul(column.number, c.row_bytes));
    Values sums;
    for (int v = 0; v < tile.vectors; ++v)
      sums.push_back(kb.load(kb.at(row, v * kb.vector_bytes()), mask_of(v)));
    for (std::size_t i = 0; i < column.rows.size(); ++i) {
      Value* const weight = kb.broadcast(kb.at(column.weights, static_cast<std::int64_t>(i) * 4));
      for (int v = 0; v < tile.vectors; ++v) {
        Value*& sum = sums[static_cast<std::size_t>(v)];
        sum = kb.fma(weight, b_rows[index_of(column.rows[i], tile.vectors, v)], sum);
      }
    }
    for (int v = 0; v < tile.vectors; ++v)
      kb.store(kb.at(row, v * kb.vector_bytes()), sums[static_cast<std::size_t>(v)], mask_of(v));
    return {};
  });
}

}  // namespace lacuna
