// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/outer_product.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace lacuna {

using llvm::Value;

Values outer_product(KernelBuilder& kb, const RegisterTile& tile, const Values& acc,
                     const std::function<Value*(int)>& vector,
                     const std::function<Value*(int)>& scalar) {
  Values vectors;
  for (int v = 0; v < tile.vectors; ++v)
    vectors.push_back(vector(v));
  Values next;
  for (int i = 0; i < tile.scalars; ++i) {
    Value* const s = scalar(i);
    for (Value* const v : vectors)
      next.push_back(kb.multiply_add(v, s, acc[next.size()]));
  }
  return next;
}

Values outer_products(KernelBuilder& kb, int scalars, std::int64_t steps, const Values& acc,
                      const std::function<Value*(std::int64_t step)>& vector,
                      const std::function<Value*(int i)>& row) {
  Values vectors;
  for (std::int64_t step = 0; step < steps; ++step)
    vectors.push_back(vector(step));
  constexpr int kTogether = 4;
  Values next = acc;
  for (int first = 0; first < scalars; first += kTogether) {
    Values rows;
    for (int i = first; i < std::min(first + kTogether, scalars); ++i)
      rows.push_back(kb.in_register(row(i)));
    for (std::size_t step = 0; step < vectors.size(); ++step)
      for (std::size_t i = 0; i < rows.size(); ++i) {
        Value*& sum = next[static_cast<std::size_t>(first) + i];
        const auto offset = static_cast<std::int64_t>(step) * 4;
        sum = kb.multiply_add(vectors[step], kb.broadcast(kb.at(rows[i], offset)), sum);
      }
  }
  return next;
}

namespace {

Values advanced(KernelBuilder& kb, const Values& pointers,
                const std::vector<ReductionPointer>& streams, std::int64_t steps) {
  Values next;
  for (const auto& stream : streams)
    next.push_back(kb.at(pointers[next.size()], kb.mul(stream.stride, kb.i64(steps))));
  return next;
}

// A group that takes its steps one after the other.
ReductionGroup step_by_step(KernelBuilder& kb, const std::vector<ReductionPointer>& streams,
                            const ReductionStep& step) {
  return [&](Values acc, Values pointers, std::int64_t steps) {
    for (std::int64_t d = 0; d < steps; ++d) {
      acc = step(acc, pointers);
      pointers = advanced(kb, pointers, streams, 1);
    }
    return acc;
  };
}

// Accumulators and pointers travel through a loop as one list.
struct ReductionState {
  Values acc;
  Values pointers;
};

Values join(const ReductionState& state) {
  Values all = state.acc;
  all.insert(all.end(), state.pointers.begin(), state.pointers.end());
  return all;
}

ReductionState split(const Values& all, std::size_t accumulators) {
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(accumulators);
  return {Values(all.begin(), middle), Values(middle, all.end())};
}

ReductionState starting_state(const std::vector<ReductionPointer>& streams, const Values& acc) {
  ReductionState state{acc, {}};
  for (const auto& stream : streams)
    state.pointers.push_back(stream.start);
  return state;
}

// for (d = begin; d < end; d += unroll) `unroll` steps.
struct StepLoop {
  Value* begin = nullptr;
  Value* end = nullptr;
  std::int64_t unroll = 1;
  KernelBuilder::Trip trip = KernelBuilder::Trip::kMayBeZero;
};

ReductionState loop_steps(KernelBuilder& kb, const StepLoop& loop,
                          const std::vector<ReductionPointer>& streams, const ReductionState& state,
                          const ReductionGroup& group) {
  const std::size_t accumulators = state.acc.size();
  const auto body = [&](Value*, const Values& in) -> Values {
    ReductionState now = split(in, accumulators);
    now.acc = group(now.acc, now.pointers, loop.unroll);
    now.pointers = advanced(kb, now.pointers, streams, loop.unroll);
    return join(now);
  };
  return split(kb.loop(loop.begin, loop.end, loop.unroll, join(state), loop.trip, body),
               accumulators);
}

}  // namespace

Values reduce(KernelBuilder& kb, std::int64_t depth, const std::vector<ReductionPointer>& streams,
              const Values& acc, const ReductionStep& step) {
  ReductionState state = starting_state(streams, acc);
  const ReductionGroup group = step_by_step(kb, streams, step);
  const std::int64_t ku = kb.spec().schedule.ku;
  const std::int64_t looped = depth <= 2 * ku ? 0 : depth / ku * ku;
  if (looped > 0)
    state = loop_steps(kb, {kb.i64(0), kb.i64(looped), ku, KernelBuilder::Trip::kAtLeastOne},
                       streams, state, group);
  return group(state.acc, state.pointers, depth - looped);
}

Values reduce_n_in_groups(KernelBuilder& kb, Value* depth,
                          const std::vector<ReductionPointer>& streams, const Values& acc,
                          std::int64_t unroll, const ReductionGroup& group) {
  ReductionState state = starting_state(streams, acc);
  Value* begin = kb.i64(0);
  if (unroll > 1) {
    Value* const whole = kb.mul(kb.ir().CreateSDiv(depth, kb.i64(unroll)), kb.i64(unroll));
    state = loop_steps(kb, {begin, whole, unroll}, streams, state, group);
    begin = whole;
  }
  return loop_steps(kb, {begin, depth}, streams, state, group).acc;
}

Values reduce_n(KernelBuilder& kb, Value* depth, const std::vector<ReductionPointer>& streams,
                const Values& acc, std::int64_t unroll, const ReductionStep& step) {
  return reduce_n_in_groups(kb, depth, streams, acc, unroll, step_by_step(kb, streams, step));
}

Values add_parts(KernelBuilder& kb, const Values& parts, std::size_t count) {
  Values result;
  for (std::size_t i = 0; i < count; ++i) {
    Values of_one;
    for (std::size_t at = i; at < parts.size(); at += count)
      of_one.push_back(parts[at]);
    for (; of_one.size() > 1; of_one.erase(of_one.begin(), of_one.begin() + 2))
      of_one.push_back(kb.add_sums(of_one[0], of_one[1]));
    result.push_back(of_one[0]);
  }
  return result;
}

}  // namespace lacuna
