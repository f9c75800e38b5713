// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/trainer.h"

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/checkpoint.h"
#include "runtime/trainer/dataset.h"
#include "runtime/trainer/metrics_file.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/unit/trainer/training_data.h"

namespace lacuna::trainer {
namespace {

// 100 images in batches of 32: three whole batches and one of four.
Recipe make_recipe() {
  Recipe recipe;
  recipe.name = "test";
  recipe.epochs = 3;
  recipe.batch = 32;
  recipe.optimizer = {0.05, 0.9, 1e-3, LrSchedule::kCosine};
  recipe.layers = {{32, LayerKind::kSparse, 0.5, 8, 8, DenseBackend::kAuto},
                   {16, LayerKind::kSparse, 0.5, 8, 8, DenseBackend::kAuto},
                   {4, LayerKind::kDense, 1, 1, 1, DenseBackend::kLacuna}};
  return recipe;
}

// Keeps what it is told, and raises `stop` after a number of steps.
class Recorder final : public TrainObserver {
 public:
  explicit Recorder(int stop_after = -1) : stop_after_(stop_after) {}
  void on_note(std::string_view message) override { notes.emplace_back(message); }
  void on_step(const StepProgress& progress) override {
    steps.push_back(progress);
    if (static_cast<int>(steps.size()) == stop_after_) stop = true;
  }
  void on_epoch(const EpochMetrics& metrics) override { epochs.push_back(metrics); }

  std::vector<std::string> notes;
  std::vector<StepProgress> steps;
  std::vector<EpochMetrics> epochs;
  std::atomic<bool> stop = false;

 private:
  int stop_after_;
};

TrainOptions make_options(const Recorder& recorder) {
  TrainOptions options;
  options.threads = 1;
  options.clock_s = [ticks = 0]() mutable { return static_cast<double>(ticks++); };
  options.stop = &recorder.stop;
  return options;
}

class Train : public testing::Test {
 protected:
  Train()
      : checkpoint_(folder_.path() / "checkpoint"), metrics_(folder_.path() / "metrics.jsonl") {}

