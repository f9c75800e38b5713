// SPDX-License-Identifier: Apache-2.0
//
// What the trainer's tests share: a folder of their own, a small learnable data set, IDX bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/trainer/dataset.h"

namespace lacuna::trainer {

// An empty folder, removed at the end of the test.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Images of 4 classes: class c has bright pixels where feature % 4 == c, with noise.
[[nodiscard]] ImageSet make_images(std::int64_t count, std::int64_t features, std::uint64_t seed);
[[nodiscard]] Dataset make_dataset(std::int64_t train, std::int64_t test, std::int64_t features);

[[nodiscard]] std::vector<std::byte> idx_bytes(const std::vector<std::uint32_t>& sizes,
                                               const std::vector<std::uint8_t>& values);
[[nodiscard]] std::vector<std::byte> gzip(const std::vector<std::byte>& bytes);
void write_bytes(const std::filesystem::path& path, const std::vector<std::byte>& bytes);

}  // namespace lacuna::trainer
