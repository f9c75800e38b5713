// SPDX-License-Identifier: Apache-2.0
//
// Dataset: labelled byte images in memory, and the gathering of batches from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

// `images` is [count, features], one image after the other; labels are below `classes`.
struct ImageSet {
  std::int64_t count = 0;
  std::int64_t features = 0;
  std::vector<std::uint8_t> images;
  std::vector<std::uint8_t> labels;
};

struct Dataset {
  ImageSet train;
  ImageSet test;
  // Pixels become (byte - mean) / deviation, both over the training images, in bytes.
  double mean = 0;
  double deviation = 1;
};

// Reads the four IDX files that `spec` names. `classes` is the width of the network's last layer.
// Errors: those of load_idx; kInvalidFile where images and labels differ in number, the test images have another
// size, a set is empty, or a label is not below `classes`.
[[nodiscard]] Result<Dataset> load_dataset(const DataSpec& spec, std::int64_t classes);

// Mean and standard deviation of the bytes, exact sums (a histogram), so the same on every machine.
void set_normalisation(Dataset& data);

// out[f * ldo + j] = (image(indices[j])[f] - mean) / deviation: a gather and a transpose in one pass.
// Columns [indices.size(), ldo) are not written. The result does not depend on `threads`.
void gather_batch(const ImageSet& set, const Dataset& data, std::span<const std::uint32_t> indices,
                  float* out, std::int64_t ldo, int threads);

}  // namespace lacuna::trainer