  Checkpoint run_in_memory(const Recipe& recipe, int threads = 1) {
    Recorder recorder;
    TrainOptions options = make_options(recorder);
    options.threads = threads;
    auto summary = train(recipe, data_, options, recorder);
    EXPECT_TRUE(summary) << summary.error().message;
    return summary ? summary->state : Checkpoint{};
  }
  Result<TrainSummary> run_on_disk(const Recipe& recipe, StartMode start, Recorder& recorder) {
    TrainOptions options = make_options(recorder);
    options.start = start;
    options.checkpoint_path = checkpoint_;
    options.metrics_path = metrics_;
    return train(recipe, data_, options, recorder);
  }
  std::vector<nlohmann::json> metric_lines() {
    std::istringstream text(read_text_file(metrics_).value());
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(text, line);)
      lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  TestFolder folder_;
  std::filesystem::path checkpoint_, metrics_;
  Dataset data_ = make_dataset(100, 40, 48);
};

TEST_F(Train, Learns) {
  Recipe recipe = make_recipe();
  recipe.epochs = 20;
  Recorder recorder;
  const auto summary = train(recipe, data_, make_options(recorder), recorder);
  ASSERT_TRUE(summary) << summary.error().message;
  ASSERT_EQ(summary->epochs.size(), 20U);
  EXPECT_LT(summary->epochs.back().loss, 0.1 * summary->epochs.front().loss);
  EXPECT_GE(summary->epochs.back().test_accuracy, 0.9);
  EXPECT_EQ(recorder.steps.size(), 20U * 4);
  EXPECT_EQ(recorder.steps[3].step, 4);
  EXPECT_EQ(recorder.steps[3].steps, 4);
}

// Of layers so small that their plans do not depend on the number of threads either.
TEST_F(Train, IsTheSameTwiceAndForAnyNumberOfThreads) {
  const Checkpoint once = run_in_memory(make_recipe());
  EXPECT_EQ(run_in_memory(make_recipe()), once);
  EXPECT_EQ(run_in_memory(make_recipe(), 2), once);
  EXPECT_EQ(run_in_memory(make_recipe(), 3), once);
}

TEST_F(Train, DependsOnTheSeed) {
  Recipe other = make_recipe();
  other.seed = 2;
  EXPECT_NE(run_in_memory(other).layers, run_in_memory(make_recipe()).layers);
}

TEST_F(Train, DenseByOpenBlasDoesNotDependOnThreadsHere) {
  Recipe recipe = make_recipe();
  for (LayerSpec& layer : recipe.layers)
    layer = {layer.units};
  recipe.layers[0].backend = DenseBackend::kOpenBlas;
  Recorder recorder;
  const auto summary = train(recipe, data_, make_options(recorder), recorder);
  if (!summary && summary.error().code == ErrorCode::kUnsupported)
    GTEST_SKIP() << summary.error().message;
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_NE(summary->blas.find("OpenBLAS"), std::string::npos);
  EXPECT_EQ(run_in_memory(recipe, 2), summary->state);
}

TEST_F(Train, EpochByEpochInMemoryIsBitIdentical) {
  const Recipe recipe = make_recipe();
  Checkpoint state;
  for (std::int64_t epoch = 1; epoch <= recipe.epochs; ++epoch) {
    Recorder recorder;
    TrainOptions options = make_options(recorder);
    options.last_epoch = epoch;
    if (epoch > 1) {
      options.start = StartMode::kResume;
      options.from = &state;
    }
    auto summary = train(recipe, data_, options, recorder);
    ASSERT_TRUE(summary) << summary.error().message;
    ASSERT_EQ(summary->epochs.size(), 1U);
    EXPECT_EQ(summary->epochs.front().epoch, epoch);
    state = std::move(summary->state);
  }
  EXPECT_EQ(state, run_in_memory(recipe));
  Recorder recorder;
  TrainOptions options = make_options(recorder);
  options.start = StartMode::kResume;
  options.from = &state;
  Recipe other = recipe;
  other.seed = 2;
  EXPECT_EQ(train(other, data_, options, recorder).error().code, ErrorCode::kInvalidArgument);
}

// One epoch, then two more from the checkpoint. A constant rate, since the cosine spans all epochs.
TEST_F(Train, ResumedAfterAnEpochIsBitIdentical) {
  Recipe recipe = make_recipe();
  recipe.optimizer.schedule = LrSchedule::kConstant;
  const Checkpoint whole = run_in_memory(recipe);
  recipe.epochs = 1;
  Recorder first;
  ASSERT_TRUE(run_on_disk(recipe, StartMode::kFresh, first));
  recipe.epochs = 3;
  Recorder second;
  const auto resumed = run_on_disk(recipe, StartMode::kResume, second);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->state, whole);
  EXPECT_EQ(resumed->epochs.size(), 2U);
  EXPECT_TRUE(second.notes.empty());
}

class Interrupted : public Train, public testing::WithParamInterface<int> {};

// Stopped after any step, in the middle of an epoch, at its end, or several times over.
TEST_P(Interrupted, ResumedRunIsBitIdentical) {
  const Checkpoint whole = run_in_memory(make_recipe());
  StartMode start = StartMode::kFresh;
  for (int part = 0;; ++part) {
    ASSERT_LE(part, 12);
    Recorder recorder(GetParam());
    const auto summary = run_on_disk(make_recipe(), start, recorder);
    ASSERT_TRUE(summary) << summary.error().message;
    start = StartMode::kResume;
    if (summary->interrupted) continue;
    EXPECT_GT(part, 0);
    EXPECT_EQ(summary->state, whole);
    EXPECT_EQ(*load_checkpoint(checkpoint_), whole);
    break;
  }
  // The last line tells the same of the last epoch, however it was cut.
  Recorder recorder;
  const auto reference = train(make_recipe(), data_, make_options(recorder), recorder);
  const auto last = metric_lines().back();
  EXPECT_EQ(last["loss"], reference->epochs.back().loss);
  EXPECT_EQ(last["train_accuracy"], reference->epochs.back().train_accuracy);
  EXPECT_EQ(last["test_loss"], reference->epochs.back().test_loss);
}

INSTANTIATE_TEST_SUITE_P(Steps, Interrupted, testing::Values(1, 2, 3, 4, 5, 7, 8, 11));

TEST_F(Train, WritesOneLineAnEpochAfterAHeader) {
  Recorder recorder;
  ASSERT_TRUE(run_on_disk(make_recipe(), StartMode::kFresh, recorder));
  const auto lines = metric_lines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["event"], "start");
  EXPECT_EQ(lines[0]["threads"], 1);
  EXPECT_EQ(lines[0]["recipe"]["name"], "test");
  EXPECT_EQ(lines[0]["layers"][0]["kind"], "sparse 8x8");
  EXPECT_EQ(lines[0]["layers"][0]["nnz"], 32 * 48 / 2);
  for (std::size_t e = 1; e < lines.size(); ++e) {
    EXPECT_EQ(lines[e]["event"], "epoch");
    EpochMetrics metrics;
    nlohmann::json line = lines[e];
    line.erase("event");
    ASSERT_TRUE(from_json_value(line, metrics));
    EXPECT_EQ(metrics, recorder.epochs[e - 1]);
    EXPECT_EQ(metrics.epoch, static_cast<std::int64_t>(e));
    EXPECT_GT(metrics.seconds, 0);
    EXPECT_GT(metrics.images_per_s, 0);
  }
}

