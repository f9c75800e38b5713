// SPDX-License-Identifier: Apache-2.0
//
// KernelBuilder on elements narrower than 32 bits (element_types.h): loads and stores with conversions, groups, and the
// multiply-adds of each type.
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "targets/base/dtype.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/kernel_spec.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;

namespace {
constexpr llvm::Align kUnaligned{};
}

std::int64_t KernelBuilder::c_bytes() const {
  const OperandTypes types = operand_types(spec_.types);
  return size_bytes(spec_.op == Op::kSddmm ? types.dense : types.result);
}

std::int64_t KernelBuilder::values_bytes() const {
  const OperandTypes types = operand_types(spec_.types);
  return size_bytes(spec_.op == Op::kSddmm ? types.result : types.weights);
}

Value* KernelBuilder::groups_of(Value* elements) {
  return group() == 1 ? elements : ir_.CreateExactUDiv(elements, i64(group()));
}

llvm::FixedVectorType* KernelBuilder::integers(unsigned bits, int count) {
  return llvm::FixedVectorType::get(ir_.getIntNTy(bits), static_cast<unsigned>(count));
}

// As many elements of `bits` bits as there are lanes.
Value* KernelBuilder::load_narrow(Value* pointer, unsigned bits, Value* mask) {
  auto* const type = integers(bits, lanes_);
  if (mask == nullptr) return ir_.CreateAlignedLoad(type, pointer, kUnaligned);
  return ir_.CreateMaskedLoad(type, pointer, kUnaligned, mask, llvm::Constant::getNullValue(type));
}

Value* KernelBuilder::load_result(Value* pointer, Value* mask) {
  return operand_types(spec_.types).result == DType::kBf16 ? load_bf16(pointer, mask)
                                                           : load(pointer, mask);
}

Value* KernelBuilder::load_bf16(Value* pointer, Value* mask) {
  Value* const wide = ir_.CreateZExt(load_narrow(pointer, 16, mask), integers(32, lanes_));
  return ir_.CreateBitCast(ir_.CreateShl(wide, 16), vector_type_);
}

// The low 16 bits hold the number with its sign: what VPDPWSSD and VPMADDWD multiply. They multiply the high 16 bits as
// well, of which those of the dense operand are therefore zeros.
Value* KernelBuilder::widened_byte(Value* byte, llvm::Type* wide, DType type, Role role) {
  Value* const number =
      type == DType::kU8 ? ir_.CreateZExt(byte, wide) : ir_.CreateSExt(byte, wide);
  if (type == DType::kU8 || role == Role::kWeights) return number;
  return ir_.CreateAnd(number, llvm::ConstantInt::get(wide, 0xFFFF));
}

Value* KernelBuilder::load_widened(Value* pointer, Role role, Value* mask) {
  const OperandTypes types = operand_types(spec_.types);
  const DType type = role == Role::kDense ? types.dense : types.weights;
  if (type == DType::kBf16) return load_bf16(pointer, mask);
  Value* const bytes = load_narrow(pointer, 8, mask);
  return ir_.CreateBitCast(widened_byte(bytes, integers(32, lanes_), type, role), vector_type_);
}

Value* KernelBuilder::load_widened_element(Value* pointer) {
  const DType type = operand_types(spec_.types).dense;
  if (type == DType::kBf16) return load_bf16_element(pointer);
  Value* const byte = ir_.CreateAlignedLoad(ir_.getInt8Ty(), pointer, kUnaligned);
  return ir_.CreateBitCast(widened_byte(byte, ir_.getInt32Ty(), type, Role::kDense),
                           ir_.getFloatTy());
}

Values KernelBuilder::split_widened(Value* lanes) {
  const DType type = operand_types(spec_.types).dense;
  if (type == DType::kBf16) {
    const auto [first, second] = split_pairs(lanes);
    return {first, second};
  }
  constexpr unsigned kBytes = 4, kBits = 8, kHalf = 16;
  Value* const bits = ir_.CreateBitCast(lanes, integers(32, lanes_));
  Values split;
  for (unsigned i = 0; i < kBytes; ++i) {
    Value* const top = ir_.CreateShl(bits, kBits * (kBytes - 1 - i));
    Value* const number = type == DType::kU8 ? ir_.CreateLShr(top, kBits * (kBytes - 1))
                                             : ir_.CreateLShr(ir_.CreateAShr(top, kBits), kHalf);
    split.push_back(ir_.CreateBitCast(number, vector_type_));
  }
  return split;
}

Value* KernelBuilder::load_bf16_element(Value* pointer) {
  Value* const narrow = ir_.CreateAlignedLoad(ir_.getInt16Ty(), pointer, kUnaligned);
  Value* const bits = ir_.CreateShl(ir_.CreateZExt(narrow, ir_.getInt32Ty()), 16);
  return ir_.CreateBitCast(bits, ir_.getFloatTy());
}

Value* KernelBuilder::load_result_element(Value* pointer) {
  return operand_types(spec_.types).result == DType::kBf16 ? load_bf16_element(pointer)
                                                           : load_float(pointer);
}

