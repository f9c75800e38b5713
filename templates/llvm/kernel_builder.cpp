// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/kernel_builder.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

#include "targets/target.h"
#include "templates/abi.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"

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
           pointer(offsetof(A, codebook)),
           mul(integer(offsetof(A, ldb)), i64(b_bytes())),
           mul(integer(offsetof(A, ldc)), i64(c_bytes())),
           integer(offsetof(A, rows_out)),
           integer(offsetof(A, rows_in)),
           integer(offsetof(A, panel_begin)),
           integer(offsetof(A, panel_end)),
           integer(offsetof(A, n_begin)),
           integer(offsetof(A, n_end))};
}

void KernelBuilder::narrow_to_columns(Value* begin, Value* end, const std::function<void()>& body) {
  const KernelArgValues whole = args_;
  args_.n_begin = begin;
  args_.n_end = end;
  body();
  args_ = whole;
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

Value* KernelBuilder::gather(Value* base, Value* numbers, Value* mask) {
  Value* const index = ir_.CreateBitCast(load(numbers, mask), integers(32, lanes_));
  Value* const lanes_on =
      mask != nullptr ? mask : llvm::Constant::getAllOnesValue(integers(1, lanes_));
  return ir_.CreateMaskedGather(vector_type_, ir_.CreateGEP(ir_.getFloatTy(), base, index),
                                llvm::Align(4), lanes_on, zero());
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