TEST_F(Train, StoresACheckpointEveryFewEpochsAndAtTheEnd) {
  Recipe recipe = make_recipe();
  recipe.checkpoint_every = 2;
  struct Watcher final : TrainObserver {
    void on_note(std::string_view) override {}
    void on_step(const StepProgress& p) override {
      if (p.step != 1) return;
      const auto stored = load_checkpoint(path);
      epochs_stored.push_back(stored ? stored->epoch : -1);
    }
    void on_epoch(const EpochMetrics&) override {}
    std::filesystem::path path;
    std::vector<std::int64_t> epochs_stored;
  } watcher;
  watcher.path = checkpoint_;
  Recorder unused;
  TrainOptions options = make_options(unused);
  options.checkpoint_path = checkpoint_;
  ASSERT_TRUE(train(recipe, data_, options, watcher));
  EXPECT_EQ(watcher.epochs_stored, (std::vector<std::int64_t>{-1, -1, 2}));
  EXPECT_EQ(load_checkpoint(checkpoint_)->epoch, 3);
}

TEST_F(Train, ResumingAFinishedRunTrainsNothing) {
  Recorder first;
  const auto whole = run_on_disk(make_recipe(), StartMode::kFresh, first);
  ASSERT_TRUE(whole);
  Recorder second;
  const auto again = run_on_disk(make_recipe(), StartMode::kResume, second);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->state, whole->state);
  EXPECT_EQ(second.notes,
            std::vector<std::string>{"the checkpoint already has 3 of 3 epochs: nothing to train"});
}

TEST_F(Train, DoesNotOverwriteACheckpointUnasked) {
  Recorder recorder;
  ASSERT_TRUE(run_on_disk(make_recipe(), StartMode::kFresh, recorder));
  const auto again = run_on_disk(make_recipe(), StartMode::kFresh, recorder);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(again.error().message,
            checkpoint_.string() +
                " exists: resume from it (--resume), replace it (--overwrite), or choose "
                "another folder (--out)");
  EXPECT_TRUE(run_on_disk(make_recipe(), StartMode::kOverwrite, recorder));
}

// A run that replaces another and then fails leaves no checkpoint of the other one.
TEST_F(Train, OverwriteRemovesTheCheckpointAtTheStart) {
  Recorder recorder;
  ASSERT_TRUE(run_on_disk(make_recipe(), StartMode::kFresh, recorder));
  Recipe huge = make_recipe();
  huge.layers.front().units = std::int64_t{1} << 40;
  EXPECT_FALSE(run_on_disk(huge, StartMode::kOverwrite, recorder));
  EXPECT_TRUE(std::filesystem::exists(checkpoint_)) << "a recipe that cannot run costs nothing";
  Recipe diverging = make_recipe();
  diverging.optimizer = {100, 0.99, 1, LrSchedule::kConstant};
  diverging.epochs = 100;
  diverging.checkpoint_every = 0;
  EXPECT_FALSE(run_on_disk(diverging, StartMode::kOverwrite, recorder));
  EXPECT_FALSE(std::filesystem::exists(checkpoint_));
}

