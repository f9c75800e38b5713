// SPDX-License-Identifier: Apache-2.0
#include "targets/base/openblas.h"

#include "targets/base/dynlib.h"
#include "targets/base/result.h"

namespace lacuna {

Result<DynLib> open_openblas() {
  constexpr const char* kOpenMpBuild =
      "/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0";  // Debian's and Ubuntu's place
  if (auto library = DynLib::open(kOpenMpBuild)) return library;
  auto library = DynLib::open("libopenblas.so.0");
  if (library) return library;
  return make_error(ErrorCode::kUnsupported,
                    "OpenBLAS is not available ({}): install Debian's libopenblas0-openmp (apt "
                    "install libopenblas0-openmp)",
                    library.error().message);
}

}  // namespace lacuna
