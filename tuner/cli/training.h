// SPDX-License-Identifier: Apache-2.0
//
// What `train` and `demo` share: how training is shown, and the defaults of its options.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/trainer/trainer.h"
#include "tuner/cli/output.h"

namespace lacuna::cli {

// A bar on stderr while an epoch runs, one line on stdout when it ends.
class TrainingDisplay final : public trainer::TrainObserver {
 public:
  // `label` begins each line; empty for none. The output outlives the display.
  TrainingDisplay(const Output& output, std::string label)
      : output_(output), label_(std::move(label)) {}
  void on_note(std::string_view message) override;
  void on_step(const trainer::StepProgress& progress) override;
  void on_epoch(const trainer::EpochMetrics& metrics) override;

 private:
  const Output& output_;
  std::string label_;
  std::optional<Progress> bar_;
};

// Monotonic seconds for TrainOptions::clock_s.
[[nodiscard]] std::function<double()> training_clock();

// `given`, or all cores for 0. Errors: kInvalidArgument below 0 or above 1024.
[[nodiscard]] Result<int> training_threads(int given);

// Layers with format, weights and bytes.
[[nodiscard]] std::string layers_text(const std::vector<trainer::LayerInfo>& layers);
// Bytes of the weights as stored, without biases. The optimizer's velocity takes as many again.
[[nodiscard]] double weight_bytes(const std::vector<trainer::LayerInfo>& layers);

}  // namespace lacuna::cli
