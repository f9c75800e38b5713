// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/kernel_builder.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "targets/base/dtype.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/element_types.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

using llvm::Value;

KernelBuilder::KernelBuilder(llvm::Module& module, const KernelSpec& spec, const Target& target)
    : spec_(spec),
      target_(target),
      ir_(module.getContext()),
      lanes_(target.f32_lanes()),
      vector_type_(llvm::FixedVectorType::get(ir_.getFloatTy(), static_cast<unsigned>(lanes_))),
      constants_(module, target) {
  auto* type = llvm::FunctionType::get(ir_.getVoidTy(), {ir_.getPtrTy()}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage,
                                     kernel_name(spec, target.name), module);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr("no-builtins");
  const std::string width = std::to_string(target.vector_bits);
  function_->addFnAttr("prefer-vector-width", width);
  function_->addFnAttr("min-legal-vector-width", width);
  ir_.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function_));
  load_arguments();
}

void KernelBuilder::finish() {
  ir_.CreateRetVoid();
  constants_.finish();
}

Value* KernelBuilder::compute_first(Value* vector) {
  auto* const type = llvm::FunctionType::get(vector_type_, {vector_type_}, false);
  return ir_.CreateCall(type, llvm::InlineAsm::get(type, "", "=v,0", true), {vector});
}

Value* KernelBuilder::load_pointer_argument(std::size_t offset) {
  return ir_.CreateLoad(ir_.getPtrTy(),
                        at(function_->getArg(0), static_cast<std::int64_t>(offset)));
}

Value* KernelBuilder::load_integer_argument(std::size_t offset) {
  return ir_.CreateLoad(ir_.getInt64Ty(),
                        at(function_->getArg(0), static_cast<std::int64_t>(offset)));
}

void KernelBuilder::load_arguments() {
  const auto pointer = [&](std::size_t offset) { return load_pointer_argument(offset); };
  const auto integer = [&](std::size_t offset) { return load_integer_argument(offset); };
  using A = KernelArgs;
  args_ = {pointer(offsetof(A, values)),
           pointer(offsetof(A, ptr)),
           pointer(offsetof(A, origin)),
           pointer(offsetof(A, block)),
           pointer(offsetof(A, first_value)),
           pointer(offsetof(A, b)),
           pointer(offsetof(A, c)),
           pointer(offsetof(A, bias)),
           pointer(offsetof(A, scratch)),
           mul(integer(offsetof(A, ldb)), i64(b_bytes())),
           mul(integer(offsetof(A, ldc)), i64(c_bytes())),
           integer(offsetof(A, rows_out)),
           integer(offsetof(A, rows_in)),
           integer(offsetof(A, panel_begin)),
           integer(offsetof(A, panel_end)),
           integer(offsetof(A, n_begin)),
           integer(offsetof(A, n_end))};
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

Value* KernelBuilder::round_up_to_lanes(Value* count) {
  return ir_.CreateAnd(add(count, i64(lanes_ - 1)), i64(-static_cast<std::int64_t>(lanes_)));
}

Value* KernelBuilder::min(Value* a, Value* b) {
  return ir_.CreateSelect(ir_.CreateICmpSLT(a, b), a, b);
}

Value* KernelBuilder::max(Value* a, Value* b) {
  return ir_.CreateSelect(ir_.CreateICmpSGT(a, b), a, b);
}

Value* KernelBuilder::at(Value* pointer, Value* bytes) {
  return ir_.CreateGEP(ir_.getInt8Ty(), pointer, bytes);
}

Value* KernelBuilder::in_register(Value* pointer) {
  auto* const type = llvm::FunctionType::get(ir_.getPtrTy(), {ir_.getPtrTy()}, false);
  return ir_.CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", false), {pointer});
}

Value* KernelBuilder::load_i64(Value* array, Value* index) {
  return ir_.CreateLoad(ir_.getInt64Ty(), ir_.CreateGEP(ir_.getInt64Ty(), array, index));
}

Value* KernelBuilder::load_i32(Value* array, Value* index) {
  return load_i32(ir_.CreateGEP(ir_.getInt32Ty(), array, index));
}

Value* KernelBuilder::load_i32(Value* pointer) {
  return ir_.CreateSExt(ir_.CreateLoad(ir_.getInt32Ty(), pointer), ir_.getInt64Ty());
}

// No alignment is promised: vmovups is as fast as vmovaps on aligned data, and never faults.
constexpr llvm::Align kUnaligned{};

Value* KernelBuilder::load(Value* pointer, Value* mask) {
  if (mask == nullptr) return ir_.CreateAlignedLoad(vector_type_, pointer, kUnaligned);
  return ir_.CreateMaskedLoad(vector_type_, pointer, kUnaligned, mask, zero());
}

void KernelBuilder::store(Value* pointer, Value* vector, Value* mask) {
  if (mask == nullptr)
    ir_.CreateAlignedStore(vector, pointer, kUnaligned);
  else
    ir_.CreateMaskedStore(vector, pointer, kUnaligned, mask);
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
  if (operand_types(spec_.types).result == DType::kF32) return load(pointer, mask);
  Value* const wide = ir_.CreateZExt(load_narrow(pointer, 16, mask), integers(32, lanes_));
  return ir_.CreateBitCast(ir_.CreateShl(wide, 16), vector_type_);
}

void KernelBuilder::store_result(Value* pointer, Value* vector, Value* mask) {
  if (operand_types(spec_.types).result == DType::kF32) {
    store(pointer, vector, mask);
    return;
  }
  Value* const narrow = round_to_bf16(vector);
  if (mask == nullptr)
    ir_.CreateAlignedStore(narrow, pointer, kUnaligned);
  else
    ir_.CreateMaskedStore(narrow, pointer, kUnaligned, mask);
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
      return multiply_add_bf16(vector, scalar, sum);
    case DType::kS8:
    case DType::kU8:  // the dense operand is the unsigned one
      return spec_.schedule.strategy == Strategy::kColumnTile
                 ? multiply_add_bytes(scalar, vector, sum)
                 : multiply_add_bytes(vector, scalar, sum);
    case DType::kF32:
    case DType::kS32:
      break;
  }
  return fma(scalar, vector, sum);
}

