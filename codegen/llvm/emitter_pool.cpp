// SPDX-License-Identifier: Apache-2.0
#include "codegen/llvm/emitter_pool.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

namespace lacuna {

Result<std::unique_ptr<Emitter>> EmitterPool::take(const Target& target, EmitKind kind) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(waiting_, [&](const Waiting& w) {
      return w.kind == kind && w.isa == target.isa && w.llvm_cpu == target.llvm_cpu &&
             w.features == target.features;
    });
    if (found != waiting_.end()) {
      std::unique_ptr<Emitter> emitter = std::move(found->emitter);
      waiting_.erase(found);
      return emitter;
    }
  }
  return Emitter::make(target, kind);
}

// Where there is no more room, the one that has waited longest goes.
void EmitterPool::give_back(std::unique_ptr<Emitter> emitter, const Target& target, EmitKind kind) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == kMostWaiting) waiting_.erase(waiting_.begin());
  waiting_.push_back({target.isa, target.llvm_cpu, target.features, kind, std::move(emitter)});
}

Result<Emission> EmitterPool::emit(llvm::Module& module, const Target& target, EmitKind kind) {
  LACUNA_TRY(std::unique_ptr<Emitter> emitter, take(target, kind));
  LACUNA_TRY(Emission emission, emitter->emit(module));
  give_back(std::move(emitter), target, kind);
  return emission;
}

}  // namespace lacuna
