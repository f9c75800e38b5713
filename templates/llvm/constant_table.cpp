// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/constant_table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>

#include "targets/base/result.h"
#include "targets/target.h"

namespace lacuna {

namespace {
constexpr std::size_t kMostConstants = 64;
}

ConstantTable::ConstantTable(llvm::Module& module, const Target& target)
    : module_(module),
      copies_(target.has_feature("avx512f") ? 1 : static_cast<std::size_t>(target.f32_lanes())) {}

// The assembly says that it has an effect, or it would be moved out of the loops with the loads behind it.
llvm::Value* ConstantTable::address(llvm::IRBuilder<>& ir) {
  if (table_ == nullptr) {
    auto* const numbers = llvm::ArrayType::get(ir.getInt32Ty(), kMostConstants * copies_);
    table_ = llvm::cast<llvm::GlobalVariable>(module_.getOrInsertGlobal("constants", numbers));
    table_->setConstant(true);
    table_->setLinkage(llvm::GlobalValue::PrivateLinkage);
    table_->setAlignment(llvm::Align(copies_ * sizeof(float)));
  }
  auto* const type = llvm::FunctionType::get(ir.getPtrTy(), {ir.getPtrTy()}, false);
  return ir.CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", true), {table_});
}

std::int64_t ConstantTable::offset_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto found = std::ranges::find(constants_, bits);
  const auto index = found - constants_.begin();
  if (found == constants_.end()) constants_.push_back(bits);
  return index * static_cast<std::int64_t>(copies_ * sizeof(bits));
}

void ConstantTable::finish() {
  if (table_ == nullptr) return;
  LACUNA_CHECK(constants_.size() <= kMostConstants);
  std::vector<std::uint32_t> numbers;
  for (const std::uint32_t constant : constants_)
    numbers.insert(numbers.end(), copies_, constant);
  numbers.resize(kMostConstants * copies_);
  table_->setInitializer(llvm::ConstantDataArray::get(module_.getContext(), numbers));
}

}  // namespace lacuna
