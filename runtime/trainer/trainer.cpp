// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <new>
#include <numbers>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/trainer/checkpoint.h"
#include "runtime/trainer/dataset.h"
#include "runtime/trainer/elementwise.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/metrics_file.h"
#include "runtime/trainer/network.h"
#include "runtime/trainer/philox.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

nlohmann::json layer_to_json(const LayerInfo& layer) {
  return {{"kind", layer.kind},       {"units", layer.units},          {"inputs", layer.inputs},
          {"nnz", layer.nnz},         {"stored", layer.stored},        {"format", layer.format},
          {"kernels", layer.kernels}, {"provenance", layer.provenance}};
}

class TrainingRun {
 public:
  TrainingRun(const Recipe& recipe, const Dataset& data, const TrainOptions& options,
              TrainObserver& observer)
      : recipe_(recipe), data_(data), options_(options), observer_(observer) {
    state_.recipe = recipe;
    steps_ = (data.train.count + recipe.batch - 1) / recipe.batch;
  }

  Result<TrainSummary> run() {
    LACUNA_TRY_VOID(check_start());
    LACUNA_TRY(network_, Network::create(recipe_, data_.train.features, options_.threads));
    if (!network_->note().empty()) observer_.on_note(network_->note());
    if (options_.start == StartMode::kResume) LACUNA_TRY_VOID(restore());
    if (options_.start == StartMode::kOverwrite) LACUNA_TRY_VOID(remove_checkpoint());
    LACUNA_TRY(metrics_,
               MetricsFile::open(options_.metrics_path, options_.start == StartMode::kResume
                                                            ? MetricsStart::kAppend
                                                            : MetricsStart::kReplace));
    LACUNA_TRY_VOID(metrics_.write(start_line()));
    if (state_.epoch >= recipe_.epochs)
      observer_.on_note(fmt::format("the checkpoint already has {} of {} epochs: nothing to train",
                                    state_.epoch, recipe_.epochs));
    const std::int64_t last =
        options_.last_epoch > 0 ? std::min(options_.last_epoch, recipe_.epochs) : recipe_.epochs;
    while (state_.epoch < last && !summary_.interrupted)
      LACUNA_TRY_VOID(run_epoch());
    LACUNA_TRY_VOID(capture());
    summary_.layers = network_->info();
    summary_.blas = network_->blas_description();
    summary_.state = std::move(state_);
    return std::move(summary_);
  }

 private:
  Result<> check_start() const {
    const auto& path = options_.checkpoint_path;
    if (options_.start == StartMode::kResume && path.empty() && options_.from == nullptr)
      return make_error(ErrorCode::kInvalidArgument, "resuming needs a checkpoint path");
    std::error_code error;
    if (options_.start == StartMode::kFresh && !path.empty() &&
        std::filesystem::exists(path, error))
      return make_error(ErrorCode::kInvalidArgument,
                        "{} exists: resume from it (--resume), replace it (--overwrite), or choose "
                        "another folder "
                        "(--out)",
                        path.string());
    return {};
  }

  // Before the metrics begin anew: else a run that ends early leaves another run's checkpoint beside them.
  Result<> remove_checkpoint() const {
    std::error_code error;
    std::filesystem::remove(options_.checkpoint_path, error);
    if (error)
      return make_error(ErrorCode::kIo, "cannot remove {}: {}", options_.checkpoint_path.string(),
                        error.message());
    return {};
  }

  Result<> restore() {
    if (options_.from != nullptr) return restore_from(*options_.from, "the state to go on from");
    LACUNA_TRY(const Checkpoint stored, load_checkpoint(options_.checkpoint_path));
    return restore_from(stored, options_.checkpoint_path.string());
  }

