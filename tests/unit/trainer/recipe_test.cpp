// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/recipe.h"

#include <cstdint>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

constexpr const char* kSmall = R"(schema: 1
name: small
layers:
  - {units: 32, kind: sparse, density: 0.25, block: 8x16}
  - {units: 10, kind: dense, backend: lacuna}
)";

TEST(Recipe, ReadsEveryKey) {
  const auto recipe = parse_recipe(R"(
schema: 1
name: all-keys_1
seed: 18446744073709551615
epochs: 7
batch: 64
checkpoint_every: 0
data: {folder: /d, train_images: a, train_labels: b, test_images: c, test_labels: d}
optimizer: {lr: 0.5, momentum: 0, weight_decay: 1e-4, schedule: constant}
layers:
  - {units: 32, kind: sparse, density: 0.25, block: 8x16}
  - {units: 10, kind: dense, backend: lacuna}
)",
                                   "r.yaml");
  ASSERT_TRUE(recipe) << recipe.error().message;
  Recipe expected;
  expected.name = "all-keys_1";
  expected.seed = ~std::uint64_t{0};
  expected.epochs = 7;
  expected.batch = 64;
  expected.checkpoint_every = 0;
  expected.data = {"/d", "a", "b", "c", "d"};
  expected.optimizer = {0.5, 0, 1e-4, LrSchedule::kConstant};
  expected.layers = {{32, LayerKind::kSparse, 0.25, 8, 16, DenseBackend::kAuto},
                     {10, LayerKind::kDense, 1, 1, 1, DenseBackend::kLacuna}};
  EXPECT_EQ(*recipe, expected);
}

TEST(Recipe, HasDefaults) {
  const auto recipe = parse_recipe(kSmall, "r.yaml");
  ASSERT_TRUE(recipe) << recipe.error().message;
  EXPECT_EQ(recipe->batch, 256);
  EXPECT_EQ(recipe->data, DataSpec{});
  EXPECT_EQ(recipe->optimizer, OptimizerSpec{});
}

TEST(Recipe, ThoseOfTheDemoParse) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LACUNA_RECIPES)) {
    if (entry.path().extension() != ".yaml") continue;
    const auto recipe = load_recipe(entry.path());
    ASSERT_TRUE(recipe) << recipe.error().message;
    EXPECT_EQ(recipe->name, entry.path().stem());
    ++count;
  }
  EXPECT_GE(count, 3);
}

TEST(Recipe, SaysThatAFileIsMissing) {
  const auto recipe = load_recipe("/nonexistent/r.yaml");
  ASSERT_FALSE(recipe);
  EXPECT_EQ(recipe.error().code, ErrorCode::kNotFound);
  EXPECT_NE(recipe.error().message.find("/nonexistent/r.yaml"), std::string::npos);
}

struct Fault {
  std::string from, to, message;  // kSmall with `from` replaced by `to`
};

class RecipeFault : public testing::TestWithParam<Fault> {};

