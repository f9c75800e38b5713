// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "runtime/trainer/idx_file.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

Result<ImageSet> load_images(const std::filesystem::path& images_path,
                             const std::filesystem::path& labels_path, std::int64_t classes) {
  LACUNA_TRY(IdxArray images, load_idx(images_path));
  LACUNA_TRY(IdxArray labels, load_idx(labels_path));
  if (images.sizes.size() < 2)
    return make_error(ErrorCode::kInvalidFile, "{}: images need at least 2 dimensions, not {}",
                      images_path.string(), images.sizes.size());
  if (labels.sizes.size() != 1)
    return make_error(ErrorCode::kInvalidFile, "{}: labels need 1 dimension, not {}",
                      labels_path.string(), labels.sizes.size());
  if (images.sizes[0] != labels.sizes[0])
    return make_error(ErrorCode::kInvalidFile, "{}: {} labels for {} images", labels_path.string(),
                      labels.sizes[0], images.sizes[0]);
  if (images.values.empty())
    return make_error(ErrorCode::kInvalidFile, "{}: holds no images", images_path.string());
  for (std::size_t i = 0; i < labels.values.size(); ++i)
    if (labels.values[i] >= classes)
      return make_error(ErrorCode::kInvalidFile,
                        "{}: label {} of image {} is not below {}, the units of the last layer",
                        labels_path.string(), labels.values[i], i, classes);
  ImageSet set;
  set.count = images.sizes[0];
  set.features = static_cast<std::int64_t>(images.values.size()) / set.count;
  set.images = std::move(images.values);
  set.labels = std::move(labels.values);
  return set;
}

// Images of one tile are read a cache line at a time, and each row of the output is written a cache line at a
// time: 16 floats.
constexpr std::int64_t kTileImages = 16;
constexpr std::int64_t kTileFeatures = 64;

struct Affine {
  float scale = 1;
  float shift = 0;
};

// A part of the batch of at most one tile.
struct Tile {
  std::array<const std::uint8_t*, kTileImages> rows{};  // the images
  std::int64_t images = 0;
  std::int64_t first_feature = 0;
  std::int64_t features = 0;
};

// Transposes a tile in L1 as bytes, then widens it with unit stride into out[feature * ldo + image of the tile].
void convert_tile(const Tile& tile, Affine affine, float* out, std::int64_t ldo) {
  std::array<std::uint8_t, kTileImages * kTileFeatures> bytes{};
  for (std::int64_t i = 0; i < tile.images; ++i) {
    const std::uint8_t* row = tile.rows[static_cast<std::size_t>(i)] + tile.first_feature;
    for (std::int64_t f = 0; f < tile.features; ++f)
      bytes[static_cast<std::size_t>(f * kTileImages + i)] = row[f];
  }
  for (std::int64_t f = 0; f < tile.features; ++f) {
    const std::uint8_t* column = bytes.data() + f * kTileImages;
    float* target = out + (tile.first_feature + f) * ldo;
    for (std::int64_t i = 0; i < tile.images; ++i)
      target[i] = static_cast<float>(column[i]) * affine.scale + affine.shift;
  }
}

}  // namespace

Result<Dataset> load_dataset(const DataSpec& spec, std::int64_t classes) {
  const std::filesystem::path folder(spec.folder);
  Dataset data;
  LACUNA_TRY(data.train,
             load_images(folder / spec.train_images, folder / spec.train_labels, classes));
  LACUNA_TRY(data.test, load_images(folder / spec.test_images, folder / spec.test_labels, classes));
  if (data.test.features != data.train.features)
    return make_error(
        ErrorCode::kInvalidFile, "{}: {} features an image, but the training images have {}",
        (folder / spec.test_images).string(), data.test.features, data.train.features);
  set_normalisation(data);
  return data;
}

void set_normalisation(Dataset& data) {
  std::array<std::int64_t, 256> histogram{};
  for (const std::uint8_t byte : data.train.images)
    ++histogram[byte];
  double sum = 0;
  double squares = 0;
  for (std::size_t value = 0; value < histogram.size(); ++value) {
    const auto count = static_cast<double>(histogram[value]);
    sum += count * static_cast<double>(value);
    squares += count * static_cast<double>(value * value);
  }
  const double total = std::max(1.0, static_cast<double>(data.train.images.size()));
  data.mean = sum / total;
  const double variance = squares / total - data.mean * data.mean;
  data.deviation =
      variance > 0 ? std::sqrt(variance) : 1.0;  // constant images: centred, not scaled
}

void gather_batch(const ImageSet& set, const Dataset& data, std::span<const std::uint32_t> indices,
                  float* out, std::int64_t ldo, int threads) {
  const auto n = static_cast<std::int64_t>(indices.size());
  const std::int64_t image_tiles = (n + kTileImages - 1) / kTileImages;
  const std::int64_t feature_tiles = (set.features + kTileFeatures - 1) / kTileFeatures;
  const Affine affine{static_cast<float>(1.0 / data.deviation),
                      static_cast<float>(-data.mean / data.deviation)};
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
  for (std::int64_t it = 0; it < image_tiles; ++it) {
    for (std::int64_t ft = 0; ft < feature_tiles; ++ft) {
      const std::int64_t first_image = it * kTileImages;
      Tile tile;
      tile.images = std::min(kTileImages, n - first_image);
      tile.first_feature = ft * kTileFeatures;
      tile.features = std::min(kTileFeatures, set.features - tile.first_feature);
      for (std::int64_t i = 0; i < tile.images; ++i)
        tile.rows[static_cast<std::size_t>(i)] =
            set.images.data() +
            std::int64_t{indices[static_cast<std::size_t>(first_image + i)]} * set.features;
      convert_tile(tile, affine, out + first_image, ldo);
    }
  }
}

}  // namespace lacuna::trainer
