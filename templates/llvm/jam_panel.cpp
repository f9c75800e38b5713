// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/jam_panel.h"

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"

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

Value* weight_of(KernelBuilder& kb, const JammedColumn& column, std::size_t i) {
  const auto offset = static_cast<std::int64_t>(i) * stored_lane_bytes(kb.spec());
  return kb.broadcast_weight(kb.at(column.weights, offset));
}

// Entries [begin, end) of a group of a panel, and the weights of the first.
struct GroupWalk {
  Value *begin, *end, *weights;
};

// Walks the groups of a panel in order.
class GroupCursor {
 public:
  GroupCursor(KernelBuilder& kb, Value* panel, const JammedWalk& walk)
      : kb_(kb), chunk_(walk.chunk) {
    const auto& a = kb.args();
    const std::int64_t groups = std::get<Jam>(kb.spec().format).groups();
    list_ = kb.mul(panel, kb.i64(groups));
    if (chunk_.number != nullptr) list_ = kb.mul(list_, chunk_.count);
    entry_ = kb.load_i64(a.ptr, list_);
    const auto& [values, bytes] = walk.weights;
    Value* const before = kb.sub(kb.load_i64(a.first_value, panel), values.first);
    weights_ = kb.at(values.base, kb.mul(before, kb.i64(bytes)));
  }

  // What the loop over the next group takes, whose entries have weight_bytes each.
  [[nodiscard]] GroupWalk next(std::int64_t weight_bytes) {
    const auto& ptr = kb_.args().ptr;
    GroupWalk walk{entry_, nullptr, weights_};
    if (chunk_.number == nullptr) {
      list_ = kb_.add(list_, kb_.i64(1));
      entry_ = kb_.load_i64(ptr, list_);
      walk.end = entry_;
      return walk;
    }
    Value* const of_chunk = kb_.add(list_, chunk_.number);
    walk.begin = kb_.load_i64(ptr, of_chunk);
    walk.end = kb_.load_i64(ptr, kb_.add(of_chunk, kb_.i64(1)));
    const auto after = [&](Value* entry) {
      return kb_.at(weights_, kb_.mul(kb_.sub(entry, entry_), kb_.i64(weight_bytes)));
    };
    walk.weights = after(walk.begin);
    list_ = kb_.add(list_, chunk_.count);
    Value* const next_entry = kb_.load_i64(ptr, list_);
    weights_ = after(next_entry);
    entry_ = next_entry;
    return walk;
  }

  // Without chunks the loop over a group leaves its pointer at the weights of the next one.
  void continue_at(Value* weights) {
    if (chunk_.number == nullptr) weights_ = weights;
  }

 private:
  KernelBuilder& kb_;
  JammedChunk chunk_;
  Value *list_, *entry_, *weights_;
};

}  // namespace

// What sddmm writes are numbers of the result's type, what the others read lanes or indices.
JammedValues values_in_place(KernelBuilder& kb) {
  const bool writes = kb.spec().op == Op::kSddmm;
  return {{kb.args().values, kb.i64(0)}, writes ? kb.values_bytes() : stored_lane_bytes(kb.spec())};
}

Values for_each_jammed_column(KernelBuilder& kb, Value* panel, const JammedWalk& jammed,
                              const Values& carried, const JammedBody& body) {
  const auto& a = kb.args();
  GroupCursor cursor(kb, panel, jammed);
  Values state = carried;
  for (int group = 1; group <= std::get<Jam>(kb.spec().format).groups(); ++group) {
    const std::vector<int> rows = rows_of_group(group);
    const std::int64_t weight_bytes = static_cast<std::int64_t>(rows.size()) * jammed.weights.bytes;
    const GroupWalk walk = cursor.next(weight_bytes);
    // What travels through the loop: the address of the next weight, then the caller's values.
    state.insert(state.begin(), walk.weights);
    state = kb.loop(walk.begin, walk.end, 1, state, KernelBuilder::Trip::kMayBeZero,
                    [&](Value* number, const Values& in) {
                      const JammedColumn column{rows, kb.load_i32(a.origin, number), in.front()};
                      Values out = body(column, Values(in.begin() + 1, in.end()));
                      out.insert(out.begin(), kb.at(in.front(), weight_bytes));
                      return out;
                    });
    cursor.continue_at(state.front());
    state.erase(state.begin());
  }
  return state;
}

Values accumulate_jammed(KernelBuilder& kb, Value* panel, const JammedWalk& walk,
                         const ColumnTile& tile, const DenseTile& b, const Values& first) {
  return for_each_jammed_column(
      kb, panel, walk, first, [&](const JammedColumn& column, const Values& in) {
        Value* const row = kb.at(b.base, kb.mul(column.number, b.row_bytes));
        Values vectors;
        for (int v = 0; v < tile.vectors; ++v)
          vectors.push_back(
              kb.load(kb.at(row, v * kb.vector_bytes()), b.in_place ? tile.mask_of(v) : nullptr));
        Values sums = in;
        for (std::size_t i = 0; i < column.rows.size(); ++i) {
          Value* const weight = weight_of(kb, column, i);
          for (int v = 0; v < tile.vectors; ++v) {
            Value*& sum = sums[index_of(column.rows[i], tile.vectors, v)];
            sum = kb.multiply_add(vectors[static_cast<std::size_t>(v)], weight, sum);
          }
        }
        return sums;
      });
}

void scatter_jammed(KernelBuilder& kb, Value* panel, const JammedValues& weights,
                    const ColumnTile& tile, const DenseTile& c, const Values& b_rows) {
  const auto mask_of = [&](int v) { return c.in_place ? tile.mask_of(v) : nullptr; };
  for_each_jammed_column(
      kb, panel, {{}, weights}, {}, [&](const JammedColumn& column, const Values&) -> Values {
        Value* const row = kb.at(c.base, kb.mul(column.number, c.row_bytes));
        Values sums;
        for (int v = 0; v < tile.vectors; ++v)
          sums.push_back(kb.load(kb.at(row, v * kb.vector_bytes()), mask_of(v)));
        for (std::size_t i = 0; i < column.rows.size(); ++i) {
          Value* const weight = weight_of(kb, column, i);
          for (int v = 0; v < tile.vectors; ++v) {
            Value*& sum = sums[static_cast<std::size_t>(v)];
            sum = kb.multiply_add(b_rows[index_of(column.rows[i], tile.vectors, v)], weight, sum);
          }
        }
        for (int v = 0; v < tile.vectors; ++v)
          kb.store(kb.at(row, v * kb.vector_bytes()), sums[static_cast<std::size_t>(v)],
                   mask_of(v));
        return {};
      });
}

}  // namespace lacuna
