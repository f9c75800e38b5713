// SPDX-License-Identifier: Apache-2.0
//
// Where target files lie, and which names they answer to.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "targets/base/dynlib.h"
#include "targets/base/env.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/target.h"
#include "targets/target_yaml.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".yaml";

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The library may lie in <prefix>/lib, <prefix>/lib/<architecture>, <prefix>/lib/lacuna or <prefix>/bin.
std::vector<fs::path> installed_folders() {
  constexpr int kLevels = 4;
  const auto code = folder_of_code(reinterpret_cast<const void*>(&installed_folders));
  std::vector<fs::path> found;
  if (!code) return found;
  fs::path prefix = *code;
  for (int level = 0; level < kLevels && found.empty(); ++level) {
    const fs::path candidate = prefix / LACUNA_INSTALLED_MACHINES;
    if (is_folder(candidate)) found.push_back(candidate);
    prefix = prefix.parent_path();
  }
  return found;
}

bool names_a_file(const std::string& name_or_path) {
  return name_or_path.find('/') != std::string::npos || name_or_path.ends_with(kExtension);
}

}  // namespace

std::vector<fs::path> target_folders() {
  std::vector<fs::path> folders;
  if (const auto folder = read_env("LACUNA_TARGETS")) folders.emplace_back(*folder);
  for (fs::path& folder : installed_folders())
    folders.push_back(std::move(folder));
  if (is_folder(LACUNA_SOURCE_MACHINES)) folders.emplace_back(LACUNA_SOURCE_MACHINES);
  return folders;
}

std::vector<std::string> known_target_names() {
  std::vector<std::string> names = {"host"};
  for (const fs::path& folder : target_folders()) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      if (it->path().extension() == kExtension) names.push_back(it->path().stem().string());
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

Result<Target> find_target(const std::string& name_or_path) {
  if (names_a_file(name_or_path)) return load_target(name_or_path);
  if (name_or_path == "host") {
    LACUNA_TRY(HostDescription host, describe_host());
    return std::move(host.target);
  }
  for (const fs::path& folder : target_folders()) {
    const fs::path path = folder / (name_or_path + kExtension);
    std::error_code error;
    if (!name_or_path.empty() && fs::exists(path, error)) return load_target(path);
  }
  return make_error(ErrorCode::kNotFound, "no target '{}', known are: {}", name_or_path,
                    fmt::join(known_target_names(), ", "));
}

}  // namespace lacuna
