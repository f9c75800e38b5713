// SPDX-License-Identifier: Apache-2.0
//
// The rivals that come as adapter modules (rival_case.h).
#include <array>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "targets/base/result.h"
#include "tests/bench/rivals/isolated_library.h"
#include "tests/bench/rivals/rival.h"
#include "tests/bench/rivals/rival_case.h"
#include "tuner/measurer.h"

namespace lacuna {
namespace {

struct AdapterModule {
  const char* library;
  const char* file;     // as rivals/CMakeLists.txt names it
  const char* package;  // whose headers it is compiled with
};
constexpr std::array<AdapterModule, 3> kModules = {{{"oneDNN", "rival_onednn.so", "libdnnl-dev"},
                                                    {"LIBXSMM", "rival_libxsmm.so", "libxsmm-dev"},
                                                    {"Eigen", "rival_eigen.so", "libeigen3-dev"}}};

Result<TimedCall> prepare(const RivalVariant& variant, const RivalCase& product) {
  constexpr std::size_t kReasonBytes = 256;
  std::array<char, kReasonBytes> reason{};
  void* const prepared = variant.prepare(&product, reason.data(), reason.size() - 1);
  if (prepared == nullptr) return make_error(ErrorCode::kUnsupported, "{}", reason.data());
  const std::shared_ptr<void> owned(prepared, variant.release);
  return TimedCall([owned, run = variant.run] { run(owned.get()); });
}

void add_variants(const AdapterModule& module, const RivalPaths& paths,
                  std::vector<Rival>& rivals) {
  const auto path = paths.adapters / module.file;
  const auto library = IsolatedLibrary::open(path.string());
  auto* const variants =
      library ? library->function<RivalVariants>(LACUNA_RIVAL_VARIANTS) : nullptr;
  if (variants == nullptr) {
    Rival absent;
    absent.name = module.library;
    absent.missing =
        fmt::format("{} was not built: apt install {}, then build again ({})", module.file,
                    module.package, library ? "it exports nothing" : library.error().message);
    rivals.push_back(std::move(absent));
    return;
  }
  std::int32_t count = 0;
  const RivalVariant* const first = variants(&count);
  for (const RivalVariant& variant : std::span(first, static_cast<std::size_t>(count))) {
    Rival rival{variant.name, variant.dense != 0, "", {}};
    rival.prepare = [&variant](const RivalCase& product) { return prepare(variant, product); };
    rivals.push_back(std::move(rival));
  }
}

}  // namespace

std::vector<Rival> adapter_rivals(const RivalPaths& paths) {
  std::vector<Rival> rivals;
  for (const AdapterModule& module : kModules)
    add_variants(module, paths, rivals);
  return rivals;
}

}  // namespace lacuna
