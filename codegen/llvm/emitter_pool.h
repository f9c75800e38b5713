// SPDX-License-Identifier: Apache-2.0
//
// Emitters that wait for the next kernel, so that threads share what one of them has set up.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <llvm/IR/Module.h>

#include "codegen/llvm/emit.h"
#include "targets/base/result.h"
#include "targets/target.h"

namespace lacuna {

class EmitterPool {
 public:
  // By an emitter that waits, or a new one. Holds as many as ever emitted at a time, up to kMostWaiting. Errors: those
  // of Emitter. Thread-safe.
  [[nodiscard]] Result<Emission> emit(llvm::Module& module, const Target& target, EmitKind kind);

 private:
  static constexpr std::size_t kMostWaiting = 64;
  // What an emitter was set up for; of a target only what LLVM is told of it.
  struct Waiting {
    Isa isa;
    std::string llvm_cpu;
    std::vector<std::string> features;
    EmitKind kind;
    std::unique_ptr<Emitter> emitter;
  };
  [[nodiscard]] Result<std::unique_ptr<Emitter>> take(const Target& target, EmitKind kind);
  void give_back(std::unique_ptr<Emitter> emitter, const Target& target, EmitKind kind);

  std::mutex mutex_;
  std::vector<Waiting> waiting_;
};

}  // namespace lacuna
