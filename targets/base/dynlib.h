// SPDX-License-Identifier: Apache-2.0
//
// Run-time loading of shared libraries: the code-generator plugin, BLAS baselines, GPU drivers.
#pragma once

#include <filesystem>
#include <string>

#include "targets/base/result.h"

namespace lacuna {

// A loaded shared library (RTLD_LOCAL, RTLD_NOW); closed on destruction. Movable.
class DynLib {
 public:
  // A path, or a bare name ("libcuda.so.1") that the system's search finds.
  // Errors: kNotFound (no such file), kInvalidFile (it exists, but cannot be loaded); the reason is the loader's.
  [[nodiscard]] static Result<DynLib> open(const std::filesystem::path& path);

  DynLib() = default;
  DynLib(DynLib&& other) noexcept;
  DynLib& operator=(DynLib&& other) noexcept;
  DynLib(const DynLib&) = delete;
  DynLib& operator=(const DynLib&) = delete;
  ~DynLib();

  // Errors: kNotFound, naming the symbol and the library.
  [[nodiscard]] Result<void*> symbol(const std::string& name) const;

  template <class F>
  [[nodiscard]] Result<F*> function(const std::string& name) const {
    LACUNA_TRY(void* const address, symbol(name));
    return reinterpret_cast<F*>(address);
  }

 private:
  void* handle_ = nullptr;
  std::string path_;
};

// The folder that holds the library or program containing `address` (for finding files installed beside it).
[[nodiscard]] Result<std::filesystem::path> folder_of_code(const void* address);

}  // namespace lacuna
