// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "codegen/object_cache.h"
#include "runtime/parallel.h"
#include "runtime/planner.h"
#include "targets/base/env.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> split_paths(std::string_view text) {
  std::vector<fs::path> paths;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    if (end != 0) paths.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
}

}  // namespace

struct Engine::Store {
  ObjectCache cache{fs::path()};
  std::vector<ObjectCache> bundles;
  // Kernels are loaded and compiled without the lock; of two threads that make the same one, the first wins.
  mutable std::mutex mutex;
  std::unordered_map<std::string, std::unique_ptr<LoadedKernel>> kernels;  // by canonical name
  std::unordered_map<std::string, std::string> rejections;  // by canonical name: the message
  Counters counters;
  std::string cache_fault;
  std::once_flag swept;  // of what killed processes left in the cache, before the first write

  enum class Origin : std::uint8_t { kBundle, kCache, kCompiled };
  struct Made {
    LoadedKernel kernel;
    Origin origin;
  };

  const LoadedKernel* find(const std::string& name);
  std::optional<std::string> find_rejection(const std::string& name, const Hash128& key);
  void keep_rejection(const std::string& name, const std::string& message);
  std::optional<Made> find_stored(const std::string& name, const Hash128& key) const;
  Result<CompiledKernel> compile(const KernelSpec& spec, const Target& target, const Hash128& key);
  void keep_fault(Result<> stored);
  Result<Made> make(const KernelSpec& spec, const Target& target, const std::string& name);
  Result<Made> make(const Pattern& pattern, const Target& target);
  const LoadedKernel* keep(const std::string& name, Made made);
  void count(Origin origin);  // under the lock
};

const LoadedKernel* Engine::Store::find(const std::string& name) {
  const std::lock_guard lock(mutex);
  const auto it = kernels.find(name);
  if (it == kernels.end()) return nullptr;
  ++counters.memory_hits;
  return it->second.get();
}

// What the code generator said of this kernel when it rejected it, in this process or another.
std::optional<std::string> Engine::Store::find_rejection(const std::string& name,
                                                         const Hash128& key) {
  {
    const std::lock_guard lock(mutex);
    if (const auto it = rejections.find(name); it != rejections.end()) return it->second;
  }
  std::optional<std::string> message;
  for (const ObjectCache& bundle : bundles)
    if (!message) message = bundle.find_rejection(name, key);
  if (!message) message = cache.find_rejection(name, key);
  if (message) keep_rejection(name, *message);
  return message;
}

void Engine::Store::keep_rejection(const std::string& name, const std::string& message) {
  const std::lock_guard lock(mutex);
  rejections.emplace(name, message);
}

// An object that is intact but does not load is a miss too: the code generator makes a good one.
std::optional<Engine::Store::Made> Engine::Store::find_stored(const std::string& name,
                                                              const Hash128& key) const {
  for (const ObjectCache& bundle : bundles)
    if (const auto object = bundle.find(name, key))
      if (auto loaded = LoadedKernel::load(*object))
        return Made{std::move(*loaded), Origin::kBundle};
  if (const auto object = cache.find(name, key))
    if (auto loaded = LoadedKernel::load(*object)) return Made{std::move(*loaded), Origin::kCache};
  return std::nullopt;
}

void Engine::Store::keep_fault(Result<> stored) {
  if (stored) return;
  const std::lock_guard lock(mutex);
  cache_fault = std::move(stored).error().message;
}

// Compiles, and remembers a rejection.
Result<CompiledKernel> Engine::Store::compile(const KernelSpec& spec, const Target& target,
                                              const Hash128& key) {
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  std::call_once(swept, [&] { sweep_temporary_files(cache.folder()); });
  auto object = generator->compile(spec, target);
  if (!object && object.error().code == ErrorCode::kCompile) {
    const std::string name = kernel_name(spec, target.name);
    keep_rejection(name, object.error().message);
    keep_fault(cache.store_rejection(name, key, object.error().message));
  }
  return object;
}

