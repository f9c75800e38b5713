// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/outer_product.h"

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
      next.push_back(kb.fma(s, v, acc[next.size()]));
  }
  return next;
}

namespace {

Values unrolled_steps(KernelBuilder& kb, std::int64_t steps,
                      const std::vector<ReductionPointer>& streams, Values& pointers, Values acc,
                      const ReductionStep& step) {
  for (std::int64_t d = 0; d < steps; ++d) {
    acc = step(acc, pointers);
    for (std::size_t j = 0; j < pointers.size(); ++j)
      pointers[j] = kb.at(pointers[j], streams[j].stride);
  }
  return acc;
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
                          const ReductionStep& step) {
  const std::size_t accumulators = state.acc.size();
  const auto body = [&](Value*, const Values& in) -> Values {
    ReductionState now = split(in, accumulators);
    now.acc = unrolled_steps(kb, loop.unroll, streams, now.pointers, now.acc, step);
    return join(now);
  };
  return split(kb.loop(loop.begin, loop.end, loop.unroll, join(state), loop.trip, body),
               accumulators);
}

}  // namespace

Values reduce(KernelBuilder& kb, std::int64_t depth, const std::vector<ReductionPointer>& streams,
              const Values& acc, const ReductionStep& step) {
  ReductionState state = starting_state(streams, acc);
  const std::int64_t ku = kb.spec().schedule.ku;
  const std::int64_t looped = depth <= 2 * ku ? 0 : depth / ku * ku;
  if (looped > 0)
    state = loop_steps(kb, {kb.i64(0), kb.i64(looped), ku, KernelBuilder::Trip::kAtLeastOne},
                       streams, state, step);
  return unrolled_steps(kb, depth - looped, streams, state.pointers, state.acc, step);
}

Values reduce_n(KernelBuilder& kb, Value* depth, const std::vector<ReductionPointer>& streams,
                const Values& acc, std::int64_t unroll, const ReductionStep& step) {
  ReductionState state = starting_state(streams, acc);
  Value* begin = kb.i64(0);
  if (unroll > 1) {
    Value* const whole = kb.mul(kb.ir().CreateSDiv(depth, kb.i64(unroll)), kb.i64(unroll));
    state = loop_steps(kb, {begin, whole, unroll}, streams, state, step);
    begin = whole;
  }
  return loop_steps(kb, {begin, depth}, streams, state, step).acc;
}

}  // namespace lacuna
