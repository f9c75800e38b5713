// SPDX-License-Identifier: Apache-2.0
//
// spmm on blocks with few dense columns, as in decoding, where the weights are read once and their bandwidth is the
// bound. Values are loaded as they lie, whole vectors one after the other through a panel; what they meet of B is brought
// to the lanes:
//
//   r >= lanes    a vector is a part of a column: an element of B is broadcast
//   r < lanes     a vector is lanes / r columns, of one block (long blocks) or of several. The elements of one block lie
//                 side by side and are loaded together, each for r lanes; those of up to four blocks are put together,
//                 those of more are gathered
//
// With r < lanes, a sum is in lanes / r parts until the end of the panel. Results are collected for 16 rows of C (or a
// higher block), and then take the way of the N:M kernels.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "templates/format.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/nm_pack.h"
#include "templates/llvm/nm_store.h"
#include "templates/llvm/outer_product.h"
#include "templates/llvm/stream_operands.h"
#include "templates/llvm/tile_loops.h"
#include "templates/stream.h"

namespace lacuna {

using llvm::Value;
using Trip = KernelBuilder::Trip;

namespace {

// The kernel under construction, with its fixed numbers.
struct Streamer {
  KernelBuilder& kb;
  StreamShape shape;
  Bsr block;
  int mr = 1, nv = 1;