TEST_F(Train, RefusesALayerBeyondTheLimit) {
  Recipe recipe = make_recipe();
  recipe.layers.front().units = 1 << 20;
  recipe.layers.insert(recipe.layers.begin() + 1, recipe.layers.front());
  Recorder recorder;
  const auto summary = train(recipe, data_, make_options(recorder), recorder);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(summary.error().message,
            "layers[1]: 1048576 units x 1048576 inputs are more than 1073741824 weights");
}

TEST_F(Train, RefusesToResumeAnotherRun) {
  Recorder recorder;
  const auto missing = run_on_disk(make_recipe(), StartMode::kResume, recorder);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(run_on_disk(make_recipe(), StartMode::kFresh, recorder));
  Recipe other = make_recipe();
  other.batch = 16;
  const auto batch = run_on_disk(other, StartMode::kResume, recorder);
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().message,
            "the checkpoint is of another run: batch was 32, the recipe says 16");
  data_ = make_dataset(100, 40, 56);
  const auto features = run_on_disk(make_recipe(), StartMode::kResume, recorder);
  ASSERT_FALSE(features);
  EXPECT_EQ(
      features.error().message,
      checkpoint_.string() + ": the mask of layers[0] is not that of the recipe and the data");
}

TEST_F(Train, SaysThatTrainingDiverged) {
  Recipe recipe = make_recipe();
  recipe.optimizer = {100, 0.99, 1,
                      LrSchedule::kConstant};  // each step multiplies the weights by about 99
  recipe.epochs = 100;
  Recorder recorder;
  const auto summary = train(recipe, data_, make_options(recorder), recorder);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(summary.error().message.find(
                "the loss is not finite: training diverged; use a smaller lr than 100"),
            std::string::npos)
      << summary.error().message;
}

TEST_F(Train, NeedsImagesAndLayers) {
  Recorder recorder;
  Recipe recipe = make_recipe();
  recipe.layers.clear();
  EXPECT_EQ(train(recipe, data_, make_options(recorder), recorder).error().message,
            "the recipe has no layers");
  data_.test = {};
  EXPECT_EQ(train(make_recipe(), data_, make_options(recorder), recorder).error().message,
            "training needs images: 100 for training, 0 for testing");
}

TEST(LearningRate, FollowsItsSchedule) {
  const OptimizerSpec cosine{0.2, 0.9, 0, LrSchedule::kCosine};
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 0, 100), 0.2);
  EXPECT_NEAR(learning_rate(cosine, 50, 100), 0.1, 1e-15);
  EXPECT_NEAR(learning_rate(cosine, 100, 100), 0, 1e-15);
  EXPECT_EQ(learning_rate({0.2, 0.9, 0, LrSchedule::kConstant}, 99, 100), 0.2);
}

TEST(MetricsFile, APartOfALineDoesNotSpoilTheNext) {
  const TestFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  const auto append = [&](int value) {
    auto file = MetricsFile::open(path, MetricsStart::kAppend);
    EXPECT_TRUE(file && file->write({{"a", value}}));
  };
  append(1);
  append(2);
  EXPECT_EQ(read_text_file(path).value(), "{\"a\":1}\n{\"a\":2}\n");
  std::filesystem::resize_file(path, 11);  // the last line lost its end
  append(3);
  EXPECT_EQ(read_text_file(path).value(), "{\"a\":1}\n{\"a\n{\"a\":3}\n");
}

TEST(MetricsFile, SaysThatItCannotWrite) {
  const auto file = MetricsFile::open("/proc/nothing/metrics.jsonl", MetricsStart::kReplace);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_EQ(file.error().message, "cannot write /proc/nothing/metrics.jsonl");
  auto full = MetricsFile::open("/dev/full", MetricsStart::kReplace);
  ASSERT_TRUE(full);
  const auto written = full->write({{"a", 1}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "cannot write /dev/full (disk full?)");
}

}  // namespace
}  // namespace lacuna::trainer
