// SPDX-License-Identifier: Apache-2.0
//
// Dense: OpenBLAS and BLIS of the distribution.
#include <fmt/format.h>
#include <stdlib.h>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "tests/bench/rivals/cblas.h"
#include "tests/bench/rivals/isolated_library.h"
#include "tests/bench/rivals/rival.h"
#include "tests/bench/rivals/rival_case.h"
#include "tuner/measurer.h"

namespace lacuna {
namespace {

// "OpenBLAS 0.3.21 SkylakeX"; set to one thread.
std::string start_openblas(const IsolatedLibrary& library) {
  if (auto* const set_threads = library.function<void(int)>("openblas_set_num_threads"))
    set_threads(1);
  auto* const config = library.function<const char*()>("openblas_get_config");
  auto* const core = library.function<const char*()>("openblas_get_corename");
  if (config == nullptr || core == nullptr) return "OpenBLAS";
  const std::string text = config();  // "OpenBLAS 0.3.21 NO_LAPACKE ..."
  return text.substr(0, text.find(' ', text.find(' ') + 1)) + " " + core();
}

// "BLIS 0.9.0 skx"; the serial build has one thread.
std::string start_blis(const IsolatedLibrary& library) {
  // Before anything asks for the architecture: BLIS_ARCH_TYPE is looked up in tables that this fills.
  if (auto* const init = library.function<void()>("bli_init")) init();
  auto* const version = library.function<const char*()>("bli_info_get_version_str");
  auto* const arch = library.function<int()>("bli_arch_query_id");
  auto* const arch_name = library.function<const char*(int)>("bli_arch_string");
  if (version == nullptr || arch == nullptr || arch_name == nullptr) return "BLIS";
  return fmt::format("BLIS {} {}", version(), arch_name(arch()));
}

// BLIS 0.9 takes its AVX-512 kernels only on processors whose brand string it knows to have two FMA units; in a virtual
// machine it falls back to AVX2, two thirds as fast (115 and 175 GFLOP/s at 1024 x 1024 x 1024). 0 is skx in its list.
void prefer_avx512_in_blis() {
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_is("intel") != 0)
    setenv("BLIS_ARCH_TYPE", "0", 0);  // NOLINT(concurrency-mt-unsafe): no thread was started yet
}

struct BlasLibrary {
  const char* name;
  const char* package;
  std::vector<const char*> paths;  // the first that loads
  std::string (*start)(const IsolatedLibrary& library);
};

Rival make_blas_rival(const BlasLibrary& library) {
  Rival rival;
  rival.name = library.name;
  rival.dense = true;
  for (const char* const path : library.paths) {
    const auto opened = IsolatedLibrary::open(path);
    auto* const sgemm = opened ? opened->function<CblasSgemm>("cblas_sgemm") : nullptr;
    if (sgemm == nullptr) continue;
    rival.name = library.start(*opened);
    rival.prepare = [sgemm](const RivalCase& product) -> Result<TimedCall> {
      return TimedCall([sgemm, product] { run_sgemm(sgemm, product); });
    };
    return rival;
  }
  rival.missing = fmt::format("not installed (apt install {})", library.package);
  return rival;
}

}  // namespace

std::vector<Rival> blas_rivals() {
  prefer_avx512_in_blis();
  // Debian's and Ubuntu's place of the builds that are wanted, then whatever the system prefers.
  const std::vector<BlasLibrary> libraries = {
      {"OpenBLAS",
       "libopenblas0-openmp",
       {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0", "libopenblas.so.0"},
       start_openblas},
      {"BLIS",
       "libblis4-serial",
       {"/usr/lib/x86_64-linux-gnu/blis-serial/libblis.so.4", "libblis.so.4"},
       start_blis}};
  std::vector<Rival> rivals;
  for (const BlasLibrary& library : libraries)
    rivals.push_back(make_blas_rival(library));
  return rivals;
}

}  // namespace lacuna