// Signed bytes of the dense operand come here shifted to unsigned ones (element_types.h). Without the instruction, even
// and odd bytes are widened to 16 bits, where pairs are multiplied and added exactly (VPMADDWD); VPMADDUBSW, which would
// take bytes, saturates.
Value* KernelBuilder::multiply_add_bytes(Value* unsigned_bytes, Value* signed_bytes, Value* sum) {
  auto* const lanes32 = integers(32, lanes_);
  unsigned_bytes = ir_.CreateBitCast(unsigned_bytes, lanes32);
  signed_bytes = ir_.CreateBitCast(signed_bytes, lanes32);
  Value* const start = ir_.CreateBitCast(sum, lanes32);
  if (multiplies_groups(spec_.types, target_))
    return ir_.CreateBitCast(ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpdpbusd_512, {},
                                                 {start, unsigned_bytes, signed_bytes}),
                             vector_type_);
  auto* const lanes16 = integers(16, 2 * lanes_);
  Value* const u = ir_.CreateBitCast(unsigned_bytes, lanes16);
  Value* const s = ir_.CreateBitCast(signed_bytes, lanes16);
  const auto pairs = [&](Value* a, Value* b) {
    const auto id = lanes_ == 16 ? llvm::Intrinsic::x86_avx512_pmaddw_d_512
                                 : llvm::Intrinsic::x86_avx2_pmadd_wd;
    return ir_.CreateIntrinsic(id, {}, {a, b});
  };
  Value* const even = pairs(ir_.CreateAnd(u, llvm::ConstantInt::get(lanes16, 0xFF)),
                            ir_.CreateAShr(ir_.CreateShl(s, 8), 8));
  Value* const odd = pairs(ir_.CreateLShr(u, 8), ir_.CreateAShr(s, 8));
  return ir_.CreateBitCast(ir_.CreateAdd(start, ir_.CreateAdd(even, odd)), vector_type_);
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