Result<Engine::Store::Made> Engine::Store::make(const KernelSpec& spec, const Target& target,
                                                const std::string& name) {
  const Hash128 key = kernel_key(spec, target);
  if (auto made = find_stored(name, key)) return std::move(*made);
  if (const auto message = find_rejection(name, key))
    return make_error(ErrorCode::kCompile, "{}", *message);
  LACUNA_TRY(const CompiledKernel object, compile(spec, target, key));
  LACUNA_TRY(LoadedKernel loaded, LoadedKernel::load(object));
  keep_fault(cache.store(object, key));
  return Made{std::move(loaded), Origin::kCompiled};
}

// Rejections are not remembered: what code would be too large is known before it is made.
Result<Engine::Store::Made> Engine::Store::make(const Pattern& pattern, const Target& target) {
  const std::string name = pattern_name(pattern, target.name);
  const Hash128 key = pattern_key(name, target);
  if (auto made = find_stored(name, key)) return std::move(*made);
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  std::call_once(swept, [&] { sweep_temporary_files(cache.folder()); });
  LACUNA_TRY(const CompiledKernel object, generator->compile(pattern, target));
  LACUNA_TRY(LoadedKernel loaded, LoadedKernel::load(object));
  keep_fault(cache.store(object, key));
  return Made{std::move(loaded), Origin::kCompiled};
}

void Engine::Store::count(Origin origin) {
  switch (origin) {
    case Origin::kBundle:
      ++counters.bundle_hits;
      break;
    case Origin::kCache:
      ++counters.cache_hits;
      break;
    case Origin::kCompiled:
      ++counters.compiled;
      break;
  }
}

const LoadedKernel* Engine::Store::keep(const std::string& name, Made made) {
  const std::lock_guard lock(mutex);
  count(made.origin);
  auto& slot = kernels[name];
  if (slot == nullptr) slot = std::make_unique<LoadedKernel>(std::move(made.kernel));
  return slot.get();
}

Engine::Engine() : store_(std::make_unique<Store>()) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads)
    return make_error(ErrorCode::kInvalidArgument, "threads {} is not in [0, {}]", options.threads,
                      kMaxThreads);
  LACUNA_TRY(HostDescription host, describe_host());
  std::unique_ptr<Engine> engine(new Engine);
  engine->fingerprint_ = host_fingerprint(host);
  if (options.target) {
    LACUNA_TRY_VOID(check_runs_on_host(*options.target));
    engine->target_ = *options.target;
  } else {
    engine->target_ = std::move(host.target);
    engine->note_ = std::move(host.note);
  }
  engine->threads_ = options.threads > 0 ? options.threads : openmp_max_threads();
  engine->planner_ = std::make_unique<DefaultPlanner>(engine->fingerprint_);

  engine->store_->cache =
      ObjectCache(options.cache_folder.value_or(user_cache_folder() / "v1" / "objects"));
  std::vector<fs::path> bundles = options.bundle_folders;
  if (const auto more = read_env("LACUNA_BUNDLE"))
    for (fs::path& path : split_paths(*more))
      bundles.push_back(std::move(path));
  for (fs::path& path : bundles)
    engine->store_->bundles.emplace_back(std::move(path));
  return engine;
}

Result<const LoadedKernel*> Engine::kernel(const KernelSpec& spec) {
  LACUNA_TRY_VOID(check_schedule(spec, target_));
  const std::string name = kernel_name(spec, target_.name);
  if (const LoadedKernel* const loaded = store_->find(name)) return loaded;
  LACUNA_TRY(Store::Made made, store_->make(spec, target_, name));
  return store_->keep(name, std::move(made));
}

Result<std::shared_ptr<const LoadedKernel>> Engine::pattern_code(const Pattern& pattern) {
  LACUNA_TRY_VOID(check_bakes(Op::kSpmm, ElementTypes::kF32, target_));
  LACUNA_TRY_VOID(check_pattern_bytes(pattern.format, counts_of(pattern)));
  LACUNA_TRY(Store::Made made, store_->make(pattern, target_));
  {
    const std::lock_guard lock(store_->mutex);
    store_->count(made.origin);
  }
  return std::make_shared<const LoadedKernel>(std::move(made.kernel));
}

std::string Engine::cache_fault() const {
  const std::lock_guard lock(store_->mutex);
  return store_->cache_fault;
}

Engine::Counters Engine::counters() const {
  const std::lock_guard lock(store_->mutex);
  return store_->counters;
}

}  // namespace lacuna
