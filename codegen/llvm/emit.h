// SPDX-License-Identifier: Apache-2.0
//
// LLVM's code generation for one module: object bytes or assembly text, with spills counted. No mid-level pipeline.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "targets/target.h"

namespace llvm {
class Module;
class TargetMachine;
}  // namespace llvm

namespace lacuna {

// Errors: kUnsupported (LLVM here does not know the target's CPU or architecture).
[[nodiscard]] Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine(
    const Target& target);

struct Emission {
  std::vector<std::byte> bytes;  // an ELF object, or assembly text
  // A vector has a spill slot, and something is spilled in some loop: the listing tells whether both are one.
  bool may_spill_vectors = false;
};
enum class EmitKind { kObject, kAssembly };
// Sets the module's triple and layout, then generates. Errors: kCompile with LLVM's message.
[[nodiscard]] Result<Emission> emit(llvm::Module& module, llvm::TargetMachine& machine,
                                    EmitKind kind);

}  // namespace lacuna