Value* KernelBuilder::sums_as_f32(Value* sums) {
  if (!are_integers(spec_.types)) return sums;
  return ir_.CreateSIToFP(ir_.CreateBitCast(sums, integers(32, lanes_)), vector_type_);
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

Value* KernelBuilder::broadcast(Value* pointer) {
  Value* const lane = ir_.CreateAlignedLoad(ir_.getFloatTy(), pointer, kUnaligned);
  return ir_.CreateVectorSplat(static_cast<unsigned>(lanes_), lane);
}

Value* KernelBuilder::add_across(Value* vector) {
  for (int half = lanes_ / 2; half >= 1; half /= 2) {
    std::vector<int> low(static_cast<std::size_t>(half)), high(low.size());
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), half);
    vector = fadd(ir_.CreateShuffleVector(vector, low), ir_.CreateShuffleVector(vector, high));
  }
  return ir_.CreateExtractElement(vector, i64(0));
}

void KernelBuilder::prefetch(Value* pointer) {
  ir_.CreateIntrinsic(llvm::Intrinsic::prefetch, {ir_.getPtrTy()},
                      {pointer, ir_.getInt32(0), ir_.getInt32(3), ir_.getInt32(1)});
}

Value* KernelBuilder::fma(Value* a, Value* b, Value* c) {
  return ir_.CreateIntrinsic(llvm::Intrinsic::fma, {vector_type_}, {a, b, c});
}

// max(0, a) with the operands so that a NaN in `a` stays a NaN (x86 maxps returns its second operand).
Value* KernelBuilder::max_zero(Value* a) {
  Value* const below = ir_.CreateFCmpOLT(a, zero());
  return ir_.CreateSelect(below, zero(), a);
}

namespace {
llvm::Constant* lane_numbers(llvm::LLVMContext& context, int lanes) {
  std::vector<std::uint32_t> numbers(static_cast<std::size_t>(lanes));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::uint32_t>(i);
  return llvm::ConstantDataVector::get(context, numbers);
}
}  // namespace

Value* KernelBuilder::mask_below(Value* count) {
  Value* const clamped = ir_.CreateTrunc(min(count, i64(lanes_)), ir_.getInt32Ty());
  Value* const splat = ir_.CreateVectorSplat(static_cast<unsigned>(lanes_), clamped);
  return ir_.CreateICmpSLT(lane_numbers(ir_.getContext(), lanes_), splat);
}

Value* KernelBuilder::mask_from(Value* count) {
  return ir_.CreateNot(mask_below(count));
}

Values KernelBuilder::loop(Value* begin, Value* end, std::int64_t step, const Values& carried,
                           Trip trip, const LoopBody& body) {
  auto& context = ir_.getContext();
  auto* const before = ir_.GetInsertBlock();
  auto* const head = llvm::BasicBlock::Create(context, "loop", function_);
  auto* const after = llvm::BasicBlock::Create(context, "after", function_);
  if (trip == Trip::kMayBeZero)
    ir_.CreateCondBr(ir_.CreateICmpSLT(begin, end), head, after);
  else
    ir_.CreateBr(head);

  ir_.SetInsertPoint(head);
  llvm::PHINode* const iv = ir_.CreatePHI(ir_.getInt64Ty(), 2);
  iv->addIncoming(begin, before);
  std::vector<llvm::PHINode*> phis;
  Values current;
  for (Value* const value : carried) {
    phis.push_back(ir_.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
    current.push_back(phis.back());
  }
  Values next = body(iv, current);
  auto* const latch = ir_.GetInsertBlock();
  Value* const iv_next = add(iv, i64(step));
  iv->addIncoming(iv_next, latch);
  for (std::size_t i = 0; i < phis.size(); ++i)
    phis[i]->addIncoming(next[i], latch);
  ir_.CreateCondBr(ir_.CreateICmpSLT(iv_next, end), head, after);

  ir_.SetInsertPoint(after);
  if (trip == Trip::kAtLeastOne) return next;
  Values result;
  for (std::size_t i = 0; i < phis.size(); ++i) {
    llvm::PHINode* const phi = ir_.CreatePHI(carried[i]->getType(), 2);
    phi->addIncoming(carried[i], before);
    phi->addIncoming(next[i], latch);
    result.push_back(phi);
  }
  return result;
}

void KernelBuilder::if_then(Value* condition, const std::function<void()>& then) {
  auto& context = ir_.getContext();
  auto* const inside = llvm::BasicBlock::Create(context, "then", function_);
  auto* const after = llvm::BasicBlock::Create(context, "endif", function_);
  ir_.CreateCondBr(condition, inside, after);
  ir_.SetInsertPoint(inside);
  then();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
}

}  // namespace lacuna