  // `source` names it in errors.
  Result<> restore_from(const Checkpoint& stored, const std::string& source) {
    LACUNA_TRY_VOID(check_same_run(stored.recipe, recipe_));
    auto& layers = network_->layers();
    if (stored.layers.size() != layers.size() || stored.step < 0 || stored.step > steps_ ||
        stored.epoch < 0)
      return make_error(
          ErrorCode::kInvalidArgument,
          "{}: {} layers at epoch {}, step {} do not fit a run of {} layers and {} steps an epoch",
          source, stored.layers.size(), stored.epoch, stored.step, layers.size(), steps_);
    for (std::size_t l = 0; l < layers.size(); ++l)
      LACUNA_TRY_VOID(restore_layer(l, stored.layers[l], source));
    state_.epoch = stored.epoch;
    state_.step = stored.step;
    state_.loss_sum = stored.loss_sum;
    state_.correct = stored.correct;
    return {};
  }

  Result<> restore_layer(std::size_t index, const LayerState& stored, const std::string& source) {
    Layer& layer = *network_->layers()[index];
    if (stored.mask.m != layer.shape().mask.m || stored.mask.k != layer.shape().mask.k ||
        stored.weights.size() != static_cast<std::size_t>(layer.shape().mask.nnz()) ||
        (stored.mask.flags != layer.shape().mask.flags))
      return make_error(ErrorCode::kInvalidArgument,
                        "{}: the mask of layers[{}] is not that of the recipe and the data", source,
                        index);
    LACUNA_TRY_VOID(layer.from_canonical(stored.weights, layer.weights().value));
    LACUNA_TRY_VOID(layer.from_canonical(stored.weights_velocity, layer.weights().velocity));
    std::copy(stored.bias.begin(), stored.bias.end(), layer.bias().value.begin());
    std::copy(stored.bias_velocity.begin(), stored.bias_velocity.end(),
              layer.bias().velocity.begin());
    if (stored.kernels != layer.info().kernels)
      observer_.on_note(fmt::format(
          "layers[{}] runs on other kernels than before the checkpoint ({} for {}): the last "
          "bits may differ from an uninterrupted run",
          index, fmt::join(layer.info().kernels, " "), fmt::join(stored.kernels, " ")));
    return {};
  }

  // Copies the network's parameters into state_.
  Result<> capture() {
    state_.layers.clear();
    for (const auto& layer : network_->layers()) {
      LayerState& to = state_.layers.emplace_back();
      to.mask = layer->shape().mask;
      to.kernels = layer->info().kernels;
      LACUNA_TRY(to.weights, layer->to_canonical(layer->weights().value));
      LACUNA_TRY(to.weights_velocity, layer->to_canonical(layer->weights().velocity));
      to.bias.assign(layer->bias().value.begin(), layer->bias().value.end());
      to.bias_velocity.assign(layer->bias().velocity.begin(), layer->bias().velocity.end());
    }
    return {};
  }

  Result<> store() {
    if (options_.checkpoint_path.empty()) return {};
    LACUNA_TRY_VOID(capture());
    return store_checkpoint(options_.checkpoint_path, state_);
  }

  [[nodiscard]] nlohmann::json start_line() const {
    nlohmann::json layers = nlohmann::json::array();
    for (const LayerInfo& layer : network_->info())
      layers.push_back(layer_to_json(layer));
    return {{"event", options_.start == StartMode::kResume ? "resume" : "start"},
            {"lacuna", lacuna_version()},
            {"epoch", state_.epoch},
            {"step", state_.step},
            {"threads", options_.threads},
            {"recipe", to_json_value(recipe_)},
            {"layers", layers},
            {"blas", network_->blas_description()},
            {"environment", options_.environment}};
  }

  // The rest of the current epoch, from state_.step on.
  Result<> run_epoch() {
    const std::vector<std::uint32_t> order = random_permutation(
        {recipe_.seed, RandomUse::kShuffle, static_cast<std::uint32_t>(state_.epoch)},
        static_cast<std::uint32_t>(data_.train.count));
    const double start_s = options_.clock_s();
    const std::int64_t first_image = images_done();
    double rate = 0;
    while (state_.step < steps_) {
      LACUNA_TRY_VOID(run_step(order));
      rate = static_cast<double>(images_done() - first_image) /
             std::max(1e-9, options_.clock_s() - start_s);
      report_step(rate);
      if (options_.stop != nullptr && options_.stop->load() && state_.step < steps_) {
        summary_.interrupted = true;
        return store();
      }
    }
    const double seconds = options_.clock_s() - start_s;
    LACUNA_TRY_VOID(finish_epoch(seconds, rate));
    const bool due = recipe_.checkpoint_every > 0 && state_.epoch % recipe_.checkpoint_every == 0;
    summary_.interrupted =
        options_.stop != nullptr && options_.stop->load() && state_.epoch < recipe_.epochs;
    return due || summary_.interrupted || state_.epoch == recipe_.epochs ? store() : Result<>{};
  }

