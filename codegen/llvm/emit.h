// SPDX-License-Identifier: Apache-2.0
//
// LLVM's code generation for one module: object bytes or assembly text, with spills counted. No mid-level pipeline.
#pragma once

#include <cstddef>
#include <memory>
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

// The code generator's passes for one target and kind of file, set up once and run over one module after the other. To
// set them up takes about a millisecond, a tenth of what a kernel takes. Not thread-safe.
class Emitter {
 public:
  // Errors: those of make_target_machine(), and kCompile.
  [[nodiscard]] static Result<std::unique_ptr<Emitter>> make(const Target& target, EmitKind kind);
  ~Emitter();
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  // Sets the module's triple and layout, then generates. What was emitted before does not show in the bytes. Errors:
  // kCompile with LLVM's message; the emitter is not to be used after one.
  [[nodiscard]] Result<Emission> emit(llvm::Module& module);

 private:
  struct Passes;
  explicit Emitter(std::unique_ptr<Passes> passes);
  std::unique_ptr<Passes> passes_;
};

}  // namespace lacuna
