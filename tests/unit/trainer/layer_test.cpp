// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/layer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "runtime/trainer/blas.h"
#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/lacuna_handles.h"
#include "runtime/trainer/network.h"
#include "runtime/trainer/philox.h"
#include "runtime/trainer/recipe.h"

namespace lacuna::trainer {
namespace {

struct Case {
  std::string backend;  // "openblas", "lacuna full", "lacuna sparse"
  std::int64_t units, inputs, batch, n;
  bool relu, first;
};

class LinearLayer : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& p = GetParam();
    shape_.mask =
        p.backend == "lacuna sparse"
            ? make_balanced_block_mask(p.units, p.inputs, 8, 4, 0.4, {3, RandomUse::kMask, 0})
            : make_full_mask(p.units, p.inputs);
    shape_.relu = p.relu;
    shape_.first = p.first;
    shape_.batch = p.batch;
    shape_.ld = p.batch + 3;
    shape_.threads = 2;
    if (p.backend == "openblas") {
      auto blas = Blas::open(2);
      if (!blas) GTEST_SKIP() << blas.error().message;
      layer_ = make_dense_layer(shape_, *blas);
    } else {
      lacuna_context_options options{};
      options.struct_size = sizeof options;
      lacuna_context* context = nullptr;
      ASSERT_EQ(lacuna_context_create(&options, &context), LACUNA_OK) << lacuna_last_error();
      context_.reset(context);
      layer_ = make_sparse_layer(shape_, context);
    }
    ASSERT_TRUE(layer_) << layer_.error().message;
  }

  // A dense copy of canonical weights.
  [[nodiscard]] std::vector<double> to_dense(const std::vector<float>& canonical) const {
    std::vector<double> dense(static_cast<std::size_t>(shape_.mask.m * shape_.mask.k));
    auto next = canonical.begin();
    for (std::int64_t row = 0; row < shape_.mask.m; ++row)
      for_each_run(shape_.mask, row, [&](std::int64_t first, std::int64_t end) {
        for (std::int64_t j = first; j < end; ++j)
          dense[static_cast<std::size_t>(row * shape_.mask.k + j)] = *next++;
      });
    return dense;
  }
  [[nodiscard]] std::vector<float> random(std::int64_t rows, std::uint32_t part) const {
    const RandomStream stream{5, RandomUse::kWeights, part};
    std::vector<float> x(static_cast<std::size_t>(rows * shape_.ld), std::nanf(""));
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < GetParam().n; ++j)
        x[static_cast<std::size_t>(i * shape_.ld + j)] =
            static_cast<float>(stream.normal(static_cast<std::uint64_t>(i * 1000 + j)));
    return x;
  }

  LayerShape shape_;
  ContextHandle context_;  // outlives the layer
  Result<std::unique_ptr<Layer>> layer_;
};

// Everything against triple loops in double; the tolerance covers a sum of `length` products of magnitude about 10.
double tolerance(std::int64_t length) {
  return 6e-8 * 10 * static_cast<double>(length + 2);
}

TEST_P(LinearLayer, ForwardAndBackwardMatchTheirDefinition) {
  const Case& p = GetParam();
  Layer& layer = **layer_;
  const std::vector<float> canonical = initial_weights(shape_, 9, 0);
  ASSERT_TRUE(layer.from_canonical(canonical, layer.weights().value));
  for (std::int64_t i = 0; i < p.units; ++i)
    layer.bias().value[static_cast<std::size_t>(i)] = 0.1F * static_cast<float>(i % 7) - 0.3F;
  const auto x = random(p.inputs, 1);
  std::vector<float> y(static_cast<std::size_t>(p.units * shape_.ld), std::nanf(""));
  ASSERT_TRUE(layer.forward(x.data(), y.data(), p.n));

  const auto w = to_dense(canonical);
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return static_cast<std::size_t>(row * shape_.ld + column);
  };
  for (std::int64_t i = 0; i < p.units; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = layer.bias().value[static_cast<std::size_t>(i)];
      for (std::int64_t l = 0; l < p.inputs; ++l)
        sum += w[static_cast<std::size_t>(i * p.inputs + l)] * x[at(l, j)];
      ASSERT_NEAR(y[at(i, j)], p.relu ? std::max(sum, 0.0) : sum, tolerance(p.inputs))
          << i << ' ' << j;
    }

  auto dy = random(p.units, 2);
  auto dz = dy;
  for (std::size_t i = 0; i < dz.size(); ++i)
    if (p.relu && !(y[i] > 0)) dz[i] = 0;
  std::vector<float> dx(static_cast<std::size_t>(p.inputs * shape_.ld), std::nanf(""));
  ASSERT_TRUE(layer.backward({x.data(), y.data(), dy.data(), p.first ? nullptr : dx.data(), p.n}));
  const auto gradient = layer.to_canonical(layer.weights().gradient);
  ASSERT_TRUE(gradient) << gradient.error().message;
  const auto dw = to_dense(*gradient);
  const auto existing = to_dense(std::vector<float>(canonical.size(), 1));
  for (std::int64_t i = 0; i < p.units; ++i)
    for (std::int64_t l = 0; l < p.inputs; ++l) {
      double sum = 0;
      for (std::int64_t j = 0; j < p.n; ++j)
        sum += static_cast<double>(dz[at(i, j)]) * x[at(l, j)];
      const auto e = static_cast<std::size_t>(i * p.inputs + l);
      ASSERT_NEAR(dw[e], existing[e] * sum, tolerance(p.n)) << i << ' ' << l;
    }
  for (std::int64_t i = 0; i < p.units; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < p.n; ++j)
      sum += dz[at(i, j)];
    ASSERT_NEAR(layer.bias().gradient[static_cast<std::size_t>(i)], sum, tolerance(p.n));
  }
  if (p.first) return;
  for (std::int64_t l = 0; l < p.inputs; ++l)
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < p.units; ++i)
        sum += w[static_cast<std::size_t>(i * p.inputs + l)] * dz[at(i, j)];
      ASSERT_NEAR(dx[at(l, j)], sum, tolerance(p.units)) << l << ' ' << j;
    }
}