  Result<> run_step(const std::vector<std::uint32_t>& order) {
    const std::int64_t first = images_done();
    const std::int64_t count = std::min(recipe_.batch, data_.train.count - first);
    const auto batch =
        std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    lr_ = learning_rate(recipe_.optimizer, state_.epoch * steps_ + state_.step,
                        recipe_.epochs * steps_);
    const SgdStep step{static_cast<float>(lr_), static_cast<float>(recipe_.optimizer.momentum),
                       static_cast<float>(recipe_.optimizer.weight_decay)};
    auto result = network_->train_step(data_, batch, step);
    if (!result)
      return add_context(fmt::format("epoch {}, step {}", state_.epoch + 1, state_.step + 1),
                         std::move(result).error());
    state_.loss_sum += result->loss_sum;
    state_.correct += result->correct;
    ++state_.step;
    return {};
  }

  void report_step(double rate) {
    const auto images = static_cast<double>(images_done());
    observer_.on_step({state_.epoch + 1, recipe_.epochs, state_.step, steps_,
                       state_.loss_sum / images, static_cast<double>(state_.correct) / images,
                       rate});
  }

  Result<> finish_epoch(double seconds, double rate) {
    LACUNA_TRY(const LossResult test, network_->evaluate(data_, data_.test));
    const auto images = static_cast<double>(data_.train.count);
    const auto test_images = static_cast<double>(data_.test.count);
    EpochMetrics metrics;
    metrics.epoch = state_.epoch + 1;
    metrics.loss = state_.loss_sum / images;
    metrics.train_accuracy = static_cast<double>(state_.correct) / images;
    metrics.test_loss = test.loss_sum / test_images;
    metrics.test_accuracy = static_cast<double>(test.correct) / test_images;
    metrics.seconds = seconds;
    metrics.images_per_s = rate;
    metrics.lr = lr_;
    ++state_.epoch;
    state_.step = 0;
    state_.loss_sum = 0;
    state_.correct = 0;
    summary_.epochs.push_back(metrics);
    observer_.on_epoch(metrics);
    nlohmann::json line = to_json_value(metrics);
    line["event"] = "epoch";
    return metrics_.write(line);
  }

  [[nodiscard]] std::int64_t images_done() const {
    return std::min(state_.step * recipe_.batch, data_.train.count);
  }

  const Recipe& recipe_;
  const Dataset& data_;
  const TrainOptions& options_;
  TrainObserver& observer_;
  std::unique_ptr<Network> network_;
  MetricsFile metrics_;
  std::int64_t steps_ = 0;  // an epoch
  double lr_ = 0;
  Checkpoint state_;
  TrainSummary summary_;
};

}  // namespace

double learning_rate(const OptimizerSpec& optimizer, std::int64_t step, std::int64_t total_steps) {
  switch (optimizer.schedule) {
    case LrSchedule::kConstant:
      return optimizer.lr;
    case LrSchedule::kCosine: {
      const double done = static_cast<double>(step) / static_cast<double>(total_steps);
      return 0.5 * optimizer.lr * (1 + std::cos(std::numbers::pi * done));
    }
  }
  return optimizer.lr;
}

Result<TrainSummary> train(const Recipe& recipe, const Dataset& data, const TrainOptions& options,
                           TrainObserver& observer) {
  if (data.train.count < 1 || data.test.count < 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "training needs images: {} for training, {} for testing", data.train.count,
                      data.test.count);
  if (recipe.layers.empty())
    return make_error(ErrorCode::kInvalidArgument, "the recipe has no layers");
  try {
    return TrainingRun(recipe, data, options, observer).run();
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "no memory to train {} with batches of {}", recipe.name,
                      recipe.batch);
  }
}

}  // namespace lacuna::trainer
