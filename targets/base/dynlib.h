// SPDX-License-Identifier: Apache-2.0
//
// Run-time loading of shared libraries: the code-generator plugin, BLAS baselines, GPU drivers.
#pragma once

#include <filesystem>
#include <string>

#include "targets/base/result.h"

namespace lacuna {

// A loaded shared library (RTLD_LOCAL, RTLD_NOW); closed on destruction unless released. Movable.
class DynLib {
 public:
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
