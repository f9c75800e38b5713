// SPDX-License-Identifier: Apache-2.0
//
// `lacuna train`: train a network of dense and block-sparse layers from a recipe.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "runtime/trainer/dataset.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/recipe.h"
#include "runtime/trainer/trainer.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "tuner/cli/output.h"
#include "tuner/cli/run_environment.h"
#include "tuner/cli/training.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

struct TrainVerbOptions {
  std::string recipe;
  std::optional<std::int64_t> epochs;
  std::optional<std::uint64_t> seed;
  std::string data;
  std::string out;
  int threads = 0;
  bool resume = false;
  bool overwrite = false;
};

Result<trainer::Recipe> load_recipe_with_options(const TrainVerbOptions& options) {
  LACUNA_TRY(trainer::Recipe recipe, trainer::find_recipe(options.recipe));
  constexpr std::int64_t kMostEpochs = 100000;
  if (options.epochs && (*options.epochs < 1 || *options.epochs > kMostEpochs))
    return make_error(ErrorCode::kInvalidArgument, "--epochs {} is not in [1, {}]", *options.epochs,
                      kMostEpochs);
  if (options.resume && options.overwrite)
    return make_error(ErrorCode::kInvalidArgument, "--resume and --overwrite exclude each other");
  recipe.epochs = options.epochs.value_or(recipe.epochs);
  recipe.seed = options.seed.value_or(recipe.seed);
  if (!options.data.empty()) recipe.data.folder = options.data;
  return recipe;
}

nlohmann::json to_json(const trainer::TrainSummary& summary, const std::filesystem::path& out) {
  auto epochs = nlohmann::json::array();
  for (const trainer::EpochMetrics& metrics : summary.epochs)
    epochs.push_back(to_json_value(metrics));
  auto layers = nlohmann::json::array();
  for (const trainer::LayerInfo& layer : summary.layers)
    layers.push_back({{"kind", layer.kind},
                      {"nnz", layer.nnz},
                      {"stored", layer.stored},
                      {"format", layer.format},
                      {"kernels", layer.kernels},
                      {"provenance", layer.provenance}});
  return {{"epochs", epochs},
          {"layers", layers},
          {"interrupted", summary.interrupted},
          {"epoch", summary.state.epoch},
          {"step", summary.state.step},
          {"out", out.string()}};
}

Result<> run_train(const TrainVerbOptions& options, Context& context) {
  LACUNA_TRY(const trainer::Recipe recipe, load_recipe_with_options(options));
  LACUNA_TRY(const int threads, training_threads(options.threads));
  LACUNA_TRY(const HostDescription host, describe_host());
  LACUNA_TRY(const trainer::Dataset data,
             trainer::load_dataset(recipe.data, recipe.layers.back().units));
  const std::filesystem::path out = options.out.empty()
                                        ? std::filesystem::path("runs") / recipe.name
                                        : std::filesystem::path(options.out);
  trainer::TrainOptions train_options;
  train_options.checkpoint_path = out / "checkpoint.lacuna";
  train_options.metrics_path = out / "metrics.jsonl";
  train_options.start = options.resume      ? trainer::StartMode::kResume
                        : options.overwrite ? trainer::StartMode::kOverwrite
                                            : trainer::StartMode::kFresh;
  train_options.threads = threads;
  train_options.clock_s = training_clock();
  train_options.stop = context.stop;
  train_options.environment = run_environment(host, "lacuna train " + options.recipe);

  TrainingDisplay display(context.output, "");
  LACUNA_TRY(const trainer::TrainSummary summary,
             trainer::train(recipe, data, train_options, display));
  context.output.print(layers_text(summary.layers));
  context.output.print(fmt::format("weights {}, optimizer state {}; metrics and checkpoint in {}",
                                   bytes_text(weight_bytes(summary.layers)),
                                   bytes_text(weight_bytes(summary.layers)), out.string()));
  context.output.print_json(to_json(summary, out));
  if (summary.interrupted)
    return make_error(
        ErrorCode::kInterrupted,
        "interrupted after {} epochs and {} steps; everything is in {}: go on with --resume",
        summary.state.epoch, summary.state.step, train_options.checkpoint_path.string());
  return {};
}

}  // namespace

void add_train_verb(Registry& registry) {
  const auto options = std::make_shared<TrainVerbOptions>();
  CLI::App& verb = registry.add({
      .name = "train",
      .summary = "train a network of dense and block-sparse layers from a recipe",
      .example = "  lacuna train fashion-mnist-sparse90 --epochs 3 --out runs/first\n"
                 "  lacuna train my-recipe.yaml --resume --out runs/first",
      .action = [options](Context& context) { return run_train(*options, context); },
  });
  verb.add_option("RECIPE", options->recipe,
                  "a recipe file (runtime/trainer/recipe.h shows the keys), or the name of one "
                  "that comes with Lacuna")
      ->required();
  verb.add_option("--epochs", options->epochs, "instead of the recipe's");
  verb.add_option("--seed", options->seed, "instead of the recipe's");
  verb.add_option("--data", options->data, "folder of the IDX files, instead of the recipe's");
  verb.add_option("--out", options->out,
                  "folder for metrics.jsonl and checkpoint.lacuna (default: runs/<name>)");
  verb.add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  verb.add_flag("--resume", options->resume, "go on from the checkpoint in --out");
  verb.add_flag("--overwrite", options->overwrite, "start anew although --out holds a checkpoint");
}

}  // namespace lacuna::cli