  [[nodiscard]] std::int64_t block_bytes() const { return std::int64_t{block.r} * block.c * 4; }
  [[nodiscard]] std::int64_t step_bytes() const { return nv * kb.vector_bytes(); }
  [[nodiscard]] std::size_t sums() const {
    return static_cast<std::size_t>(mr) * static_cast<std::size_t>(nv);
  }
};

// Lane by lane, a number that follows from it.
std::vector<int> lanes_by(const Streamer& s, const std::function<int(int lane)>& number) {
  std::vector<int> lanes;
  lanes.reserve(static_cast<std::size_t>(s.kb.lanes()));
  for (int lane = 0; lane < s.kb.lanes(); ++lane)
    lanes.push_back(number(lane));
  return lanes;
}

llvm::FixedVectorType* floats(const Streamer& s, int count) {
  return llvm::FixedVectorType::get(s.kb.ir().getFloatTy(), static_cast<unsigned>(count));
}

// `count` elements of B that lie side by side, as a vector of so many.
Value* load_side_by_side(const Streamer& s, Value* address, int count) {
  return s.kb.ir().CreateAlignedLoad(floats(s, count), address, llvm::Align(4));
}

// A step: where its values are, how many of its lanes there are (null: all), and the elements of B for column j.
struct Step {
  Value* values;
  Value* mask;
  std::function<Value*(std::size_t j)> elements;
};

// Adds a step to sum number `sum`.
void add_step(const Streamer& s, const Step& step, std::size_t sum, Values& sums) {
  auto& kb = s.kb;
  Values weights;
  for (int v = 0; v < s.nv; ++v)
    weights.push_back(kb.load(kb.at(step.values, v * kb.vector_bytes()), step.mask));
  for (std::size_t j = 0; j < static_cast<std::size_t>(s.mr); ++j) {
    Value* const elements = step.elements(j);
    for (std::size_t v = 0; v < weights.size(); ++v) {
      Value*& to = sums[sum * s.sums() + j * weights.size() + v];
      // Left alone, LLVM loads for many steps ahead, and spills.
      to = kb.compute_first(kb.fma(weights[v], elements, to));
    }
  }
}

// --- one block: its steps one after the other ---

// The elements of a step that begins at row `row` of B (an address without its column).
Value* elements_of_block(const Streamer& s, Value* address) {
  if (s.shape.columns == 1) return s.kb.broadcast(address);
  Value* const side_by_side = load_side_by_side(s, address, s.shape.columns);
  if (s.shape.columns == s.kb.lanes()) return side_by_side;
  return s.kb.ir().CreateShuffleVector(side_by_side,
                                       lanes_by(s, [&](int lane) { return lane / s.block.r; }));
}

// `steps` steps from there on, the first of them number `number` of its block, as far as sums go.
void add_steps(const Streamer& s, const StreamedB& b, Value* values, Value* rows,
               std::int64_t steps, std::size_t& number, Values& sums) {
  auto& kb = s.kb;
  Value* row = rows;
  for (std::int64_t i = 0; i < steps; ++i) {
    const Step step{kb.at(values, i * s.step_bytes()), nullptr,
                    [&](std::size_t j) { return elements_of_block(s, kb.at(row, b.columns[j])); }};
    add_step(s, step, number++ % static_cast<std::size_t>(s.shape.sums), sums);
    row = kb.at(row, kb.mul(b.row_bytes, kb.i64(s.shape.columns)));
  }
}

// `blocks` blocks.
Values add_blocks(const Streamer& s, const StreamedB& b, const Values& in, const Values& pointers,
                  std::int64_t blocks) {
  auto& kb = s.kb;
  const int ku = kb.spec().schedule.ku;
  Values sums = in;
  std::size_t number = 0;
  for (std::int64_t i = 0; i < blocks; ++i) {
    Value* const values = kb.at(pointers[0], i * s.block_bytes());
    Value* const row = kb.load_i32(kb.at(pointers[1], i * 4));
    Value* const rows = kb.at(b.base, kb.mul(row, b.row_bytes));
    if (s.shape.steps <= ku) {
      add_steps(s, b, values, rows, s.shape.steps, number, sums);
      continue;
    }
    const std::vector<ReductionPointer> streams{
        {values, kb.i64(s.step_bytes())}, {rows, kb.mul(b.row_bytes, kb.i64(s.shape.columns))}};
    sums = reduce_n_in_groups(kb, kb.i64(s.shape.steps), streams, sums, ku,
                              [&](const Values& now, const Values& at, std::int64_t steps) {
                                Values next = now;
                                std::size_t from_first = 0;
                                add_steps(s, b, at[0], at[1], steps, from_first, next);
                                return next;
                              });
  }
  return sums;
}

// --- several blocks in a vector ---

// Which block of the vector a lane is of, and which of its columns.
int block_of_lane(const Streamer& s, int lane) {
  return lane / (s.block.r * s.block.c);
}
int column_of_lane(const Streamer& s, int lane) {
  return lane % (s.block.r * s.block.c) / s.block.r;
}

// Elements for column j from up to four places in B, one for each block.
Value* joined(const Streamer& s, const Values& places, Value* column) {
  auto& kb = s.kb;
  auto& ir = kb.ir();
  Value* result = nullptr;
  for (std::size_t t = 0; t < places.size(); ++t) {
    Value* const address = kb.at(places[t], column);
    Value* const piece = s.block.c == 1
                             ? kb.broadcast(address)
                             : ir.CreateShuffleVector(
                                   load_side_by_side(s, address, s.block.c),
                                   lanes_by(s, [&](int lane) { return column_of_lane(s, lane); }));
    if (result == nullptr) {
      result = piece;
      continue;
    }
    std::vector<llvm::Constant*> is_its;
    for (int lane = 0; lane < kb.lanes(); ++lane)
      is_its.push_back(ir.getInt1(block_of_lane(s, lane) == static_cast<int>(t)));
    result = ir.CreateSelect(llvm::ConstantVector::get(is_its), piece, result);
  }
  return result;
}

// Row numbers of B for each column that a vector covers, and for which of them there is a block (null: all).
struct Gathered {
  Value* rows;
  Value* mask;
};

Gathered rows_to_gather(const Streamer& s, Value* origin, Value* count) {
  auto& kb = s.kb;
  auto& ir = kb.ir();
  const int columns = s.shape.columns;
  auto* const integers =
      llvm::FixedVectorType::get(ir.getInt32Ty(), static_cast<unsigned>(kb.lanes()));
  Value* const whole =
      count == nullptr
          ? ir.CreateAlignedLoad(
                llvm::FixedVectorType::get(ir.getInt32Ty(), static_cast<unsigned>(s.shape.blocks)),
                origin, llvm::Align(4))
          : ir.CreateBitCast(kb.load(origin, kb.mask_below(count)), integers);
  std::vector<int> blocks, front;
  std::vector<std::uint32_t> within;
  for (int i = 0; i < columns; ++i) {
    blocks.push_back(i / s.block.c);
    within.push_back(static_cast<std::uint32_t>(i % s.block.c));
    front.push_back(i);
  }
  Gathered gathered{ir.CreateAdd(ir.CreateShuffleVector(whole, blocks),
                                 llvm::ConstantDataVector::get(ir.getContext(), within)),
                    nullptr};
  if (count == nullptr) return gathered;
  Value* const lanes_on = kb.mask_below(kb.mul(count, kb.i64(s.block.c)));
  gathered.mask = columns == kb.lanes() ? lanes_on : ir.CreateShuffleVector(lanes_on, front);
  return gathered;
}

Value* gather(const Streamer& s, const Gathered& gathered, Value* base) {
  auto& ir = s.kb.ir();
  auto* const type = floats(s, s.shape.columns);
  Value* const mask = gathered.mask != nullptr
                          ? gathered.mask
                          : llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(
                                ir.getInt1Ty(), static_cast<unsigned>(s.shape.columns)));
  Value* const elements =
      ir.CreateMaskedGather(type, ir.CreateGEP(ir.getFloatTy(), base, gathered.rows),
                            llvm::Align(4), mask, llvm::Constant::getNullValue(type));
  if (s.shape.columns == s.kb.lanes()) return elements;
  return ir.CreateShuffleVector(elements, lanes_by(s, [&](int lane) { return lane / s.block.r; }));
}

// One vector, of `count` blocks (null: as many as it holds). Blocks that are not there stand for the last one, whose
// elements meet the same rows: what is not finite there is not finite in the result anyway.
void add_vector(const Streamer& s, const StreamedB& b, Value* values, Value* origin, Value* count,
                std::size_t sum, Values& sums) {
  auto& kb = s.kb;
  Value* const mask =
      count == nullptr ? nullptr
                       : kb.mask_below(kb.mul(count, kb.i64(std::int64_t{s.block.r} * s.block.c)));
  if (gathers_dense(s.shape)) {
    const Gathered gathered = rows_to_gather(s, origin, count);
    add_step(s,
             {values, mask,
              [&](std::size_t j) { return gather(s, gathered, kb.at(b.base, b.columns[j])); }},
             sum, sums);
    return;
  }
  Values places;
  for (int t = 0; t < s.shape.blocks; ++t) {
    Value* number = kb.i64(t);
    if (count != nullptr) number = kb.min(number, kb.sub(count, kb.i64(1)));
    places.push_back(kb.at(b.base, kb.mul(kb.load_i32(origin, number), b.row_bytes)));
  }
  add_step(s, {values, mask, [&](std::size_t j) { return joined(s, places, b.columns[j]); }}, sum,
           sums);
}

// --- a panel ---

// The sums of entries [begin, end), in shape.sums parts each.
Values sums_of_entries(const Streamer& s, const StreamedB& b, Value* begin, Value* end) {
  auto& kb = s.kb;
  const auto& a = kb.args();
  const Values zeros(static_cast<std::size_t>(s.shape.sums) * s.sums(), kb.zero());
  const std::int64_t blocks = s.shape.blocks;
  Value* const values = kb.at(a.values, kb.mul(begin, kb.i64(s.block_bytes())));
  Value* const origin = kb.at(a.origin, kb.mul(begin, kb.i64(4)));
  Value* const count = kb.sub(end, begin);
  Value* const whole = blocks == 1 ? count : kb.ir().CreateSDiv(count, kb.i64(blocks));
  const std::vector<ReductionPointer> streams{{values, kb.i64(blocks * s.block_bytes())},
                                              {origin, kb.i64(blocks * 4)}};
  const Values sums =
      reduce_n_in_groups(kb, whole, streams, zeros, s.shape.together,
                         [&](const Values& in, const Values& pointers, std::int64_t steps) {
                           if (blocks == 1) return add_blocks(s, b, in, pointers, steps);
                           Values next = in;
                           for (std::int64_t i = 0; i < steps; ++i)
                             add_vector(s, b, kb.at(pointers[0], i * blocks * s.block_bytes()),
                                        kb.at(pointers[1], i * blocks * 4), nullptr,
                                        static_cast<std::size_t>(i % s.shape.sums), next);
                           return next;
                         });
  if (blocks == 1) return sums;
  Value* const taken = kb.mul(whole, kb.i64(blocks));
  return kb.loop(taken, count, blocks, sums, Trip::kMayBeZero, [&](Value* first, const Values& in) {
    Values next = in;
    add_vector(s, b, kb.at(values, kb.mul(first, kb.i64(s.block_bytes()))),
               kb.at(origin, kb.mul(first, kb.i64(4))), kb.sub(count, first), 0, next);
    return next;
  });
}

// Lane i of r: the sum of lanes i, i + r, i + 2r, ...; as a vector of `lanes` again.
Value* added_columns(const Streamer& s, Value* vector) {
  auto& ir = s.kb.ir();
  for (int half = s.kb.lanes() / 2; half >= s.block.r; half /= 2) {
    std::vector<int> low, high;
    for (int lane = 0; lane < half; ++lane) {
      low.push_back(lane);
      high.push_back(half + lane);
    }
    vector = s.kb.fadd(ir.CreateShuffleVector(vector, low), ir.CreateShuffleVector(vector, high));
  }
  return ir.CreateShuffleVector(vector, lanes_by(s, [&](int lane) {
                                  return lane < s.block.r ? lane : llvm::PoisonMaskElem;
                                }));
}

// The results of one panel to their places: row `first_row` of C is the first that is collected.
void collect(const Streamer& s, const StreamedB& b, Value* panel, Value* first_row) {
  auto& kb = s.kb;
  const auto& a = kb.args();
  const Values sums = add_parts(kb,
                                sums_of_entries(s, b, kb.load_i64(a.ptr, panel),
                                                kb.load_i64(a.ptr, kb.add(panel, kb.i64(1)))),
                                s.sums());
  const PanelRows rows = panel_rows(kb, panel, s.block.r);
  Value* const place =
      kb.at(collected_panels(kb), kb.mul(kb.sub(rows.first, first_row), kb.i64(4)));
  const auto vectors = static_cast<std::size_t>(s.nv);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i / vectors);
    const auto v = static_cast<std::int64_t>(i % vectors);
    Value* const to = kb.at(place, column * s.shape.collected * 4 + v * kb.vector_bytes());
    Value* mask = kb.mask_from(kb.sub(rows.skip, kb.i64(v * kb.lanes())));
    Value* sum = sums[i];
    if (s.shape.columns > 1) {
      sum = added_columns(s, sum);
      mask = kb.mask_and(mask, kb.mask_below(kb.i64(s.block.r)));
    }
    kb.store(to, sum, mask);
  }
}

