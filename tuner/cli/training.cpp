// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/training.h"

#include <cstdio>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/parallel.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/trainer.h"
#include "targets/base/result.h"
#include "tuner/cli/output.h"
#include "tuner/clock.h"

namespace lacuna::cli {

void TrainingDisplay::on_note(std::string_view message) {
  output_.note(message);
}

void TrainingDisplay::on_step(const trainer::StepProgress& progress) {
  if (!bar_)
    bar_.emplace(fmt::format("{}{}epoch {}/{}", label_, label_.empty() ? "" : " ", progress.epoch,
                             progress.epochs));
  bar_->update(static_cast<double>(progress.step) / static_cast<double>(progress.steps),
               fmt::format("loss {:.4f}  accuracy {:.2f} %  {:.0f} images/s", progress.loss,
                           100 * progress.train_accuracy, progress.images_per_s));
}

void TrainingDisplay::on_epoch(const trainer::EpochMetrics& m) {
  bar_.reset();
  output_.print(fmt::format(
      "{}{}epoch {:>3}  loss {:.4f}  train {:.2f} %  test {:.2f} %  {}  {:.0f} images/s", label_,
      label_.empty() ? "" : "  ", m.epoch, m.loss, 100 * m.train_accuracy, 100 * m.test_accuracy,
      seconds_text(m.seconds), m.images_per_s));
  std::fflush(stdout);  // a log that is followed, and the announcement that tests wait for
}

std::function<double()> training_clock() {
  return [clock = std::make_shared<SteadyClock>()] { return clock->now_s(); };
}

Result<int> training_threads(int given) {
  constexpr int kMost = 1024;
  if (given < 0 || given > kMost)
    return make_error(ErrorCode::kInvalidArgument, "--threads {} is not in [0, {}]", given, kMost);
  return given == 0 ? openmp_max_threads() : given;
}

std::string layers_text(const std::vector<trainer::LayerInfo>& layers) {
  Table table({"layer", "kind", "weights", "of", "stored", "format", "chosen"});
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const trainer::LayerInfo& layer = layers[l];
    table.add({fmt::format("{}", l), layer.kind, fmt::format("{}", layer.nnz),
               fmt::format("{} x {}", layer.units, layer.inputs),
               bytes_text(4.0 * static_cast<double>(layer.stored)), layer.format,
               layer.provenance.empty() ? "-" : layer.provenance});
  }
  return table.to_text();
}

double weight_bytes(const std::vector<trainer::LayerInfo>& layers) {
  double bytes = 0;
  for (const trainer::LayerInfo& layer : layers)
    bytes += 4.0 * static_cast<double>(layer.stored);
  return bytes;
}

}  // namespace lacuna::cli