TEST_P(RecipeFault, NamesFileLineKeyAndLimit) {
  std::string text = kSmall;
  const auto at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, GetParam().from.size(), GetParam().to);
  const auto recipe = parse_recipe(text, "r.yaml");
  ASSERT_FALSE(recipe);
  EXPECT_EQ(recipe.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(recipe.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Recipe, RecipeFault,
    testing::Values(
        Fault{"schema: 1\n", "", "r.yaml:1: schema: is missing"},
        Fault{"schema: 1", "schema: 2", "r.yaml:1: schema: '2' is not an integer in [1, 1]"},
        Fault{"name: small\n", "", "r.yaml:1: name: is missing"},
        Fault{"name: small", "name: A b", "r.yaml:2: name: must consist of a-z, 0-9, '_' and '-'"},
        Fault{"name: small", "name: small\nname: large", "r.yaml:3: name: appears twice"},
        Fault{"name: small", "name: small\nepoch: 3",
              "r.yaml:3: epoch: unknown key; known: schema, name, seed, epochs, batch, "
              "checkpoint_every, data, "
              "optimizer, layers"},
        Fault{"name: small", "name: small\nepochs: 0",
              "r.yaml:3: epochs: '0' is not an integer in [1, 100000]"},
        Fault{"name: small", "name: small\nepochs: many",
              "r.yaml:3: epochs: 'many' is not an integer in [1, 100000]"},
        Fault{"name: small", "name: small\nseed: -1",
              "r.yaml:3: seed: '-1' is not an integer in [0, 1.8446744073709552e+19]"},
        Fault{"name: small", "name: small\nbatch: 65537",
              "r.yaml:3: batch: '65537' is not an integer in [1, 65536]"},
        Fault{"name: small", "name: small\nbatch: [1]",
              "r.yaml:3: batch: a list is not an integer in [1, 65536]"},
        Fault{"name: small", "name: small\ncheckpoint_every: -1",
              "r.yaml:3: checkpoint_every: '-1' is not an integer in [0, 100000]"},
        Fault{"name: small", "name: small\noptimizer: sgd",
              "r.yaml:3: optimizer: must be a map of keys"},
        Fault{"name: small", "name: small\noptimizer: {lr: 0}",
              "r.yaml:3: optimizer.lr: '0' is not a number in (0, 100]"},
        Fault{"name: small", "name: small\noptimizer: {lr: nan}",
              "r.yaml:3: optimizer.lr: 'nan' is not a number in (0, 100]"},
        Fault{"name: small", "name: small\noptimizer: {momentum: 1}",
              "r.yaml:3: optimizer.momentum: '1' is not a number in [0, 1)"},
        Fault{"name: small", "name: small\noptimizer: {weight_decay: 2}",
              "r.yaml:3: optimizer.weight_decay: '2' is not a number in [0, 1]"},
        Fault{"name: small", "name: small\noptimizer: {schedule: step}",
              "r.yaml:3: optimizer.schedule: 'step' is not one of: constant, cosine"},
        Fault{"name: small", "name: small\ndata: {path: x}",
              "r.yaml:3: data.path: unknown key; known: folder, train_images, train_labels, "
              "test_images, "
              "test_labels"},
        Fault{"name: small", "name: small\ndata: {folder: [x]}",
              "r.yaml:3: data.folder: must be a word or a path"},
        Fault{"units: 32, ", "", "r.yaml:4: layers[0].units: is missing"},
        Fault{"units: 32", "units: 0",
              "r.yaml:4: layers[0].units: '0' is not an integer in [1, 1048576]"},
        Fault{"kind: sparse, ", "", "r.yaml:4: layers[0].kind: is missing"},
        Fault{"kind: sparse", "kind: conv",
              "r.yaml:4: layers[0].kind: 'conv' is not one of: dense, sparse"},
        Fault{"density: 0.25, ", "", "r.yaml:4: layers[0].density: is missing"},
        Fault{"density: 0.25", "density: 1.5",
              "r.yaml:4: layers[0].density: '1.5' is not a number in (0, 1]"},
        Fault{", block: 8x16", "", "r.yaml:4: layers[0].block: is missing"},
        Fault{"8x16", "8x65",
              "r.yaml:4: layers[0].block: must be RxC with R and C in [1, 64], e.g. 32x32"},
        Fault{"8x16", "8",
              "r.yaml:4: layers[0].block: must be RxC with R and C in [1, 64], e.g. 32x32"},
        Fault{"block: 8x16", "block: 8x16, backend: openblas",
              "r.yaml:4: layers[0].backend: is for dense layers; a sparse layer always runs on "
              "lacuna"},
        Fault{"kind: dense", "kind: dense, density: 1",
              "r.yaml:5: layers[1].density: is for sparse layers"},
        Fault{"backend: lacuna", "backend: mkl",
              "r.yaml:5: layers[1].backend: 'mkl' is not one of: auto, openblas, lacuna"}));

TEST(Recipe, RejectsTextsThatAreNoRecipe) {
  const auto message = [](const char* text) {
    return parse_recipe(text, "r.yaml").error().message;
  };
  EXPECT_EQ(message("[1, 2]"), "r.yaml:1: recipe: must be a map of keys");
  EXPECT_EQ(message(""), "r.yaml:1: recipe: must be a map of keys");
  EXPECT_EQ(message("schema: 1\nname: x\nlayers: []"),
            "r.yaml:3: layers: must be a list of at least one layer");
  EXPECT_EQ(message("schema: 1\nname: x\nlayers: 3"),
            "r.yaml:3: layers: must be a list of at least one layer");
  EXPECT_EQ(message("schema: 1\nname: x\nlayers: [3]"),
            "r.yaml:3: layers[0]: must be a map of keys");
  EXPECT_EQ(message("schema: 1\n\t- x: [").substr(0, 9), "r.yaml:2:");
}

TEST(CheckSameRun, AllowsLongerRunsAndMovedData) {
  const Recipe before = *parse_recipe(kSmall, "r.yaml");
  Recipe recipe = before;
  recipe.name = "other";
  recipe.epochs = 99;
  recipe.checkpoint_every = 3;
  recipe.data.folder = "/elsewhere";
  EXPECT_TRUE(check_same_run(before, recipe));
}

TEST(CheckSameRun, NamesWhatDiffers) {
  const Recipe before = *parse_recipe(kSmall, "r.yaml");
  const auto message = [&](auto change) {
    Recipe recipe = before;
    change(recipe);
    const auto result = check_same_run(before, recipe);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    return result.error().message;
  };
  EXPECT_EQ(message([](Recipe& r) { r.seed = 2; }),
            "the checkpoint is of another run: seed was 1, the recipe says 2");
  EXPECT_EQ(message([](Recipe& r) { r.optimizer.lr = 0.5; }),
            "the checkpoint is of another run: optimizer/lr was 0.1, the recipe says 0.5");
  EXPECT_EQ(message([](Recipe& r) { r.layers[0].density = 0.5; }),
            "the checkpoint is of another run: layers/0/density was 0.25, the recipe says 0.5");
  EXPECT_EQ(message([](Recipe& r) { r.layers.pop_back(); }),
            "the checkpoint is of another run: it has 2 layers, not 1");
  EXPECT_EQ(message([](Recipe& r) { r.layers.push_back(r.layers[1]); }).substr(0, 53),
            "the checkpoint is of another run: layers/2/backend wa");
}

}  // namespace
}  // namespace lacuna::trainer
