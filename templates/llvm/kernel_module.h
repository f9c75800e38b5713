// SPDX-License-Identifier: Apache-2.0
//
// From a KernelSpec to an unoptimised llvm::Module with one function: where templates/ ends and codegen/ begins.
#pragma once

#include <memory>

#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/kernel_spec.h"

namespace llvm {
class LLVMContext;
class Module;
}  // namespace llvm

namespace lacuna {

// Errors: kInvalidArgument (check_schedule). The module has no triple or data layout yet.
[[nodiscard]] Result<std::unique_ptr<llvm::Module>> lower(llvm::LLVMContext& context,
                                                          const KernelSpec& spec,
                                                          const Target& target);

}  // namespace lacuna
