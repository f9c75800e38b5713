// SPDX-License-Identifier: Apache-2.0
//
// `lacuna demo`: probe, tune, train dense and block-sparse networks on Fashion-MNIST, and compare them in one table.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/trainer/dataset.h"
#include "runtime/trainer/layer.h"
#include "runtime/trainer/network.h"
#include "runtime/trainer/recipe.h"
#include "runtime/trainer/trainer.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "tuner/cli/demo_kernels.h"
#include "tuner/cli/demo_report.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/run_environment.h"
#include "tuner/cli/training.h"
#include "tuner/cli/verbs.h"
#include "tuner/clock.h"
#include "tuner/probe/probe_machine.h"
#include "tuner/tuner.h"

namespace lacuna::cli {
namespace {

struct DemoVerbOptions {
  std::vector<std::string> recipes = {"fashion-mnist-dense", "fashion-mnist-sparse90",
                                      "fashion-mnist-sparse95"};
  std::optional<std::int64_t> epochs;
  std::string out = "results";
  std::string data;
  int threads = 0;
  std::string rigor = "quick";
};

Result<MachineProfile> find_or_probe(const HostDescription& host, Clock& clock,
                                     const Context& context) {
  const auto path = profile_path(host_fingerprint(host));
  if (auto known = load_profile(path)) return known;
  ProbeOptions options;
  options.stop = context.stop;
  Progress progress("probing this machine");
  options.progress = [&](double fraction, std::string_view what) {
    progress.update(fraction, what);
  };
  LACUNA_TRY(MachineProfile profile, probe_machine(host, clock, options));
  if (const auto stored = store_profile(path, profile); !stored)
    context.output.note(stored.error().message);
  return profile;
}

// What a net's stages share.
struct Demo {
  const Context& context;
  Engine& engine;
  SteadyClock& clock;
  const MachineProfile& profile;
  const trainer::Dataset& data;
  Rigor rigor = Rigor::kQuick;
};

// Records for every layer: the trainer's plans then find what was measured.
Result<> tune_layers(const Demo& demo, const trainer::Recipe& recipe,
                     const std::vector<trainer::LayerShape>& shapes) {
  Progress progress("tuning " + recipe.name);
  for (std::size_t l = 0; l < shapes.size(); ++l) {
    if (!trainer::runs_on_lacuna(recipe, l)) continue;
    LACUNA_TRY(const LayerRequest layer, make_layer_request(demo.engine, shapes[l]));
    TuneOptions options;
    options.rigor = demo.rigor;
    options.stop = demo.context.stop;
    options.progress = [&](double fraction, std::string_view what) {
      progress.update((static_cast<double>(l) + fraction) / static_cast<double>(shapes.size()),
                      what);
    };
    LACUNA_TRY(const TuneOutcome outcome,
               find_or_tune(demo.engine, demo.clock, layer.request, &demo.profile, options));
    for (const std::string& warning : outcome.warnings)
      demo.context.output.note(warning);
    if (outcome.interrupted)
      return make_error(ErrorCode::kInterrupted, "interrupted while tuning; records are kept");
  }
  return {};
}

// One more epoch of the net.
Result<> train_epoch(const Demo& demo, DemoNet& net) {
  const auto done = static_cast<std::int64_t>(net.summary.epochs.size());
  trainer::TrainOptions options;
  if (done > 0) {
    options.start = trainer::StartMode::kResume;
    options.from = &net.summary.state;
  }
  options.last_epoch = done + 1;
  options.threads = demo.engine.threads();
  options.clock_s = training_clock();
  options.stop = demo.context.stop;
  TrainingDisplay display(demo.context.output, net.recipe.name);
  LACUNA_TRY(trainer::TrainSummary summary,
             trainer::train(net.recipe, demo.data, options, display));
  if (summary.interrupted)
    return make_error(ErrorCode::kInterrupted, "interrupted while training {}", net.recipe.name);
  summary.epochs.insert(summary.epochs.begin(), net.summary.epochs.begin(),
                        net.summary.epochs.end());
  net.summary = std::move(summary);
  return {};
}

// The nets take turns, an epoch each: a busy stretch of a shared machine then slows all of them.
Result<> train_nets(const Demo& demo, std::vector<DemoNet>& nets) {
  for (bool any = true; any;) {
    any = false;
    for (DemoNet& net : nets) {
      if (static_cast<std::int64_t>(net.summary.epochs.size()) >= net.recipe.epochs) continue;
      LACUNA_TRY_VOID(train_epoch(demo, net));
      any = true;
    }
  }
  return {};
}

Result<std::vector<trainer::LayerShape>> shapes_of(const Demo& demo,
                                                   const trainer::Recipe& recipe) {
  LACUNA_TRY_VOID(trainer::check_layer_sizes(recipe, demo.data.train.features));
  return trainer::layer_shapes(recipe, demo.data.train.features, demo.engine.threads());
}

Result<> measure_kernels(const Demo& demo, const std::vector<trainer::LayerShape>& shapes,
                         DemoNet& net) {
  for (std::size_t l = 0; l < shapes.size(); ++l) {
    const bool by_blas = net.summary.layers[l].format == "dense";
    const auto measure = by_blas ? measure_dense_layer : measure_lacuna_layer;
    LACUNA_TRY(auto rates, measure(demo.engine, demo.clock, shapes[l], demo.context.stop));
    net.kernels.push_back(std::move(rates));
  }
  return {};
}

Result<std::vector<DemoNet>> run_nets(const Demo& demo, std::vector<trainer::Recipe> recipes) {
  std::vector<DemoNet> nets;
  std::vector<std::vector<trainer::LayerShape>> shapes;
  for (trainer::Recipe& recipe : recipes) {
    LACUNA_TRY(auto shapes_of_net, shapes_of(demo, recipe));
    LACUNA_TRY_VOID(tune_layers(demo, recipe, shapes_of_net));
    shapes.push_back(std::move(shapes_of_net));
    nets.push_back({.recipe = std::move(recipe), .summary = {}, .kernels = {}});
  }
  LACUNA_TRY_VOID(train_nets(demo, nets));
  for (std::size_t i = 0; i < nets.size(); ++i)
    LACUNA_TRY_VOID(measure_kernels(demo, shapes[i], nets[i]));
  return nets;
}

Result<std::vector<trainer::Recipe>> load_recipes(const DemoVerbOptions& options) {
  std::vector<trainer::Recipe> recipes;
  for (const std::string& name : options.recipes) {
    LACUNA_TRY(trainer::Recipe recipe, trainer::find_recipe(name));
    if (options.epochs && *options.epochs < 1)
      return make_error(ErrorCode::kInvalidArgument, "--epochs {} is not positive",
                        *options.epochs);
    recipe.epochs = options.epochs.value_or(recipe.epochs);
    if (!options.data.empty()) recipe.data.folder = options.data;
    if (!recipes.empty() && (recipe.data != recipes.front().data ||
                             recipe.layers.back().units != recipes.front().layers.back().units))
      return make_error(ErrorCode::kInvalidArgument,
                        "recipe {} trains on other data than {}: not comparable", recipe.name,
                        recipes.front().name);
    recipes.push_back(std::move(recipe));
  }
  return recipes;
}

Result<> run_demo(const DemoVerbOptions& options, Context& context) {
  auto rigor = parse_enum<Rigor>(options.rigor);
  if (!rigor) return add_context("--rigor", std::move(rigor).error());
  LACUNA_TRY(auto recipes, load_recipes(options));
  LACUNA_TRY(const int threads, training_threads(options.threads));
  LACUNA_TRY(const auto data,
             trainer::load_dataset(recipes.front().data, recipes.front().layers.back().units));
  LACUNA_TRY(const HostDescription host, describe_host());
  SteadyClock clock;
  DemoReport report;
  report.threads = threads;
  report.train_images = data.train.count;
  report.environment = run_environment(host, "lacuna demo");
  LACUNA_TRY(report.profile, find_or_probe(host, clock, context));
  LACUNA_TRY(const Session session, open_session(threads));
  const Demo demo{context, *session.engine, clock, report.profile, data, *rigor};
  LACUNA_TRY(report.nets, run_nets(demo, std::move(recipes)));
  context.output.print("");
  context.output.print(to_text(report));
  LACUNA_TRY(const auto stem, store_report(options.out, report));
  context.output.print(fmt::format("written to {}.json and .md", stem.string()));
  context.output.print_json(to_json(report));
  return {};
}

}  // namespace

void add_demo_verb(Registry& registry) {
  const auto options = std::make_shared<DemoVerbOptions>();
  CLI::App& verb = registry.add({
      .name = "demo",
      .summary = "probe, tune, train dense and block-sparse networks on Fashion-MNIST, and compare "
                 "them in one table",
      .example = "  lacuna demo\n  lacuna demo --epochs 10 --out /tmp/results",
      .action = [options](Context& context) { return run_demo(*options, context); },
  });
  verb.add_option("--recipes", options->recipes,
                  "recipes to compare, the first is the baseline (default: dense, 90 %, 95 %)")
      ->delimiter(',');
  verb.add_option("--epochs", options->epochs, "instead of the recipes'");
  verb.add_option("--out", options->out, "folder of the report")->capture_default_str();
  verb.add_option("--data", options->data, "folder of the IDX files, instead of the recipes'");
  verb.add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  verb.add_option("--rigor", options->rigor, "of tuning: quick or measure")->capture_default_str();
}

}  // namespace lacuna::cli
