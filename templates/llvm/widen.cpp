// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/widen.h"

#include <cstdint>
#include <variant>

#include "templates/format.h"
#include "templates/llvm/tile_loops.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;
using Role = KernelBuilder::Role;
using Trip = KernelBuilder::Trip;

namespace {

// Whole vectors, then what is left.
void widen_line(KernelBuilder& kb, Role role, Value* from, Value* elements, Value* to) {
  const std::int64_t bytes = role == Role::kDense ? kb.b_bytes() : kb.values_bytes();
  const auto copy = [&](Value* i, Value* mask) {
    kb.store(kb.at(to, kb.mul(i, kb.i64(4))),
             kb.load_widened(kb.at(from, kb.mul(i, kb.i64(bytes))), role, mask), mask);
  };
  Value* const whole = kb.ir().CreateAnd(elements, kb.i64(-std::int64_t{kb.lanes()}));
  for_each_step(kb, kb.i64(0), whole, kb.lanes(), [&](Value* i) { copy(i, nullptr); });
  kb.if_then(kb.ir().CreateICmpSLT(whole, elements),
             [&] { copy(whole, kb.mask_below(kb.sub(elements, whole))); });
}

// Blocks of block columns lie apart.
void widen_numbered_blocks(KernelBuilder& kb, Value* begin, Value* end, Value* to) {
  const std::int64_t block_bytes = block_shape(kb.spec()).block_bytes;
  kb.loop(begin, end, 1, {to}, Trip::kMayBeZero, [&](Value* entry, const Values& p) -> Values {
    Value* const number = kb.load_i32(kb.args().block, entry);
    Value* const from =
        kb.at(kb.args().values, kb.mul(number, kb.i64(block_bytes / 4 * kb.values_bytes())));
    widen_line(kb, Role::kWeights, from, kb.i64(block_bytes / 4), p[0]);
    return {kb.at(p[0], block_bytes)};
  });
}

}  // namespace

void widen_lines(KernelBuilder& kb, const WidenCopy& copy) {
  kb.loop(kb.i64(0), copy.lines, 1, {copy.from, copy.to}, Trip::kMayBeZero,
          [&](Value*, const Values& p) -> Values {
            widen_line(kb, Role::kDense, p[0], copy.elements, p[1]);
            return {kb.at(p[0], copy.ld_bytes), kb.at(p[1], copy.line_bytes)};
          });
}

PanelValues widen_values(KernelBuilder& kb, Value* begin, Value* end, Value* to) {
  const auto& a = kb.args();
  const bool jammed = std::holds_alternative<Jam>(kb.spec().format);
  Value* const first = kb.load_i64(jammed ? a.first_value : a.ptr, begin);
  Value* const last = kb.load_i64(jammed ? a.first_value : a.ptr, end);
  if (panel_direction(kb.spec()) == PanelDirection::kBlockColumns) {
    widen_numbered_blocks(kb, first, last, to);
    return {to, first};
  }
  const std::int64_t of_entry = jammed ? 1 : block_shape(kb.spec()).block_bytes / 4;
  Value* const from = kb.at(a.values, kb.mul(first, kb.i64(of_entry * kb.values_bytes())));
  widen_line(kb, Role::kWeights, from, kb.mul(kb.sub(last, first), kb.i64(of_entry)), to);
  return {to, first};
}

}  // namespace lacuna
