// SPDX-License-Identifier: Apache-2.0
//
// Loads a rival so that its symbols meet nobody else's: OpenBLAS, BLIS and MKL all define cblas_sgemm, and a library
// that called its own through the process's symbol table would reach the one loaded first.
#pragma once

#include <dlfcn.h>
#include <string>

#include "targets/base/result.h"

namespace lacuna {

// Never closed: thread pools and exit handlers of these libraries do not survive that.
class IsolatedLibrary {
 public:
  // Errors: kNotFound, the loader's reason.
  [[nodiscard]] static Result<IsolatedLibrary> open(const std::string& path) {
    IsolatedLibrary library;
    library.handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (library.handle_ != nullptr) return library;
    const char* const reason = ::dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc
    return make_error(ErrorCode::kNotFound, "{}", reason == nullptr ? path : reason);
  }

  // Null if there is no such symbol.
  template <class F>
  [[nodiscard]] F* function(const char* name) const {
    return reinterpret_cast<F*>(::dlsym(handle_, name));
  }

 private:
  IsolatedLibrary() = default;
  void* handle_ = nullptr;
};

}  // namespace lacuna
