// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/demo_report.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "runtime/trainer/layer.h"
#include "runtime/trainer/trainer.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tuner/cli/demo_kernels.h"
#include "tuner/cli/output.h"
#include "tuner/cli/training.h"

namespace lacuna::cli {
namespace {

// "bsr32x32 91/88/93": format, then % of peak of forward, weight gradient, input gradient.
std::string layer_cell(const trainer::LayerInfo& layer, const std::vector<KernelRate>& kernels) {
  std::string text = layer.format;
  for (std::size_t i = 0; i < kernels.size(); ++i)
    text += fmt::format("{}{:.0f}", i == 0 ? ' ' : '/', kernels[i].percent_of_peak);
  return text;
}

// "intel-xeon-processor-0a1b2c3d": a file name that differs between machines.
std::string machine_slug(const nlohmann::json& environment) {
  std::string slug;
  for (const char c : environment.value("cpu", std::string("unknown"))) {
    const auto lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    if (plain) slug += lower;
    if (!plain && !slug.empty() && slug.back() != '-') slug += '-';
  }
  if (!slug.empty() && slug.back() != '-') slug += '-';
  return slug + environment.value("fingerprint", std::string("unknown")).substr(0, 8);
}

double final_accuracy(const DemoNet& net) {
  return 100 * net.summary.epochs.back().test_accuracy;
}

nlohmann::json net_to_json(const DemoNet& net, double baseline_s) {
  auto layers = nlohmann::json::array();
  for (std::size_t l = 0; l < net.summary.layers.size(); ++l) {
    const trainer::LayerInfo& layer = net.summary.layers[l];
    auto kernels = nlohmann::json::array();
    for (const KernelRate& rate : net.kernels[l])
      kernels.push_back(to_json_value(rate));
    layers.push_back({{"kind", layer.kind},
                      {"units", layer.units},
                      {"inputs", layer.inputs},
                      {"nnz", layer.nnz},
                      {"stored", layer.stored},
                      {"format", layer.format},
                      {"provenance", layer.provenance},
                      {"trained_with", layer.kernels},
                      {"kernels", kernels}});
  }
  auto epochs = nlohmann::json::array();
  for (const trainer::EpochMetrics& metrics : net.summary.epochs)
    epochs.push_back(to_json_value(metrics));
  const double bytes = weight_bytes(net.summary.layers);
  const double seconds = epoch_seconds(net.summary);
  return {{"recipe", to_json_value(net.recipe)},
          {"test_accuracy", net.summary.epochs.back().test_accuracy},
          {"epoch_s", seconds},
          {"speedup", baseline_s / seconds},
          {"weight_bytes", bytes},
          {"optimizer_state_bytes", bytes},
          {"layers", layers},
          {"epochs", epochs},
          {"blas", net.summary.blas}};
}

}  // namespace

double epoch_seconds(const trainer::TrainSummary& summary) {
  std::vector<double> seconds;
  seconds.reserve(summary.epochs.size());
  for (const trainer::EpochMetrics& metrics : summary.epochs)
    seconds.push_back(metrics.seconds);
  std::sort(seconds.begin(), seconds.end());
  const std::size_t half = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[half] : 0.5 * (seconds[half - 1] + seconds[half]);
}

std::string to_text(const DemoReport& report) {
  std::size_t layers = 0;
  for (const DemoNet& net : report.nets)
    layers = std::max(layers, net.summary.layers.size());
  std::vector<std::string> header = {"net",      "accuracy", "epoch",
                                     "speed-up", "weights",  "optimizer"};
  for (std::size_t l = 0; l < layers; ++l)
    header.push_back(fmt::format("layer {}", l));
  Table table(header);
  const double baseline_s = epoch_seconds(report.nets.front().summary);
  for (const DemoNet& net : report.nets) {
    const double seconds = epoch_seconds(net.summary);
    const std::string bytes = bytes_text(weight_bytes(net.summary.layers));
    std::vector<std::string> row = {net.recipe.name,
                                    fmt::format("{:.2f} %", final_accuracy(net)),
                                    seconds_text(seconds),
                                    fmt::format("{:.2f} x", baseline_s / seconds),
                                    bytes,
                                    bytes};
    for (std::size_t l = 0; l < net.summary.layers.size(); ++l)
      row.push_back(layer_cell(net.summary.layers[l], net.kernels[l]));
    table.add(row);
  }
  return table.to_text() + fmt::format(
                               "\naccuracy: on the test images, after {} epochs. epoch: median "
                               "seconds of training on {} images, "
                               "without evaluation, {} threads.\n"
                               "weights, optimizer: bytes stored for weights and for momentum "
                               "(gradients: as many again). layer: storage "
                               "format, then % of\nthe FMA peak ({:.0f} GFLOP/s a core) of "
                               "forward/weight gradient/input gradient, "
                               "each timed alone; the first layer has no input gradient.\n",
                               report.nets.front().summary.epochs.size(), report.train_images,
                               report.threads, report.profile.fma_f32_gflops);
}

nlohmann::json to_json(const DemoReport& report) {
  auto nets = nlohmann::json::array();
  const double baseline_s = epoch_seconds(report.nets.front().summary);
  for (const DemoNet& net : report.nets)
    nets.push_back(net_to_json(net, baseline_s));
  return {{"environment", report.environment},
          {"profile", to_json_value(report.profile)},
          {"threads", report.threads},
          {"train_images", report.train_images},
          {"conditions",
           "epoch_s: median over epochs of training alone; kernels: interleaved minimum of 9 "
           "samples, operands "
           "left where repeated calls leave them; percent_of_peak: ratio to the minimum of the FMA "
           "loop right beside the samples, times the threads"},
          {"nets", nets}};
}

Result<std::filesystem::path> store_report(const std::filesystem::path& folder,
                                           const DemoReport& report) {
  std::filesystem::path stem = folder / ("demo-" + machine_slug(report.environment));
  std::filesystem::path json = stem;
  json += ".json";
  std::filesystem::path markdown = stem;
  markdown += ".md";
  const auto& environment = report.environment;
  const auto of = [&](const char* key) {
    return environment.contains(key) ? environment[key].dump() : "unknown";
  };
  const std::string text =
      fmt::format("# Training Fashion-MNIST with dense and block-sparse layers\n\n```\n{}```\n\n",
                  to_text(report)) +
      fmt::format("command {}, commit {}, {}\nmachine {}, {} cores, {}-bit vectors, {}, {}\n",
                  of("command"), of("commit"), of("date"), of("cpu"), of("cores"),
                  of("vector_bits"), of("system"), of("compiler"));
  // A path in a recipe need not be UTF-8.
  const auto document =
      to_json(report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
  LACUNA_TRY_VOID(write_file_atomic(json, document + "\n"));
  LACUNA_TRY_VOID(write_file_atomic(markdown, text));
  return stem;
}

}  // namespace lacuna::cli
