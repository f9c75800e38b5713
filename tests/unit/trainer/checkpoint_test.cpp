// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/philox.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"
#include "tests/unit/trainer/training_data.h"

namespace lacuna::trainer {
namespace {

Checkpoint make_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.recipe.name = "run";
  checkpoint.recipe.layers = {{5, LayerKind::kSparse, 0.5, 4, 4, DenseBackend::kAuto}, {2}};
  checkpoint.epoch = 3;
  checkpoint.step = 17;
  checkpoint.loss_sum = 0.1 + 0.2;  // must come back to the last bit
  checkpoint.correct = 12345;
  const auto filled = [](std::int64_t count, float value) {
    return std::vector<float>(static_cast<std::size_t>(count), value);
  };
  const BlockMask sparse = make_balanced_block_mask(5, 7, 4, 4, 0.5, {1, RandomUse::kMask, 0});
  checkpoint.layers.push_back({sparse,
                               {"k1", "k2"},
                               filled(sparse.nnz(), 1),
                               filled(sparse.nnz(), 2),
                               filled(5, 3),
                               filled(5, 4)});
  checkpoint.layers.push_back(
      {make_full_mask(2, 5), {}, filled(10, 5), filled(10, 6), filled(2, 7), filled(2, -0.0F)});
  return checkpoint;
}

std::string fault(std::span<const std::byte> bytes) {
  const auto checkpoint = parse_checkpoint(bytes, "c");
  if (checkpoint) return "no error";
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kInvalidFile);
  return checkpoint.error().message;
}

TEST(Checkpoint, ComesBackAsItWas) {
  const Checkpoint before = make_checkpoint();
  const auto after = parse_checkpoint(to_bytes(before), "c");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(*after, before);
}

TEST(Checkpoint, OfDataInAFolderWhoseNameIsNotUtf8) {
  Checkpoint before = make_checkpoint();
  before.recipe.data.folder = "/data/\xff";
  const auto after = parse_checkpoint(to_bytes(before), "c");
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->recipe.data.folder, "/data/\xef\xbf\xbd");
  EXPECT_EQ(after->layers, before.layers);
  EXPECT_TRUE(check_same_run(after->recipe, before.recipe));
}

TEST(Checkpoint, NoticesEveryTruncationAndEveryFlippedByte) {
  const auto whole = to_bytes(make_checkpoint());
  for (std::size_t length = 0; length < whole.size(); ++length)
    ASSERT_NE(fault(std::span(whole).first(length)), "no error") << length;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] ^= std::byte{0x10};
    ASSERT_NE(fault(damaged), "no error") << at;
  }
}

TEST(Checkpoint, SaysWhatIsWrong) {
  auto bytes = to_bytes(make_checkpoint());
  EXPECT_EQ(fault({}), "c: not a checkpoint of Lacuna");
  EXPECT_EQ(fault(std::span(bytes).first(20)), "c: truncated: 20 bytes");
  EXPECT_EQ(fault(std::span(bytes).first(bytes.size() - 1)),
            "c: the checksum does not match: the file is damaged or truncated");
  bytes[8] = std::byte{9};
  EXPECT_EQ(fault(bytes), "c: version 9 is not 1");
}

TEST(Checkpoint, StoresAndLoads) {
  const TestFolder folder;
  const auto path = folder.path() / "made" / "c";
  ASSERT_TRUE(store_checkpoint(path, make_checkpoint()));
  const auto loaded = load_checkpoint(path);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(*loaded, make_checkpoint());
  const auto missing = load_checkpoint(folder.path() / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lacuna::trainer
