// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/matrix_unit.h"

#include <algorithm>
#include <cstdint>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "targets/base/dtype.h"
#include "templates/element_types.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/spec_dims.h"

namespace lacuna {

using llvm::Value;

namespace {

llvm::Intrinsic::ID product_of(ElementTypes types) {
  switch (operand_types(types).dense) {
    case DType::kS8:
      return llvm::Intrinsic::x86_tdpbssd;
    case DType::kU8:
      return llvm::Intrinsic::x86_tdpbusd;
    case DType::kBf16:
    case DType::kF32:
    case DType::kS32:
      break;
  }
  return llvm::Intrinsic::x86_tdpbf16ps;
}

// The same with the weights, which are signed, first.
llvm::Intrinsic::ID product_of_weights(ElementTypes types) {
  return operand_types(types).dense == DType::kU8 ? llvm::Intrinsic::x86_tdpbsud
                                                  : product_of(types);
}

void call(KernelBuilder& kb, llvm::Intrinsic::ID id, const Values& arguments) {
  kb.ir().CreateIntrinsic(id, {}, arguments);
}

}  // namespace

void MatrixUnit::configure(Value* config) {
  call(kb_, llvm::Intrinsic::x86_ldtilecfg, {config});
}

void MatrixUnit::release() {
  call(kb_, llvm::Intrinsic::x86_tilerelease, {});
}

void MatrixUnit::clear(int tile) {
  call(kb_, llvm::Intrinsic::x86_tilezero, {number(tile)});
}

void MatrixUnit::load(int tile, Value* pointer, Value* row_bytes) {
  call(kb_, llvm::Intrinsic::x86_tileloadd64, {number(tile), pointer, row_bytes});
}

void MatrixUnit::store(int tile, Value* pointer, Value* row_bytes) {
  call(kb_, llvm::Intrinsic::x86_tilestored64, {number(tile), pointer, row_bytes});
}

void MatrixUnit::multiply_add(int sums, int first, int second) {
  const ElementTypes types = kb_.spec().types;
  const auto id =
      matrix_shape(kb_.spec()).tokens_first ? product_of(types) : product_of_weights(types);
  call(kb_, id, {number(sums), number(first), number(second)});
}

MatrixShape matrix_shape(const KernelSpec& spec) {
  const BlockDims dims = dims_of(spec);
  constexpr std::int64_t kMost = 4 * kMatrixTileRows;
  MatrixShape shape;
  shape.tokens_first = spec.layout_c == Layout::kColMajor;
  shape.height = dims.height;
  shape.depth_bytes = std::int64_t{dims.depth} * size_bytes(operand_types(spec.types).dense);
  shape.step_bytes = std::min(shape.depth_bytes, kMost);
  shape.steps = shape.depth_bytes / shape.step_bytes;
  return shape;
}

TileNumbers tile_numbers(const KernelSpec& spec) {
  return {spec.schedule.mr, spec.schedule.nv};
}

// Intel SDM, vol. 1, 18.3: palette 1; bytes of a row in 16 bits from byte 16 on, rows in 8 bits from byte 48 on.
void configure_tiles(KernelBuilder& kb, Value* tokens) {
  auto& ir = kb.ir();
  const TileNumbers tiles = tile_numbers(kb.spec());
  const MatrixShape shape = matrix_shape(kb.spec());
  Value* const config = kb.args().scratch;
  constexpr std::int64_t kConfigBytes = 64, kFirstRowBytes = 16, kFirstRows = 48;
  for (std::int64_t at = 0; at < kConfigBytes; at += kb.vector_bytes())
    kb.store(kb.at(config, at), kb.zero());
  ir.CreateStore(ir.getInt8(1), config);
  const auto set = [&](int tile, Value* rows, Value* row_bytes) {
    ir.CreateAlignedStore(ir.CreateTrunc(row_bytes, ir.getInt16Ty()),
                          kb.at(config, kFirstRowBytes + 2LL * tile), llvm::Align(1));
    ir.CreateStore(ir.CreateTrunc(rows, ir.getInt8Ty()), kb.at(config, kFirstRows + tile));
  };
  // An operand of so many tokens or output rows: as first one, as second one.
  const auto set_operand = [&](int tile, bool first, Value* extent) {
    if (first)
      set(tile, extent, kb.i64(shape.step_bytes));
    else
      set(tile, kb.i64(shape.step_bytes / 4), kb.mul(extent, kb.i64(4)));
  };
  Value* const rows = kb.i64(shape.rows_of_tile());
  const bool first = shape.tokens_first;
  for (int i = 0; i < tiles.mr; ++i)
    for (int v = 0; v < tiles.nv; ++v)
      set(tiles.sums(i, v), first ? tokens : rows, kb.mul(first ? rows : tokens, kb.i64(4)));
  for (int i = 0; i < tiles.mr; ++i)
    set_operand(tiles.tokens(i), first, tokens);
  for (int v = 0; v < tiles.nv; ++v)
    set_operand(tiles.weights(v), !first, rows);
  MatrixUnit(kb).configure(config);
}

}  // namespace lacuna
