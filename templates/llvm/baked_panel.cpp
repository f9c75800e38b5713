// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/baked_panel.h"

#include <cstddef>
#include <cstdint>

#include "templates/abi.h"
#include "templates/llvm/finish.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

namespace {

// The tile's lanes, a bit each. Made of their number: a mask made of vectors would be spilled around the calls.
Value* lanes_of(KernelBuilder& kb, const ColumnTile& tile) {
  auto& ir = kb.ir();
  const auto lanes = static_cast<unsigned>(kb.lanes());
  if (tile.mask == nullptr) return ir.getInt32((1U << lanes) - 1);
  Value* const count = ir.CreateTrunc(kb.sub(end_of_tile(kb, tile), tile.n0), ir.getInt32Ty());
  return ir.CreateSub(ir.CreateShl(ir.getInt32(1), count), ir.getInt32(1));
}

// A call of PanelCode (abi.h).
void call_code(KernelBuilder& kb, Value* panel, const PanelValues& staged, const DenseTile& b,
               const DenseTile& c, Value* lanes) {
  auto& ir = kb.ir();
  Value* const table = kb.load_pointer_argument(offsetof(KernelArgs, code));
  Value* const code = kb.at(table, kb.load_i32(table, panel));
  Value* first = kb.load_i64(kb.args().first_value, panel);
  if (staged.first != nullptr) first = kb.sub(first, staged.first);
  Value* const values = staged.base != nullptr ? staged.base : kb.args().values;
  auto* const type = llvm::FunctionType::get(ir.getVoidTy(),
                                             {ir.getPtrTy(), ir.getPtrTy(), ir.getInt64Ty(),
                                              ir.getPtrTy(), ir.getInt64Ty(), ir.getInt32Ty()},
                                             false);
  llvm::CallInst* const call = ir.CreateCall(
      type, code,
      {kb.at(values, kb.mul(first, kb.i64(4))), b.base, b.row_bytes, c.base, c.row_bytes, lanes});
  call->setDoesNotThrow();
}

}  // namespace

void call_baked_panel(KernelBuilder& kb, Value* panel, const PanelValues& staged,
                      const ColumnTile& tile, const DenseTile& b, const DenseTile& c) {
  const std::int64_t height = block_shape(kb.spec()).height;
  Value* const first = kb.mul(panel, kb.i64(height));
  if (!c.in_place || !stores_baked_sums(kb.spec())) {
    const DenseTile rows{kb.at(c.base, kb.mul(first, c.row_bytes)), c.row_bytes, c.in_place};
    call_code(kb, panel, staged, b, rows, lanes_of(kb, tile));
    return;
  }
  const DenseTile sums = sums_in_scratch(kb);
  call_code(kb, panel, staged, b, sums, lanes_of(kb, tile));
  Value* const end = kb.min(kb.add(first, kb.i64(height)), kb.args().rows_out);
  finish_part(kb, {first, end, tile.n0, end_of_tile(kb, tile)}, {sums.base, sums.row_bytes});
}

}  // namespace lacuna
