// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/idx_file.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "tests/unit/trainer/training_data.h"

namespace lacuna::trainer {
namespace {

std::string message(const std::vector<std::byte>& bytes) {
  const auto array = parse_idx(bytes, "x");
  if (array) return "no error";
  EXPECT_EQ(array.error().code, ErrorCode::kInvalidFile);
  return array.error().message;
}

TEST(Idx, ReadsPlainAndGzip) {
  const auto plain = idx_bytes({2, 3}, {1, 2, 3, 4, 5, 255});
  for (const auto& bytes : {plain, gzip(plain)}) {
    const auto array = parse_idx(bytes, "x");
    ASSERT_TRUE(array) << array.error().message;
    EXPECT_EQ(array->sizes, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(array->values, (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 255}));
  }
}

TEST(Idx, ReadsAnEmptyArray) {
  const auto array = parse_idx(idx_bytes({0}, {}), "x");
  ASSERT_TRUE(array);
  EXPECT_TRUE(array->values.empty());
}

TEST(Idx, RejectsEachMalformation) {
  auto bytes = idx_bytes({2}, {1, 2});
  bytes[0] = std::byte{1};
  EXPECT_EQ(message(bytes), "x: not an IDX file (it must begin with two zero bytes)");
  EXPECT_EQ(message({}), "x: not an IDX file (it must begin with two zero bytes)");
  bytes[0] = std::byte{0};
  bytes[2] = std::byte{13};
  EXPECT_EQ(message(bytes), "x: element type 13 is not 8 (unsigned byte)");
  EXPECT_EQ(message(idx_bytes({}, {})), "x: 0 dimensions are not 1 to 4");
  EXPECT_EQ(message(idx_bytes({1, 1, 1, 1, 1}, {1})), "x: 5 dimensions are not 1 to 4");
  EXPECT_EQ(message(idx_bytes({65536, 65536}, {})),
            "x: more than 2147483648 elements are declared");
  EXPECT_EQ(message(idx_bytes({2}, {1})), "x: truncated: 1 of 2 elements");
  EXPECT_EQ(message(idx_bytes({2}, {1, 2, 3})), "x: there are bytes after the 2 declared elements");
}

TEST(Idx, NoticesEveryTruncation) {
  const auto plain = idx_bytes({3, 4}, std::vector<std::uint8_t>(12, 9));
  for (const auto& whole : {plain, gzip(plain)})
    for (std::size_t length = 0; length < whole.size(); ++length) {
      // The last 8 bytes of a gzip stream are its checksum and length; a stream without them is not whole either.
      const auto array = parse_idx(std::span(whole).first(length), "x");
      ASSERT_FALSE(array) << length;
      EXPECT_EQ(array.error().code, ErrorCode::kInvalidFile);
    }
}

TEST(Idx, NoticesCorruptGzip) {
  auto bytes = gzip(idx_bytes({100}, std::vector<std::uint8_t>(100, 7)));
  bytes[bytes.size() - 6] ^= std::byte{1};  // the checksum
  EXPECT_EQ(message(bytes), "x: corrupt gzip data (incorrect data check)");
}

TEST(Idx, LoadsWithOrWithoutTheGzSuffix) {
  const TestFolder folder;
  write_bytes(folder.path() / "a.gz", gzip(idx_bytes({1}, {5})));
  write_bytes(folder.path() / "b", idx_bytes({1}, {6}));
  EXPECT_EQ(load_idx(folder.path() / "a")->values, std::vector<std::uint8_t>{5});
  EXPECT_EQ(load_idx(folder.path() / "a.gz")->values, std::vector<std::uint8_t>{5});
  EXPECT_EQ(load_idx(folder.path() / "b.gz")->values, std::vector<std::uint8_t>{6});
}

TEST(Idx, SaysWhichPackageHasAMissingFile) {
  const auto array = load_idx("/nonexistent/train-images-idx3-ubyte.gz");
  ASSERT_FALSE(array);
  EXPECT_EQ(array.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(
      array.error().message,
      "/nonexistent/train-images-idx3-ubyte.gz (nor with .gz) does not exist; Fashion-MNIST is in "
      "Debian's "
      "package dataset-fashion-mnist (apt install dataset-fashion-mnist), or set data.folder");
}

}  // namespace
}  // namespace lacuna::trainer
