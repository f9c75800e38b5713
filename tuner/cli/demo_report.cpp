// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/demo_report.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <utility>
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

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Epochs of one net take equally long: a spread beyond this is another program's doing.
constexpr double kCalmSpread = 1.5;

// Longest epoch over the shortest.
double epoch_spread(const trainer::TrainSummary& summary) {
  const auto [shortest, longest] =
      std::ranges::minmax(summary.epochs, {}, &trainer::EpochMetrics::seconds);
  return longest.seconds / shortest.seconds;
}

double worst_spread(const DemoReport& report) {
  double worst = 1;
  for (const DemoNet& net : report.nets)
    worst = std::max(worst, epoch_spread(net.summary));
  return worst;
}

nlohmann::json net_to_json(const DemoNet& net, double speedup) {
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
  return {{"recipe", to_json_value(net.recipe)},
          {"test_accuracy", net.summary.epochs.back().test_accuracy},
          {"epoch_s", epoch_seconds(net.summary)},
          {"speedup", speedup},
          {"epoch_spread", epoch_spread(net.summary)},
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
  return median(std::move(seconds));
}

double epoch_speedup(const trainer::TrainSummary& baseline, const trainer::TrainSummary& net) {
  std::vector<double> ratios;
  for (std::size_t e = 0; e < std::min(baseline.epochs.size(), net.epochs.size()); ++e)
    ratios.push_back(baseline.epochs[e].seconds / net.epochs[e].seconds);
  return median(std::move(ratios));
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
  const trainer::TrainSummary& baseline = report.nets.front().summary;
  for (const DemoNet& net : report.nets) {
    const std::string bytes = bytes_text(weight_bytes(net.summary.layers));
    std::vector<std::string> row = {net.recipe.name,
                                    fmt::format("{:.2f} %", final_accuracy(net)),
                                    seconds_text(epoch_seconds(net.summary)),
                                    fmt::format("{:.2f} x", epoch_speedup(baseline, net.summary)),
                                    bytes,
                                    bytes};
    for (std::size_t l = 0; l < net.summary.layers.size(); ++l)
      row.push_back(layer_cell(net.summary.layers[l], net.kernels[l]));
    table.add(row);
  }
  const double spread = worst_spread(report);
  const std::string warning = spread <= kCalmSpread
                                  ? ""
                                  : fmt::format(
                                        "\nDisturbed: the epochs of one net differ by a factor of "
                                        "{:.1f}. Run it again on a "
                                        "quiet machine before these figures are used.\n",
                                        spread);
  return table.to_text() + warning +
         fmt::format(
             "\naccuracy: on the test images, after {} epochs. epoch: median "
             "seconds of training on {} images, "
             "without evaluation, {} threads.\n"
             "speed-up: median over epochs of the first net's seconds over the net's, "
             "which follow one another.\n"
             "weights, optimizer: bytes stored for weights and for momentum "
             "(gradients: as many again). layer: storage "
             "format, then % of\nthe FMA peak ({:.0f} GFLOP/s a core) of "
             "forward/weight gradient/input gradient, "
             "each timed alone; the first layer has no input gradient.\n",
             report.nets.front().summary.epochs.size(), report.train_images, report.threads,
             report.profile.fma_f32_gflops);
}

nlohmann::json to_json(const DemoReport& report) {
  auto nets = nlohmann::json::array();
  const trainer::TrainSummary& baseline = report.nets.front().summary;
  for (const DemoNet& net : report.nets)
    nets.push_back(net_to_json(net, epoch_speedup(baseline, net.summary)));
  return {{"environment", report.environment},
          {"profile", to_json_value(report.profile)},
          {"threads", report.threads},
          {"train_images", report.train_images},
          {"conditions",
           "epoch_s: median over epochs of training alone; speedup: median over epochs of the "
           "ratio to the "
           "first net's epoch beside it; epoch_spread: longest over shortest; kernels: interleaved "
           "minimum of 9 "
           "samples, operands "
           "left where repeated calls leave them; percent_of_peak: ratio to the minimum of the FMA "
           "loop right beside the samples, times the threads"},
          {"disturbed", worst_spread(report) > kCalmSpread},
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
