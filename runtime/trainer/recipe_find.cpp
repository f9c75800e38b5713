// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fmt/ranges.h>
#include <string>
#include <system_error>
#include <vector>

#include "runtime/trainer/recipe.h"
#include "targets/base/dynlib.h"
#include "targets/base/env.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

std::vector<std::filesystem::path> recipe_folders() {
  std::vector<std::filesystem::path> folders;
  if (const auto own = read_env("LACUNA_RECIPES")) folders.emplace_back(*own);
  // Installed: <prefix>/bin/lacuna with <prefix>/share/lacuna/recipes.
  if (const auto program = folder_of_code(reinterpret_cast<const void*>(&recipe_folders)))
    folders.push_back(program->parent_path() / LACUNA_INSTALLED_RECIPES);
  folders.emplace_back(LACUNA_SOURCE_RECIPES);
  return folders;
}

}  // namespace

std::vector<std::string> known_recipe_names() {
  std::vector<std::string> names;
  for (const auto& folder : recipe_folders()) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<Recipe> find_recipe(const std::string& name_or_path) {
  const std::filesystem::path path(name_or_path);
  if (path.has_parent_path() || path.extension() == ".yaml") return load_recipe(path);
  for (const auto& folder : recipe_folders()) {
    std::filesystem::path file = folder / name_or_path;
    file += ".yaml";
    std::error_code error;
    if (std::filesystem::exists(file, error)) return load_recipe(file);
  }
  return make_error(ErrorCode::kNotFound,
                    "there is no recipe '{}'; give a file (./{}.yaml) or one of: {}", name_or_path,
                    name_or_path, fmt::join(known_recipe_names(), ", "));
}

}  // namespace lacuna::trainer