// The panels from `panel` on whose results are collected together, for all dense columns of a stretch.
void compute_panels(const Streamer& s, const Stretch& stretch, Value* panel) {
  auto& kb = s.kb;
  const auto& a = kb.args();
  Value* const last = kb.min(kb.add(panel, kb.i64(s.shape.panels)), a.panel_end);
  Value* const first_row = kb.mul(panel, kb.i64(s.block.r));
  Value* const row_end = kb.min(kb.mul(last, kb.i64(s.block.r)), a.rows_out);
  for_each_step(kb, stretch.n0, stretch.end, s.mr, [&](Value* n0) {
    const StreamedB b = streamed_b(kb, s.shape, stretch, n0);
    for_each_step(kb, panel, last, 1, [&](Value* one) { collect(s, b, one, first_row); });
    Value* const end = kb.min(kb.add(n0, kb.i64(s.mr)), stretch.end);
    for_each_step(kb, first_row, row_end, kNmPanelRows, [&](Value* row) {
      Value* const from = kb.at(collected_panels(kb), kb.mul(kb.sub(row, first_row), kb.i64(4)));
      store_panel(kb, {from, s.shape.collected * 4LL, row, row_end, n0, end});
    });
  });
}

}  // namespace

void emit_stream(KernelBuilder& kb) {
  const auto& a = kb.args();
  const Schedule& schedule = kb.spec().schedule;
  const Streamer s{kb, stream_shape(kb.spec(), kb.lanes()), std::get<Bsr>(kb.spec().format),
                   schedule.mr, schedule.nv};
  for_each_step(kb, a.n_begin, a.n_end, s.shape.stretch, [&](Value* n0) {
    const Stretch stretch{n0, kb.min(kb.add(n0, kb.i64(s.shape.stretch)), a.n_end)};
    if (schedule.pack) pack_columns(kb, s.shape, stretch);
    for_each_step(kb, a.panel_begin, a.panel_end, s.shape.panels,
                  [&](Value* panel) { compute_panels(s, stretch, panel); });
  });
}

}  // namespace lacuna
