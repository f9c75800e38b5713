// SPDX-License-Identifier: Apache-2.0
#include "targets/base/dynlib.h"

#include <dlfcn.h>
#include <filesystem>
#include <link.h>
#include <string>
#include <system_error>
#include <utility>

#include "targets/base/result.h"

namespace lacuna {
namespace {

std::string last_error() {
  const char* text = ::dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc and musl
  return text == nullptr ? "unknown reason" : text;
}

}  // namespace

Result<DynLib> DynLib::open(const std::filesystem::path& path) {
  DynLib library;
  library.path_ = path.string();
  if (library.path_.empty()) return make_error(ErrorCode::kNotFound, "no library named");
  library.handle_ = ::dlopen(library.path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle_ != nullptr) return library;
  const std::string reason = last_error();
  std::error_code error;
  const bool exists = path.has_parent_path() && std::filesystem::exists(path, error);
  return make_error(exists ? ErrorCode::kInvalidFile : ErrorCode::kNotFound,
                    "cannot load library {}: {}", library.path_, reason);
}

DynLib::DynLib(DynLib&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)) {}

DynLib& DynLib::operator=(DynLib&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  return *this;
}

DynLib::~DynLib() {
  if (handle_ != nullptr) ::dlclose(handle_);
}

Result<void*> DynLib::symbol(const std::string& name) const {
  if (handle_ == nullptr)
    return make_error(ErrorCode::kNotFound, "no symbol {}: no library is loaded", name);
  void* const address = ::dlsym(handle_, name.c_str());
  if (address == nullptr)
    return make_error(ErrorCode::kNotFound, "no symbol {} in {}", name, path_);
  return address;
}

Result<std::filesystem::path> folder_of_code(const void* address) {
  Dl_info info{};
  link_map* map = nullptr;
  if (::dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 ||
      map == nullptr)
    return make_error(ErrorCode::kNotFound, "address {} is in no loaded library", address);
  // The main program has an empty name here, and dli_fname would be argv[0]: not a path one can trust.
  const bool main_program = map->l_name == nullptr || *map->l_name == '\0';
  std::error_code error;
  const auto path =
      std::filesystem::canonical(main_program ? "/proc/self/exe" : map->l_name, error);
  if (error)
    return make_error(ErrorCode::kIo, "cannot resolve {}: {}", info.dli_fname, error.message());
  return path.parent_path();
}

}  // namespace lacuna
