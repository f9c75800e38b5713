// SPDX-License-Identifier: Apache-2.0
//
// `lacuna train` as a user meets it when something goes wrong: messages, exit statuses, and what survives.
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/checkpoint.h"
#include "runtime/trainer/dataset.h"
#include "targets/base/file.h"
#include "tests/unit/trainer/training_data.h"

namespace lacuna::trainer {
namespace {

// A running `lacuna` with its standard output at hand.
class Command {
 public:
  Command(std::vector<std::string> arguments, const std::filesystem::path& errors)
      : errors_(errors) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    child_ = fork();
    EXPECT_GE(child_, 0);
    if (child_ == 0) {
      arguments.insert(arguments.begin(), LACUNA_COMMAND);
      std::vector<char*> argv;
      for (std::string& argument : arguments)
        argv.push_back(argument.data());
      argv.push_back(nullptr);
      dup2(ends[1], STDOUT_FILENO);
      if (std::freopen(errors.c_str(), "w", stderr) != nullptr) execv(LACUNA_COMMAND, argv.data());
      _exit(126);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~Command() {
    if (child_ > 0) static_cast<void>(finish());
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Reads lines up to one that begins so; false at the end of the output.
  bool wait_for(const std::string& beginning) {
    std::array<char, 4096> line{};
    while (std::fgets(line.data(), static_cast<int>(line.size()), output_) != nullptr)
      if (std::string(line.data()).starts_with(beginning)) return true;
    return false;
  }
  void send(int signal) const { EXPECT_EQ(kill(child_, signal), 0); }
  // Waits for the end. The exit status, or minus the signal that killed it.
  int finish() {
    while (std::fgetc(output_) != EOF) {
    }
    std::fclose(output_);
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  [[nodiscard]] std::string errors() const { return read_text_file(errors_).value_or(""); }

 private:
  std::filesystem::path errors_;
  std::FILE* output_ = nullptr;
  pid_t child_ = 0;
};

class TrainFaults : public testing::Test {
 protected:
  TrainFaults() {
    write_set("train", make_images(300, 64, 1));
    write_set("test", make_images(50, 64, 2));
    write_recipe("");
  }
  void write_set(const std::string& name, const ImageSet& set) {
    const auto count = static_cast<std::uint32_t>(set.count);
    write_bytes(folder_.path() / (name + "-images"), gzip(idx_bytes({count, 8, 8}, set.images)));
    write_bytes(folder_.path() / (name + "-labels"), idx_bytes({count}, set.labels));
  }
  void write_recipe(const std::string& more) {
    std::ofstream(recipe())
        << "schema: 1\nname: small\nepochs: 4\nbatch: 32\n"
           "optimizer: {lr: 0.01, schedule: constant}\n"
        << "data: {folder: " << folder_.path().string()
        << ", train_images: train-images, train_labels: train-labels, test_images: test-images, "
           "test_labels: test-labels}\n"
           "layers:\n"
           "  - {units: 32, kind: sparse, density: 0.5, block: 8x8}\n"
           "  - {units: 4, kind: dense, backend: lacuna}\n"
        << more;
  }
  [[nodiscard]] std::string recipe() const { return (folder_.path() / "recipe.yaml").string(); }
  [[nodiscard]] std::filesystem::path out(const std::string& name) const {
    return folder_.path() / name;
  }

  std::vector<std::string> arguments(const std::string& out_name, std::vector<std::string> more) {
    std::vector<std::string> all = {"train", recipe(), "--threads",
                                    "1",     "--out",  out(out_name).string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  int run(const std::string& out_name, std::vector<std::string> more = {}) {
    Command command(arguments(out_name, std::move(more)), errors_);
    const int status = command.finish();
    messages_ = command.errors();
    return status;
  }
  [[nodiscard]] Checkpoint checkpoint(const std::string& out_name) const {
    const auto stored = load_checkpoint(out(out_name) / "checkpoint.lacuna");
    EXPECT_TRUE(stored) << stored.error().message;
    return stored.value_or(Checkpoint{});
  }
  [[nodiscard]] bool said(const std::string& text) const {
    return messages_.find(text) != std::string::npos;
  }

  TestFolder folder_;
  std::filesystem::path errors_ = folder_.path() / "stderr";
  std::string messages_;
};

TEST_F(TrainFaults, GoodInputTrains) {
  EXPECT_EQ(run("a"), 0) << messages_;
  EXPECT_EQ(checkpoint("a").epoch, 4);
}

TEST_F(TrainFaults, UnknownRecipeKey) {
  write_recipe("learning_rate: 3\n");
  EXPECT_EQ(run("a"), 2);
  EXPECT_TRUE(
      said("recipe.yaml:10: learning_rate: unknown key; known: schema, name, seed, epochs, batch, "
           "checkpoint_every, data, optimizer, layers"))
      << messages_;
  write_recipe("");
  EXPECT_EQ(run("a"), 0);
}

TEST_F(TrainFaults, MissingRecipe) {
  Command command({"train", "no-such-recipe"}, errors_);
  EXPECT_EQ(command.finish(), 3);
  messages_ = command.errors();
  EXPECT_TRUE(
      said("there is no recipe 'no-such-recipe'; give a file (./no-such-recipe.yaml) or one of: "
           "fashion-mnist-dense"))
      << messages_;
}

TEST_F(TrainFaults, MissingDataFile) {
  std::filesystem::remove(folder_.path() / "test-images");
  EXPECT_EQ(run("a"), 3);
  EXPECT_TRUE(
      said("test-images (nor with .gz) does not exist; Fashion-MNIST is in Debian's package "
           "dataset-fashion-mnist (apt install dataset-fashion-mnist), or set data.folder"))
      << messages_;
}

TEST_F(TrainFaults, TruncatedDataFile) {
  const auto path = folder_.path() / "train-images";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_EQ(run("a"), 2);
  EXPECT_TRUE(said("train-images: truncated: ")) << messages_;
}

TEST_F(TrainFaults, DamagedCheckpoint) {
  ASSERT_EQ(run("a"), 0) << messages_;
  const auto path = out("a") / "checkpoint.lacuna";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(run("a", {"--resume"}), 2);
  EXPECT_TRUE(
      said("checkpoint.lacuna: the checksum does not match: the file is damaged or truncated"))
      << messages_;
  EXPECT_EQ(run("a", {"--overwrite"}), 0) << messages_;
}

TEST_F(TrainFaults, ExistingCheckpointIsKept) {
  ASSERT_EQ(run("a"), 0) << messages_;
  EXPECT_EQ(run("a"), 2);
  EXPECT_TRUE(
      said("checkpoint.lacuna exists: resume from it (--resume), replace it (--overwrite), or "
           "choose another "
           "folder (--out)"))
      << messages_;
}

TEST_F(TrainFaults, OutputFolderThatCannotBeMade) {
  std::ofstream(folder_.path() / "file") << "x";
  EXPECT_EQ(run("file/inside"), 4);
  EXPECT_TRUE(said("cannot write " + (out("file/inside") / "metrics.jsonl").string())) << messages_;
}

TEST_F(TrainFaults, OptionsOutOfRange) {
  EXPECT_EQ(run("a", {"--epochs", "0"}), 2);
  EXPECT_TRUE(said("--epochs 0 is not in [1, 100000]")) << messages_;
  EXPECT_EQ(run("a", {"--threads", "-1"}), 2);
  EXPECT_EQ(run("a", {"--resume", "--overwrite"}), 2);
  EXPECT_TRUE(said("--resume and --overwrite exclude each other")) << messages_;
  EXPECT_EQ(run("a", {"--resume"}), 3) << messages_;
}

// Ctrl-C stores the state after the step in progress; going on from there ends at the same bits as never stopping.
TEST_F(TrainFaults, InterruptKeepsWhatWasLearned) {
  Command command(arguments("a", {"--epochs", "100000"}), errors_);
  ASSERT_TRUE(command.wait_for("epoch   3"));
  command.send(SIGINT);
  EXPECT_EQ(command.finish(), 130);
  messages_ = command.errors();
  EXPECT_TRUE(said("go on with --resume")) << messages_;
  const std::int64_t reached = checkpoint("a").epoch;
  EXPECT_GE(reached, 3);
  const std::string epochs = std::to_string(reached + 2);
  EXPECT_EQ(run("a", {"--resume", "--epochs", epochs}), 0) << messages_;
  EXPECT_EQ(run("b", {"--epochs", epochs}), 0) << messages_;
  EXPECT_EQ(checkpoint("a"), checkpoint("b"));
}

// The checkpoint of an epoch is stored after its line; at the third line the first two are on disk, at least.
TEST_F(TrainFaults, KilledRunGoesOnFromItsLastCheckpoint) {
  Command command(arguments("a", {"--epochs", "100000"}), errors_);
  ASSERT_TRUE(command.wait_for("epoch   3"));
  command.send(SIGKILL);
  EXPECT_EQ(command.finish(), -SIGKILL);
  const std::int64_t reached = checkpoint("a").epoch;
  EXPECT_GE(reached, 2);
  const std::string epochs = std::to_string(reached + 2);
  EXPECT_EQ(run("a", {"--resume", "--epochs", epochs}), 0) << messages_;
  EXPECT_EQ(run("b", {"--epochs", epochs}), 0) << messages_;
  EXPECT_EQ(checkpoint("a"), checkpoint("b"));
}

}  // namespace
}  // namespace lacuna::trainer