TEST_P(LinearLayer, CanonicalOrderIsTheInverseOfItsOwn) {
  Layer& layer = **layer_;
  std::vector<float> canonical(static_cast<std::size_t>(shape_.mask.nnz()));
  for (std::size_t i = 0; i < canonical.size(); ++i)
    canonical[i] = static_cast<float>(i + 1);
  ASSERT_TRUE(layer.from_canonical(canonical, layer.weights().value));
  EXPECT_EQ(*layer.to_canonical(layer.weights().value), canonical);
}

TEST_P(LinearLayer, StoresStateForItsWeightsOnly) {
  Layer& layer = **layer_;
  const LayerInfo info = layer.info();
  EXPECT_EQ(info.nnz, shape_.mask.nnz());
  EXPECT_EQ(info.stored, static_cast<std::int64_t>(layer.weights().value.size()));
  EXPECT_EQ(layer.weights().velocity.size(), layer.weights().value.size());
  EXPECT_EQ(layer.weights().gradient.size(), layer.weights().value.size());
  EXPECT_EQ(info.kernels.size(), shape_.first ? 2U : 3U);
  if (shape_.mask.m % 8 == 0 && shape_.mask.k % 4 == 0) {
    EXPECT_EQ(info.stored, info.nnz);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, LinearLayer,
                         testing::Values(Case{"openblas", 40, 24, 16, 16, true, false},
                                         Case{"openblas", 10, 33, 16, 5, false, true},
                                         Case{"lacuna full", 10, 48, 32, 32, false, false},
                                         Case{"lacuna full", 10, 48, 32, 7, false, true},
                                         Case{"lacuna sparse", 64, 48, 32, 32, true, false},
                                         Case{"lacuna sparse", 64, 48, 32, 9, true, true},
                                         Case{"lacuna sparse", 37, 51, 20, 20, true, false},
                                         Case{"lacuna sparse", 37, 51, 20, 1, false, false}),
                         [](const auto& test) {
                           std::string name = test.param.backend + "_" +
                                              std::to_string(test.param.units) + "x" +
                                              std::to_string(test.param.inputs) + "_n" +
                                              std::to_string(test.param.n);
                           for (char& c : name)
                             if (c == ' ') c = '_';
                           return name + (test.param.first ? "_first" : "");
                         });

TEST(InitialWeights, FollowTheFanInThatExists) {
  LayerShape shape;
  shape.mask = make_balanced_block_mask(256, 512, 16, 16, 0.25, {1, RandomUse::kMask, 0});
  shape.relu = true;
  const auto weights = initial_weights(shape, 1, 0);
  ASSERT_EQ(static_cast<std::int64_t>(weights.size()), 256 * 128);
  double squares = 0;
  for (const float w : weights)
    squares += static_cast<double>(w) * w;
  EXPECT_NEAR(squares / static_cast<double>(weights.size()), 2.0 / 128, 2.0 / 128 * 0.05);
}

TEST(InitialWeights, DependOnSeedLayerAndPositionOnly) {
  LayerShape full;
  full.mask = make_full_mask(8, 64);
  LayerShape sparse = full;
  sparse.mask = {.m = 8, .k = 64, .r = 8, .c = 32, .flags = {0, 1}};
  const auto all = initial_weights(full, 1, 0);
  const auto half = initial_weights(sparse, 1, 0);
  // The same draw at the same position, scaled by sqrt(64 / 32).
  EXPECT_NEAR(half[0], all[32] * std::sqrt(2.0F), 1e-6);
  EXPECT_NE(all, initial_weights(full, 2, 0));
  EXPECT_NE(all, initial_weights(full, 1, 1));
  full.threads = 3;
  EXPECT_EQ(all, initial_weights(full, 1, 0));
}

TEST(RunsOnLacuna, FollowsTheNetWhereTheChoiceIsOpen) {
  const LayerSpec sparse{8, LayerKind::kSparse, 0.5, 4, 4, DenseBackend::kAuto};
  const LayerSpec open{8};
  const LayerSpec blas{8, LayerKind::kDense, 1, 1, 1, DenseBackend::kOpenBlas};
  const LayerSpec own{8, LayerKind::kDense, 1, 1, 1, DenseBackend::kLacuna};
  Recipe recipe;
  recipe.layers = {sparse, open, blas, own};
  EXPECT_TRUE(runs_on_lacuna(recipe, 0));
  EXPECT_TRUE(runs_on_lacuna(recipe, 1));
  EXPECT_FALSE(runs_on_lacuna(recipe, 2));
  EXPECT_TRUE(runs_on_lacuna(recipe, 3));
  recipe.layers = {open, own};
  EXPECT_FALSE(runs_on_lacuna(recipe, 0));
  EXPECT_TRUE(runs_on_lacuna(recipe, 1));
}

}  // namespace
}  // namespace lacuna::trainer