void KernelBuilder::store_result_element(Value* pointer, Value* value) {
  if (operand_types(spec_.types).result != DType::kBf16) {
    store_float(pointer, value);
    return;
  }
  Value* const all = ir_.CreateVectorSplat(static_cast<unsigned>(lanes_), value);
  ir_.CreateAlignedStore(ir_.CreateExtractElement(round_to_bf16(all), i64(0)), pointer, kUnaligned);
}

void KernelBuilder::store_result(Value* pointer, Value* vector, Value* mask) {
  if (operand_types(spec_.types).result != DType::kBf16) {
    store(pointer, vector, mask);
    return;
  }
  store_narrow(pointer, round_to_bf16(vector), mask);
}

void KernelBuilder::store_narrow(Value* pointer, Value* narrow, Value* mask) {
  if (mask == nullptr)
    ir_.CreateAlignedStore(narrow, pointer, kUnaligned);
  else
    ir_.CreateMaskedStore(narrow, pointer, kUnaligned, mask);
}

void KernelBuilder::store_halves(Value* pointer, Value* integers, Value* mask) {
  auto* const halves = llvm::FixedVectorType::get(ir_.getInt16Ty(), static_cast<unsigned>(lanes_));
  store_narrow(pointer, ir_.CreateTrunc(integers, halves), mask);
}

// To nearest, ties to even. The instruction flushes denormals, as those that multiply pairs do.
Value* KernelBuilder::round_to_bf16(Value* vector) {
  if (target_.has_feature("avx512bf16") && lanes_ == 16)
    return ir_.CreateBitCast(
        ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512, {}, {vector}),
        integers(16, lanes_));
  auto* const type = integers(32, lanes_);
  const auto all = [&](std::uint32_t value) { return llvm::ConstantInt::get(type, value); };
  Value* const bits = ir_.CreateBitCast(vector, type);
  Value* const high = ir_.CreateLShr(bits, 16);
  Value* const odd = ir_.CreateAnd(high, all(1));
  Value* const rounded = ir_.CreateLShr(ir_.CreateAdd(bits, ir_.CreateAdd(odd, all(0x7FFF))), 16);
  constexpr std::uint32_t kQuiet = 0x40;
  Value* const nan = ir_.CreateFCmpUNO(vector, vector);
  Value* const chosen = ir_.CreateSelect(nan, ir_.CreateOr(high, all(kQuiet)), rounded);
  return ir_.CreateTrunc(chosen, integers(16, lanes_));
}

Value* KernelBuilder::load_groups(const Values& rows, Value* mask) {
  const auto bits = static_cast<unsigned>(32 / group());
  Values narrow;
  for (Value* const row : rows)
    narrow.push_back(load_narrow(row, bits, mask));
  narrow.resize(static_cast<std::size_t>(group()),
                llvm::Constant::getNullValue(integers(bits, lanes_)));
  std::vector<int> order;
  for (int lane = 0; lane < lanes_; ++lane)
    for (int row = 0; row < group(); ++row)
      order.push_back(row * lanes_ + lane);
  while (narrow.size() > 1) {  // halves side by side
    Values joined;
    for (std::size_t i = 0; i < narrow.size(); i += 2) {
      const auto* const type = llvm::cast<llvm::FixedVectorType>(narrow[i]->getType());
      std::vector<int> both(2 * type->getNumElements());
      std::iota(both.begin(), both.end(), 0);
      joined.push_back(ir_.CreateShuffleVector(narrow[i], narrow[i + 1], both));
    }
    narrow = joined;
  }
  return ir_.CreateBitCast(ir_.CreateShuffleVector(narrow[0], order), vector_type_);
}

Value* KernelBuilder::multiply_add(Value* vector, Value* scalar, Value* sum) {
  switch (operand_types(spec_.types).dense) {
    case DType::kBf16:
      return widens(spec_) ? fma(scalar, vector, sum) : multiply_add_bf16(vector, scalar, sum);
    case DType::kS8:
    case DType::kU8:
      if (widens(spec_)) return multiply_add_words(vector, scalar, sum);
      // the dense operand is the unsigned one
      return spec_.schedule.strategy == Strategy::kColumnTile
                 ? multiply_add_bytes(scalar, vector, sum)
                 : multiply_add_bytes(vector, scalar, sum);
    case DType::kF32:
    case DType::kS32:
      break;
  }
  return fma(scalar, vector, sum);
}

// Signed bytes of the dense operand come here shifted to unsigned ones (element_types.h).
Value* KernelBuilder::multiply_add_bytes(Value* unsigned_bytes, Value* signed_bytes, Value* sum) {
  auto* const type = integers(32, lanes_);
  return ir_.CreateBitCast(
      ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpdpbusd_512, {},
                          {ir_.CreateBitCast(sum, type), ir_.CreateBitCast(unsigned_bytes, type),
                           ir_.CreateBitCast(signed_bytes, type)}),
      vector_type_);
}

