// SPDX-License-Identifier: Apache-2.0
//
// CompiledKernel (bytes) and LoadedKernel (callable).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

// A relocatable ELF object with one global function named `name`. The same bytes serve JIT, the disk cache, AOT
// bundles and cross-compilation.
struct CompiledKernel {
  std::string name;
  std::vector<std::byte> object;

  bool operator==(const CompiledKernel&) const = default;
};

// Executable memory holding one kernel. Move-only; unmapped on destruction. Callable from any thread.
class LoadedKernel {
 public:
  // Places the object's sections in fresh memory, resolves its relocations, makes it read+execute (never
  // writable and executable at once). Objects are self-contained: an undefined symbol is an error.
  // Errors: kInvalidFile (malformed object, unknown relocation), kNotFound (no such symbol), kUnsupported
  // (an object of another machine), kIo (no memory).
  [[nodiscard]] static Result<LoadedKernel> load(const CompiledKernel& kernel);

  LoadedKernel(LoadedKernel&& other) noexcept;
  LoadedKernel& operator=(LoadedKernel&& other) noexcept;
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;
  ~LoadedKernel();

  [[nodiscard]] void* address() const { return address_; }
  [[nodiscard]] std::size_t code_bytes() const { return code_bytes_; }

 private:
  LoadedKernel() = default;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  void* address_ = nullptr;
  std::size_t code_bytes_ = 0;
};

}  // namespace lacuna
