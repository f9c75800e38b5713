// SPDX-License-Identifier: Apache-2.0
//
// train(): runs a recipe on a dataset: epochs, metrics, checkpoints, resume.
//
// Deterministic: weights after a number of steps depend on the recipe and the kernels used, not on threads, time,
// interruptions or resumes. (OpenBLAS's own order of summation is outside our control; it too was the same for 1 and 2
// threads wherever the tests looked.) Reads no clock of its own; prints nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/trainer/checkpoint.h"
#include "runtime/trainer/dataset.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

// One line of the metrics file. Accuracies are fractions; losses are means over images.
struct EpochMetrics {
  std::int64_t epoch = 0;     // 1 is the first
  double loss = 0;            // over the training images, as they were met
  double train_accuracy = 0;  // likewise
  double test_loss = 0;       // after the epoch
  double test_accuracy = 0;
  double seconds =
      0;  // of training, without the evaluation; since the resume if the epoch was resumed
  double images_per_s = 0;  // of that training
  double lr = 0;            // of the last step

  bool operator==(const EpochMetrics&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("epoch", self.epoch);
    visit("loss", self.loss);
    visit("train_accuracy", self.train_accuracy);
    visit("test_loss", self.test_loss);
    visit("test_accuracy", self.test_accuracy);
    visit("seconds", self.seconds);
    visit("images_per_s", self.images_per_s);
    visit("lr", self.lr);
  }
};

struct StepProgress {
  std::int64_t epoch = 0, epochs = 0;  // epoch 1 is the first
  std::int64_t step = 0, steps = 0;    // complete steps of the epoch
  double loss = 0;                     // means over the epoch so far
  double train_accuracy = 0;
  double images_per_s = 0;
};

// Called from train(), on its thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_note(
      std::string_view message) = 0;  // what the user should know, e.g. "no AVX-512: using AVX2"
  virtual void on_step(const StepProgress& progress) = 0;
  virtual void on_epoch(const EpochMetrics& metrics) = 0;
};

enum class StartMode : std::uint8_t {
  kFresh,      // an existing checkpoint is an error
  kOverwrite,  // an existing checkpoint is removed before the first step
  kResume,  // go on from the checkpoint, which must exist and be of the same run (check_same_run), or from `from`
};

struct TrainOptions {
  std::filesystem::path checkpoint_path;  // empty: no checkpoints
  std::filesystem::path metrics_path;  // JSON lines, appended on resume, else replaced; empty: none
  StartMode start = StartMode::kFresh;
  const Checkpoint* from = nullptr;  // kResume: instead of the file at checkpoint_path
  std::int64_t last_epoch = 0;  // return after this epoch of the run; 0: after the recipe's last
  int threads = 1;
  std::function<double()> clock_s;  // seconds, monotonic; required
  const std::atomic<bool>* stop =
      nullptr;                 // turned true (Ctrl-C): finish the step, store a checkpoint, return
  nlohmann::json environment;  // machine, commit, date: goes into the metrics' first line as it is
};

struct TrainSummary {
  std::vector<EpochMetrics> epochs;  // completed by this call
  std::vector<LayerInfo> layers;
  std::string blas;  // OpenBLAS's description; empty if unused
  bool interrupted = false;
  Checkpoint state;  // as the last step left it
};

// Errors: those of Network::create, checkpoints and files; kIo where memory does not suffice; kInvalidArgument where
// the checkpoint is of another run, a checkpoint is in the way, the data do not fit it, or the loss is not
// finite any more.
[[nodiscard]] Result<TrainSummary> train(const Recipe& recipe, const Dataset& data,
                                         const TrainOptions& options, TrainObserver& observer);

// Learning rate of a step counted from the start of the run. total_steps >= 1.
[[nodiscard]] double learning_rate(const OptimizerSpec& optimizer, std::int64_t step,
                                   std::int64_t total_steps);

}  // namespace lacuna::trainer
