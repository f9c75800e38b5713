// SPDX-License-Identifier: Apache-2.0
#include "codegen/code_generator.h"

#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "targets/base/dynlib.h"
#include "targets/base/env.h"
#include "targets/base/fields.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPluginFile = "liblacuna_codegen_llvm.so";
constexpr std::string_view kHowToInstall =
    "install the lacuna-codegen-llvm component, or run `lacuna generate` on a machine that has it";

// Where the plugin may be, best first. The environment variable names a file and excludes every other place.
std::vector<fs::path> plugin_paths() {
  if (const auto path = read_env("LACUNA_CODEGEN_PLUGIN")) return {*path};
  const auto folder = folder_of_code(reinterpret_cast<const void*>(&plugin_paths));
  if (!folder) return {};
  // In the same folder (a build tree), below an installed library, and as seen from bin/.
  return {*folder / kPluginFile, *folder / "lacuna" / kPluginFile,
          *folder / ".." / LACUNA_LIBDIR / "lacuna" / kPluginFile,
          *folder / "../lib" / kPluginFile};
}

struct Plugin {
  DynLib library;
  std::unique_ptr<CodeGenerator> generator;
};

// The plugin shares C++ types with this library, so only one built from the same version fits; and cached objects
// are keyed by the compiler of this build, so the plugin must hold that very compiler.
Result<Plugin> open_plugin(const fs::path& path) {
  LACUNA_TRY(DynLib library, DynLib::open(path));
  LACUNA_TRY(auto* const version, library.function<const char*()>(kPluginVersionSymbol));
  if (const std::string_view found = version(); found != LACUNA_VERSION)
    return make_error(ErrorCode::kUnsupported,
                      "the code generator {} is of version {}, this library of {}", path.string(),
                      found, LACUNA_VERSION);
  LACUNA_TRY(auto* const create, library.function<CodeGenerator*()>(kPluginCreateSymbol));
  std::unique_ptr<CodeGenerator> generator(create());
  if (generator == nullptr)
    return make_error(ErrorCode::kInternal, "the code generator {} did not start", path.string());
  if (const std::string compiler = generator->version(); compiler != LACUNA_COMPILER_VERSION)
    return make_error(ErrorCode::kUnsupported,
                      "the code generator {} holds {}, this library was built for {}",
                      path.string(), compiler, LACUNA_COMPILER_VERSION);
  return Plugin{std::move(library), std::move(generator)};
}

Result<Plugin> find_plugin() {
  const std::vector<fs::path> paths = plugin_paths();
  for (const fs::path& path : paths) {
    std::error_code ignored;  // an unreadable folder is the same as one without the plugin
    if (fs::exists(path, ignored)) return open_plugin(path);
  }
  std::vector<std::string> tried;
  tried.reserve(paths.size());
  for (const fs::path& path : paths)
    tried.push_back(path.lexically_normal().string());
  return make_error(ErrorCode::kUnsupported, "no code generator: {} not found in {}; {}",
                    kPluginFile, fmt::join(tried, ", "), kHowToInstall);
}

Hash128 key_of(std::string_view name, const Target& target) {
  Hasher hasher;
  hasher.append(name);
  hash_append(hasher, target.isa);
  hash_append(hasher, target.llvm_cpu);
  hash_append(hasher, target.features);
  hash_append(hasher, target.vector_bits);
  hash_append(hasher, target.vector_registers);
  hash_append(hasher, target.code_limit_bytes);  // decides what is rejected
  hasher.append_scalar(kAbiVersion);
  hasher.append_scalar(kTemplateVersion);
  hasher.append_scalar(std::uint32_t{LACUNA_GENERATOR_VERSION});
  hasher.append(std::string_view(LACUNA_COMPILER_VERSION));
  return hasher.digest();
}

}  // namespace

Hash128 kernel_key(const KernelSpec& spec, const Target& target) {
  return key_of(kernel_name(spec, target.name), target);
}

Hash128 pattern_key(const std::string& pattern_name, const Target& target) {
  return key_of(pattern_name, target);
}

Result<CodeGenerator*> load_code_generator() {
  // Loaded once and never unloaded: other threads may be inside the compiler when the process ends.
  static const Result<Plugin>* const kPlugin = new Result<Plugin>(find_plugin());
  if (!*kPlugin) return tl::unexpected<Error>(kPlugin->error());
  return (*kPlugin)->generator.get();
}

}  // namespace lacuna
