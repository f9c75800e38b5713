// SPDX-License-Identifier: Apache-2.0
//
// ConstantTable: a kernel's constants in memory, for long formulas. LLVM would keep constants of the code in registers
// around the loops that use them, all of them at once, and spill on machines with 16 registers.
#pragma once

#include <cstdint>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include "targets/target.h"

namespace lacuna {

class ConstantTable {
 public:
  ConstantTable(llvm::Module& module, const Target& target);

  // The table's address, in a register from here on. What is loaded behind it stays behind it.
  [[nodiscard]] llvm::Value* address(llvm::IRBuilder<>& ir);
  // Where the f32 is, in bytes; a new one is appended.
  [[nodiscard]] std::int64_t offset_of(float value);
  // Whether an element of the table is one number, which instructions broadcast as they read it (AVX-512), or a vector
  // of copies, which need not be loaded before either.
  [[nodiscard]] bool is_scalar() const { return copies_ == 1; }
  // Writes the table; to be called once, when no more constants come.
  void finish();

 private:
  llvm::Module& module_;
  std::size_t copies_;
  std::vector<std::uint32_t> constants_;   // their bits
  llvm::GlobalVariable* table_ = nullptr;  // made with the first address
};

}  // namespace lacuna
