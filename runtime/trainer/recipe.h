// SPDX-License-Identifier: Apache-2.0
//
// Recipe: everything that decides a training run, as one value. From a YAML file:
//
//   schema: 1
//   name: sparse90              # [a-z0-9_-]+; the default output folder is runs/<name>
//   seed: 1                     # initial weights, masks, order of images
//   epochs: 5                   # 1..100000
//   batch: 256                  # 1..65536 images a step; a shorter last batch is used, not dropped
//   checkpoint_every: 1         # epochs; 0 = only at the end and at Ctrl-C
//   data:                       # IDX files, plain or .gz; the defaults are Debian's Fashion-MNIST
//     folder: /usr/share/datasets/fashion-mnist
//     train_images: train-images-idx3-ubyte.gz
//     train_labels: train-labels-idx1-ubyte.gz
//     test_images: t10k-images-idx3-ubyte.gz
//     test_labels: t10k-labels-idx1-ubyte.gz
//   optimizer:                  # SGD with momentum
//     lr: 0.1                   # (0, 100]
//     momentum: 0.9             # [0, 1)
//     weight_decay: 0           # [0, 1]; added to the gradient of stored weights, not of biases
//     schedule: cosine          # constant | cosine (from lr to 0 over all steps of the run)
//   layers:                     # ReLU after each but the last, whose units are the classes; 1..2^20 units,
//                               # at most 2^30 units x inputs
//     - {units: 2048, kind: sparse, density: 0.1, block: 32x32}   # block: 1..64 x 1..64
//     - {units: 10, kind: dense, backend: auto}                   # auto | openblas | lacuna
//
// Required keys: schema, name, layers, and each layer's units and kind; a sparse layer's density and block.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

enum class LayerKind : std::uint8_t { kDense, kSparse };
// Who multiplies in a dense layer. kAuto: Lacuna with a full mask in a net that has sparse layers (network.h says why)
// or where OpenBLAS cannot be loaded, else OpenBLAS.
enum class DenseBackend : std::uint8_t { kAuto, kOpenBlas, kLacuna };
enum class LrSchedule : std::uint8_t { kConstant, kCosine };

struct LayerSpec {
  std::int64_t units = 0;
  LayerKind kind = LayerKind::kDense;
  double density = 1;        // sparse: fraction of blocks present, (0, 1]
  std::int32_t block_r = 1;  // sparse: blocks of the mask, r output units x c inputs
  std::int32_t block_c = 1;
  DenseBackend backend = DenseBackend::kAuto;  // dense only

  bool operator==(const LayerSpec&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("units", self.units);
    visit("kind", self.kind);
    visit("density", self.density);
    visit("block_r", self.block_r);
    visit("block_c", self.block_c);
    visit("backend", self.backend);
  }
};

struct DataSpec {
  std::string folder = "/usr/share/datasets/fashion-mnist";
  std::string train_images = "train-images-idx3-ubyte.gz";
  std::string train_labels = "train-labels-idx1-ubyte.gz";
  std::string test_images = "t10k-images-idx3-ubyte.gz";
  std::string test_labels = "t10k-labels-idx1-ubyte.gz";

  bool operator==(const DataSpec&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("folder", self.folder);
    visit("train_images", self.train_images);
    visit("train_labels", self.train_labels);
    visit("test_images", self.test_images);
    visit("test_labels", self.test_labels);
  }
};

struct OptimizerSpec {
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  LrSchedule schedule = LrSchedule::kCosine;

  bool operator==(const OptimizerSpec&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("lr", self.lr);
    visit("momentum", self.momentum);
    visit("weight_decay", self.weight_decay);
    visit("schedule", self.schedule);
  }
};

struct Recipe {
  std::string name;
  std::uint64_t seed = 1;
  std::int64_t epochs = 5;
  std::int64_t batch = 256;
  std::int64_t checkpoint_every = 1;
  DataSpec data;
  OptimizerSpec optimizer;
  std::vector<LayerSpec> layers;

  bool operator==(const Recipe&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("seed", self.seed);
    visit("epochs", self.epochs);
    visit("batch", self.batch);
    visit("checkpoint_every", self.checkpoint_every);
    visit("data", self.data);
    visit("optimizer", self.optimizer);
    visit("layers", self.layers);
  }
};

// Errors: kInvalidFile `file:line: key: what is wrong, and the allowed range or values`: unknown, repeated or
// missing keys, wrong types, values out of range. `file_name` appears in messages.
[[nodiscard]] Result<Recipe> parse_recipe(std::string_view yaml, std::string_view file_name);
// Also kNotFound and kIo.
[[nodiscard]] Result<Recipe> load_recipe(const std::filesystem::path& path);

// A recipe by path (contains '/' or ends in .yaml), else by name from $LACUNA_RECIPES, the installed
// share/lacuna/recipes or the source tree. Errors: those of load_recipe; kNotFound, listing the known names.
[[nodiscard]] Result<Recipe> find_recipe(const std::string& name_or_path);
[[nodiscard]] std::vector<std::string> known_recipe_names();  // sorted

// Whether a run of `recipe` may go on from one of `before`: all but name, epochs, checkpoint_every and data must
// be equal. Errors: kInvalidArgument, naming the first key that differs and both values.
[[nodiscard]] Result<> check_same_run(const Recipe& before, const Recipe& recipe);

}  // namespace lacuna::trainer

template <>
struct lacuna::EnumNames<lacuna::trainer::LayerKind> {
  static constexpr std::array kNames = {
      std::pair{trainer::LayerKind::kDense, std::string_view("dense")},
      std::pair{trainer::LayerKind::kSparse, std::string_view("sparse")}};
};
template <>
struct lacuna::EnumNames<lacuna::trainer::DenseBackend> {
  static constexpr std::array kNames = {
      std::pair{trainer::DenseBackend::kAuto, std::string_view("auto")},
      std::pair{trainer::DenseBackend::kOpenBlas, std::string_view("openblas")},
      std::pair{trainer::DenseBackend::kLacuna, std::string_view("lacuna")}};
};
template <>
struct lacuna::EnumNames<lacuna::trainer::LrSchedule> {
  static constexpr std::array kNames = {
      std::pair{trainer::LrSchedule::kConstant, std::string_view("constant")},
      std::pair{trainer::LrSchedule::kCosine, std::string_view("cosine")}};
};
