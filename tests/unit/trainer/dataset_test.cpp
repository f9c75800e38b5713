// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/dataset.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "tests/unit/trainer/training_data.h"

namespace lacuna::trainer {
namespace {

class LoadDataset : public testing::Test {
 protected:
  LoadDataset() {
    spec_ = {folder_.path().string(), "train-images", "train-labels", "test-images", "test-labels"};
    write("train-images", {3, 2, 2}, {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110});
    write("train-labels", {3}, {0, 1, 2});
    write("test-images", {1, 2, 2}, {1, 2, 3, 4});
    write("test-labels", {1}, {2});
  }
  void write(const std::string& name, const std::vector<std::uint32_t>& sizes,
             const std::vector<std::uint8_t>& values) {
    write_bytes(folder_.path() / name, idx_bytes(sizes, values));
  }
  std::string fault(std::int64_t classes = 3) {
    const auto data = load_dataset(spec_, classes);
    if (data) return "no error";
    EXPECT_EQ(data.error().code, ErrorCode::kInvalidFile);
    const std::string message = data.error().message;
    const std::string prefix = folder_.path().string() + "/";
    EXPECT_EQ(message.substr(0, prefix.size()), prefix);
    return message.substr(prefix.size());
  }

  TestFolder folder_;
  DataSpec spec_;
};

TEST_F(LoadDataset, ReadsImagesLabelsAndNormalisation) {
  const auto data = load_dataset(spec_, 3);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->train.count, 3);
  EXPECT_EQ(data->train.features, 4);
  EXPECT_EQ(data->test.count, 1);
  EXPECT_EQ(data->test.labels, std::vector<std::uint8_t>{2});
  EXPECT_DOUBLE_EQ(data->mean, 55);
  EXPECT_NEAR(data->deviation, std::sqrt((121.0 * 143) / 12 * 100 / 121),
              1e-9);  // of 0, 10, ... 110
}

TEST_F(LoadDataset, NamesTheFileAtFault) {
  EXPECT_EQ(fault(2),
            "train-labels: label 2 of image 2 is not below 2, the units of the last layer");
  write("test-images", {1, 3}, {1, 2, 3});
  EXPECT_EQ(fault(), "test-images: 3 features an image, but the training images have 4");
  write("test-images", {1}, {1});
  EXPECT_EQ(fault(), "test-images: images need at least 2 dimensions, not 1");
  write("train-labels", {3, 1}, {0, 1, 2});
  EXPECT_EQ(fault(), "train-labels: labels need 1 dimension, not 2");
  write("train-labels", {2}, {0, 1});
  EXPECT_EQ(fault(), "train-labels: 2 labels for 3 images");
  write("train-labels", {0}, {});
  write("train-images", {0, 2, 2}, {});
  EXPECT_EQ(fault(), "train-images: holds no images");
}

TEST(Normalisation, LeavesConstantImagesUnscaled) {
  Dataset data;
  data.train.images.assign(10, 7);
  set_normalisation(data);
  EXPECT_EQ(data.mean, 7);
  EXPECT_EQ(data.deviation, 1);
}

TEST(Dataset, FashionMnistOfDebianIsComplete) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const auto data = load_dataset(DataSpec{}, 10);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->train.count, 60000);
  EXPECT_EQ(data->test.count, 10000);
  EXPECT_EQ(data->train.features, 784);
  EXPECT_NEAR(data->mean / 255, 0.2860, 5e-5);
  EXPECT_NEAR(data->deviation / 255, 0.3530, 5e-5);
}

class GatherBatch : public testing::TestWithParam<std::int64_t> {};

TEST_P(GatherBatch, TransposesAndNormalisesWithoutTouchingPadding) {
  const std::int64_t n = GetParam();
  const Dataset data = make_dataset(100, 1, 130);  // two whole tiles of features and a rest
  std::vector<std::uint32_t> indices;
  for (std::int64_t j = 0; j < n; ++j)
    indices.push_back(static_cast<std::uint32_t>((j * 37 + 5) % 100));
  const std::int64_t ld = n + 3;
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    std::vector<float> out(static_cast<std::size_t>(130 * ld), -99);
    gather_batch(data.train, data, indices, out.data(), ld, threads);
    for (std::int64_t f = 0; f < 130; ++f)
      for (std::int64_t j = 0; j < ld; ++j) {
        const float got = out[static_cast<std::size_t>(f * ld + j)];
        if (j >= n) {
          ASSERT_EQ(got, -99);
          continue;
        }
        const double byte =
            data.train
                .images[indices[static_cast<std::size_t>(j)] * 130 + static_cast<std::size_t>(f)];
        ASSERT_NEAR(got, (byte - data.mean) / data.deviation, 1e-5);
      }
    if (first.empty()) first = out;
    EXPECT_EQ(out, first) << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GatherBatch, testing::Values(0, 1, 15, 16, 17, 64));

}  // namespace
}  // namespace lacuna::trainer