// One product of 16 bits by 16 in each lane, and one of the zeros above.
Value* KernelBuilder::multiply_add_words(Value* vector, Value* scalar, Value* sum) {
  auto* const type = integers(32, lanes_);
  if (multiplies_groups(spec_.types, target_))
    return ir_.CreateBitCast(
        ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpdpwssd_512, {},
                            {ir_.CreateBitCast(sum, type), ir_.CreateBitCast(vector, type),
                             ir_.CreateBitCast(scalar, type)}),
        vector_type_);
  auto* const words = integers(16, 2 * lanes_);
  const auto intrinsic =
      lanes_ == 16 ? llvm::Intrinsic::x86_avx512_pmaddw_d_512 : llvm::Intrinsic::x86_avx2_pmadd_wd;
  Value* const products = ir_.CreateIntrinsic(
      intrinsic, {}, {ir_.CreateBitCast(vector, words), ir_.CreateBitCast(scalar, words)});
  return add_integers(products, sum);
}

constexpr std::uint32_t kShiftOfBytes = 0x80808080U;

Value* KernelBuilder::shift_bytes(Value* groups) {
  auto* const type = integers(32, lanes_);
  Value* const bits = ir_.CreateBitCast(groups, type);
  return ir_.CreateBitCast(ir_.CreateXor(bits, llvm::ConstantInt::get(type, kShiftOfBytes)),
                           vector_type_);
}

Value* KernelBuilder::add_shifts(Value* weights, Value* sums) {
  auto* const shifts = llvm::ConstantInt::get(integers(32, lanes_), kShiftOfBytes);
  return multiply_add_bytes(shifts, weights, sums);
}

Value* KernelBuilder::negated_integers(Value* lanes) {
  return ir_.CreateBitCast(ir_.CreateNeg(ir_.CreateBitCast(lanes, integers(32, lanes_))),
                           vector_type_);
}

Value* KernelBuilder::finished_sums(Value* sums) {
  const OperandTypes types = operand_types(spec_.types);
  if (types.result == types.accumulator || types.accumulator == DType::kF32) return sums;
  return ir_.CreateSIToFP(ir_.CreateBitCast(sums, integers(32, lanes_)), vector_type_);
}

Value* KernelBuilder::add_results(Value* a, Value* b) {
  return operand_types(spec_.types).result == DType::kS32 ? add_integers(a, b) : fadd(a, b);
}

Value* KernelBuilder::add_sums(Value* a, Value* b) {
  return are_integers(spec_.types) ? add_integers(a, b) : fadd(a, b);
}

Value* KernelBuilder::add_integers(Value* a, Value* b) {
  auto* const type = integers(32, lanes_);
  return ir_.CreateBitCast(ir_.CreateAdd(ir_.CreateBitCast(a, type), ir_.CreateBitCast(b, type)),
                           vector_type_);
}

Value* KernelBuilder::multiply_add_bf16(Value* vector, Value* scalar, Value* sum) {
  if (multiplies_groups(spec_.types, target_)) {
    auto* const pairs = llvm::FixedVectorType::get(ir_.getBFloatTy(), 32);
    return ir_.CreateIntrinsic(
        llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512, {},
        {sum, ir_.CreateBitCast(vector, pairs), ir_.CreateBitCast(scalar, pairs)});
  }
  const auto [vector_first, vector_second] = split_pairs(vector);
  const auto [scalar_first, scalar_second] = split_pairs(scalar);
  return fma(scalar_second, vector_second, fma(scalar_first, vector_first, sum));
}

std::pair<Value*, Value*> KernelBuilder::split_pairs(Value* pairs) {
  auto* const type = integers(32, lanes_);
  Value* const bits = ir_.CreateBitCast(pairs, type);
  Value* const high = ir_.CreateAnd(bits, llvm::ConstantInt::get(type, 0xFFFF0000U));
  return {ir_.CreateBitCast(ir_.CreateShl(bits, 16), vector_type_),
          ir_.CreateBitCast(high, vector_type_)};
}

Value* KernelBuilder::join_pairs(Value* first, Value* second) {
  auto* const type = integers(32, lanes_);
  Value* const low = ir_.CreateZExt(round_to_bf16(first), type);
  Value* const high = ir_.CreateShl(ir_.CreateZExt(round_to_bf16(second), type), 16);
  return ir_.CreateBitCast(ir_.CreateOr(low, high), vector_type_);
}

Value* KernelBuilder::load_element(Value* pointer) {
  const auto bits = static_cast<unsigned>(32 / group());
  Value* const element = ir_.CreateAlignedLoad(ir_.getIntNTy(bits), pointer, kUnaligned);
  return ir_.CreateBitCast(ir_.CreateZExt(element, ir_.getInt32Ty()), ir_.getFloatTy());
}

Value* KernelBuilder::broadcast_element(Value* pointer) {
  return ir_.CreateVectorSplat(static_cast<unsigned>(lanes_), load_element(pointer));
}

}  // namespace lacuna
