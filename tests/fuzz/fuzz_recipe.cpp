// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "runtime/trainer/recipe.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr const char* kRecipe =
    "# comment\nschema: 1\nname: run\nseed: 7\nepochs: 5\nbatch: 256\ncheckpoint_every: 0\n"
    "data: {folder: /d, train_images: a, train_labels: b, test_images: c, test_labels: d}\n"
    "optimizer: {lr: 0.1, momentum: 0.9, weight_decay: 1e-4, schedule: cosine}\n"
    "layers:\n  - {units: 64, kind: sparse, density: 0.1, block: 16x1}\n"
    "  - {units: 10, kind: dense, backend: auto}\n";

}  // namespace

// The bytes are a recipe: one within the documented limits, or an error that names the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto recipe = lacuna::trainer::parse_recipe(text, "f.yaml");
  if (!recipe) {
    require(recipe.error().message.starts_with("f.yaml:"));
    return 0;
  }
  require(!recipe->name.empty() && !recipe->layers.empty());
  require(recipe->epochs >= 1 && recipe->batch >= 1 && recipe->optimizer.lr > 0);
  for (const lacuna::trainer::LayerSpec& layer : recipe->layers) {
    require(layer.units >= 1 && layer.density > 0 && layer.density <= 1);
    require(layer.block_r >= 1 && layer.block_r <= 64 && layer.block_c >= 1 && layer.block_c <= 64);
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {kRecipe, std::string(600, '['), std::string(600, '{')};
}
