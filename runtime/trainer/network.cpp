// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/network.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/trainer/blas.h"
#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/dataset.h"
#include "runtime/trainer/elementwise.h"
#include "runtime/trainer/lacuna_handles.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/philox.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

Result<> check_layer_sizes(const Recipe& recipe, std::int64_t features) {
  std::int64_t inputs = features;
  for (std::size_t l = 0; l < recipe.layers.size(); ++l) {
    const std::int64_t units = recipe.layers[l].units;
    if (units > kMaxLayerWeights / std::max<std::int64_t>(1, inputs))
      return make_error(ErrorCode::kInvalidArgument,
                        "layers[{}]: {} units x {} inputs are more than {} weights", l, units,
                        inputs, kMaxLayerWeights);
    inputs = units;
  }
  return {};
}

std::vector<LayerShape> layer_shapes(const Recipe& recipe, std::int64_t features, int threads) {
  constexpr std::int64_t kCacheLineFloats = 16;
  const std::int64_t ld =
      (recipe.batch + kCacheLineFloats - 1) / kCacheLineFloats * kCacheLineFloats;
  std::vector<LayerShape> shapes;
  std::int64_t inputs = features;
  for (std::size_t l = 0; l < recipe.layers.size(); ++l) {
    const LayerSpec& spec = recipe.layers[l];
    LayerShape shape;
    shape.mask = spec.kind == LayerKind::kSparse
                     ? make_balanced_block_mask(
                           spec.units, inputs, spec.block_r, spec.block_c, spec.density,
                           {recipe.seed, RandomUse::kMask, static_cast<std::uint32_t>(l)})
                     : make_full_mask(spec.units, inputs);
    shape.relu = l + 1 < recipe.layers.size();
    shape.first = l == 0;
    shape.batch = recipe.batch;
    shape.ld = ld;
    shape.threads = threads;
    shapes.push_back(std::move(shape));
    inputs = spec.units;
  }
  return shapes;
}

bool runs_on_lacuna(const Recipe& recipe, std::size_t layer) {
  const auto sparse = [](const LayerSpec& spec) { return spec.kind == LayerKind::kSparse; };
  const LayerSpec& spec = recipe.layers[layer];
  if (sparse(spec)) return true;
  if (spec.backend != DenseBackend::kAuto) return spec.backend == DenseBackend::kLacuna;
  return std::any_of(recipe.layers.begin(), recipe.layers.end(), sparse);
}

std::vector<float> initial_weights(const LayerShape& shape, std::uint64_t seed,
                                   std::uint32_t layer) {
  const RandomStream stream{seed, RandomUse::kWeights, layer};
  const BlockMask& mask = shape.mask;
  std::vector<std::int64_t> first_of_row(static_cast<std::size_t>(mask.m) + 1, 0);
  for (std::int64_t row = 0; row < mask.m; ++row)
    first_of_row[static_cast<std::size_t>(row) + 1] =
        first_of_row[static_cast<std::size_t>(row)] + mask.row_nnz(row);
  std::vector<float> weights(static_cast<std::size_t>(first_of_row.back()));
#pragma omp parallel for schedule(static) num_threads(shape.threads)
  for (std::int64_t row = 0; row < mask.m; ++row) {
    std::int64_t next = first_of_row[static_cast<std::size_t>(row)];
    const std::int64_t fan_in = first_of_row[static_cast<std::size_t>(row) + 1] - next;
    const double deviation = std::sqrt((shape.relu ? 2.0 : 1.0) /
                                       static_cast<double>(std::max<std::int64_t>(1, fan_in)));
    for_each_run(mask, row, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t column = first; column < end; ++column)
        weights[static_cast<std::size_t>(next++)] = static_cast<float>(
            deviation * stream.normal(static_cast<std::uint64_t>(row * mask.k + column)));
    });
  }
  return weights;
}

Result<std::unique_ptr<Network>> Network::create(const Recipe& recipe, std::int64_t features,
                                                 int threads) {
  LACUNA_TRY_VOID(check_layer_sizes(recipe, features));
  std::unique_ptr<Network> network(new Network);
  network->threads_ = threads;
  network->batch_ = recipe.batch;
  std::vector<LayerShape> shapes = layer_shapes(recipe, features, threads);
  network->ld_ = shapes.front().ld;
  network->activations_.emplace_back(static_cast<std::size_t>(features * network->ld_));
  std::size_t widest = 0;
  for (std::size_t l = 0; l < shapes.size(); ++l) {
    const auto elements = static_cast<std::size_t>(shapes[l].mask.m * network->ld_);
    network->activations_.emplace_back(elements);
    widest = std::max(widest, elements);
    auto added = network->add_layer(recipe, l, std::move(shapes[l]));
    if (!added) return add_context(fmt::format("layers[{}]", l), std::move(added).error());
    Layer& layer = *network->layers_.back();
    const std::vector<float> weights =
        initial_weights(layer.shape(), recipe.seed, static_cast<std::uint32_t>(l));
    LACUNA_TRY_VOID(layer.from_canonical(weights, layer.weights().value));
  }
  network->gradient_in_.resize(widest);
  network->gradient_out_.resize(widest);
  return network;
}

