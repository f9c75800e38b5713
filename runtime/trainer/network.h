// SPDX-License-Identifier: Apache-2.0
//
// Network: the layers of a recipe, the activations between them, and one step of training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/trainer/dataset.h"
#include "runtime/trainer/elementwise.h"
#include "runtime/trainer/lacuna_handles.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

// Weights a layer may have, stored or not: 4 GiB of a dense one's floats.
inline constexpr std::int64_t kMaxLayerWeights = std::int64_t{1} << 30;

// Whether every layer has at most kMaxLayerWeights. Before layer_shapes, which makes masks of them.
// Errors: kInvalidArgument naming the layer.
[[nodiscard]] Result<> check_layer_sizes(const Recipe& recipe, std::int64_t features);

// The masks, sizes and flags of a recipe's layers: a function of recipe and input features alone.
[[nodiscard]] std::vector<LayerShape> layer_shapes(const Recipe& recipe, std::int64_t features,
                                                   int threads);

// Whether a layer multiplies with Lacuna: it is sparse, asks for it, or leaves the choice open in a net that has a
// sparse layer, so that a net of sparse layers needs no BLAS library.
[[nodiscard]] bool runs_on_lacuna(const Recipe& recipe, std::size_t layer);

// Initial weights in canonical order: normal with deviation sqrt(2 / fan-in), where the fan-in of a unit counts the
// connections that exist (He et al. 2015, arXiv 1502.01852, equation 10); sqrt(1 / fan-in) without ReLU. A weight's
// number depends on seed, layer and position only.
[[nodiscard]] std::vector<float> initial_weights(const LayerShape& shape, std::uint64_t seed,
                                                 std::uint32_t layer);

class Network {
 public:
  // Errors: those of plans (no code generator, ...) and of OpenBLAS where a layer asks for it.
  [[nodiscard]] static Result<std::unique_ptr<Network>> create(const Recipe& recipe,
                                                               std::int64_t features, int threads);

  // Forward, backward and update on one batch (at most recipe.batch images).
  [[nodiscard]] Result<LossResult> train_step(const Dataset& data,
                                              std::span<const std::uint32_t> indices, SgdStep step);
  // Loss and hits over a whole set.
  [[nodiscard]] Result<LossResult> evaluate(const Dataset& data, const ImageSet& set);

  [[nodiscard]] std::vector<std::unique_ptr<Layer>>& layers() { return layers_; }
  [[nodiscard]] std::vector<LayerInfo> info() const;
  // What the user should know: "no AVX-512: using AVX2", "OpenBLAS is missing ..."; "" if nothing.
  [[nodiscard]] const std::string& note() const { return note_; }
  // OpenBLAS's own description; empty if no layer uses it.
  [[nodiscard]] const std::string& blas_description() const { return blas_description_; }

 private:
  Network() = default;
  [[nodiscard]] Result<> add_layer(const Recipe& recipe, std::size_t index, LayerShape shape);
  [[nodiscard]] Result<LossResult> forward(const Dataset& data, const ImageSet& set,
                                           std::span<const std::uint32_t> indices, bool gradient);

  [[nodiscard]] Result<> open_context();
  void add_note(std::string_view note);

  ContextHandle
      context_;  // made for the first layer that needs it; before layers_, whose plans are destroyed first
  std::shared_ptr<const Blas> blas_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<FloatBuffer> activations_;  // [0] is the input, [l + 1] the output of layer l
  FloatBuffer gradient_in_, gradient_out_;
  std::vector<std::uint8_t> labels_;
  std::int64_t batch_ = 0;
  std::int64_t ld_ = 0;
  int threads_ = 1;
  std::string note_;
  std::string blas_description_;
};

}  // namespace lacuna::trainer