Result<> Network::add_layer(const Recipe& recipe, std::size_t index, LayerShape shape) {
  bool use_blas = !runs_on_lacuna(recipe, index);
  if (use_blas && blas_ == nullptr) {
    auto blas = Blas::open(threads_);
    if (blas) {
      blas_ = *blas;
      blas_description_ = blas_->description();
    } else if (recipe.layers[index].backend == DenseBackend::kAuto) {
      use_blas = false;
      add_note(blas.error().message + "; dense layers run on lacuna");
    } else {
      return tl::unexpected(std::move(blas).error());
    }
  }
  if (!use_blas && context_ == nullptr) LACUNA_TRY_VOID(open_context());
  LACUNA_TRY(auto layer, use_blas ? make_dense_layer(std::move(shape), blas_)
                                  : make_sparse_layer(std::move(shape), context_.get()));
  layers_.push_back(std::move(layer));
  return {};
}

Result<> Network::open_context() {
  lacuna_context_options options{};
  options.struct_size = sizeof options;
  options.threads = threads_;
  lacuna_context* context = nullptr;
  LACUNA_TRY_VOID(to_result(lacuna_context_create(&options, &context)));
  context_.reset(context);
  add_note(lacuna_context_note(context));
  return {};
}

void Network::add_note(std::string_view note) {
  if (note.empty() || note_.find(note) != std::string::npos) return;
  note_ += note_.empty() ? "" : "; ";
  note_ += note;
}

Result<LossResult> Network::forward(const Dataset& data, const ImageSet& set,
                                    std::span<const std::uint32_t> indices, bool gradient) {
  const auto n = static_cast<std::int64_t>(indices.size());
  gather_batch(set, data, indices, activations_[0].data(), ld_, threads_);
  for (std::size_t l = 0; l < layers_.size(); ++l)
    LACUNA_TRY_VOID(layers_[l]->forward(activations_[l].data(), activations_[l + 1].data(), n));
  labels_.clear();
  for (const std::uint32_t index : indices)
    labels_.push_back(set.labels[index]);
  const MatrixView logits{activations_.back().data(), layers_.back()->shape().mask.m, n, ld_};
  return gradient ? softmax_loss_gradient(logits, labels_) : softmax_loss(logits, labels_);
}

Result<LossResult> Network::train_step(const Dataset& data, std::span<const std::uint32_t> indices,
                                       SgdStep step) {
  LACUNA_TRY(const LossResult result, forward(data, data.train, indices, true));
  if (!std::isfinite(result.loss_sum))
    return make_error(ErrorCode::kInvalidArgument,
                      "the loss is not finite: training diverged; use a smaller lr than {}",
                      step.lr);
  const auto n = static_cast<std::int64_t>(indices.size());
  float* dy = activations_.back().data();  // softmax_loss_gradient left the gradient there
  for (std::size_t l = layers_.size(); l-- > 0;) {
    float* const dx = l == 0 ? nullptr : gradient_in_.data();
    LACUNA_TRY_VOID(
        layers_[l]->backward({activations_[l].data(), activations_[l + 1].data(), dy, dx, n}));
    std::swap(gradient_in_, gradient_out_);
    dy = dx;
  }
  for (const auto& layer : layers_) {
    Parameters& weights = layer->weights();
    Parameters& bias = layer->bias();
    sgd_update(weights.value, weights.velocity, weights.gradient, step, threads_);
    sgd_update(bias.value, bias.velocity, bias.gradient, {step.lr, step.momentum, 0}, threads_);
  }
  return result;
}

Result<LossResult> Network::evaluate(const Dataset& data, const ImageSet& set) {
  std::vector<std::uint32_t> all(static_cast<std::size_t>(set.count));
  std::iota(all.begin(), all.end(), 0U);
  LossResult total;
  for (std::size_t first = 0; first < all.size(); first += static_cast<std::size_t>(batch_)) {
    const std::size_t count = std::min(all.size() - first, static_cast<std::size_t>(batch_));
    LACUNA_TRY(const LossResult part,
               forward(data, set, std::span(all).subspan(first, count), false));
    total.loss_sum += part.loss_sum;
    total.correct += part.correct;
  }
  return total;
}

std::vector<LayerInfo> Network::info() const {
  std::vector<LayerInfo> result;
  result.reserve(layers_.size());
  for (const auto& layer : layers_)
    result.push_back(layer->info());
  return result;
}

}  // namespace lacuna::trainer
