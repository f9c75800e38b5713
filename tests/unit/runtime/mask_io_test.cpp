// SPDX-License-Identifier: Apache-2.0
#include "runtime/mask_io.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/unit/runtime/mask_io_cases.h"
#include "tests/unit/runtime/numpy_fixtures.h"

namespace lacuna {
namespace {

const Mask& fixture_mask() {
  static const Mask kMask = mask_of(4, 6, {{0, 1}, {0, 4}, {2, 0}, {2, 3}, {3, 2}, {3, 5}});
  return kMask;
}

template <std::size_t kSize>
std::string_view text_of(const unsigned char (&bytes)[kSize]) {
  return {reinterpret_cast<const char*>(bytes), kSize};
}

struct Fixture {
  const char* name;
  Parser parse;
  std::string_view file;
};

class MaskFromNumpy : public testing::TestWithParam<Fixture> {};

TEST_P(MaskFromNumpy, ReadsTheMatrix) {
  const auto mask = GetParam().parse(GetParam().file);
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(*mask, fixture_mask());
}

TEST_P(MaskFromNumpy, EveryPrefixIsAnError) {
  expect_prefixes_fail(GetParam().parse, GetParam().file, GetParam().file.size());
}

// No single changed byte may crash or hang; most are errors, some change another field's harmless bits.
TEST_P(MaskFromNumpy, AnyChangedByteIsHandled) {
  for (std::size_t i = 0; i < GetParam().file.size(); ++i) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      std::string file(GetParam().file);
      file[i] = static_cast<char>(static_cast<unsigned char>(file[i]) ^ flip);
      const auto mask = GetParam().parse(file);
      EXPECT_TRUE(mask || !mask.error().message.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    MaskIo, MaskFromNumpy,
    testing::Values(Fixture{"float32", parse_npy_text, text_of(kNumpyFloat32)},
                    Fixture{"bool_fortran", parse_npy_text, text_of(kNumpyBoolFortran)},
                    Fixture{"int16_big_endian", parse_npy_text, text_of(kNumpyInt16BigEndian)},
                    Fixture{"csr_deflated", parse_npz_text, text_of(kScipyCsrDeflated)},
                    Fixture{"csr_stored", parse_npz_text, text_of(kScipyCsrStored)},
                    Fixture{"csc_array", parse_npz_text, text_of(kScipyCscArray)},
                    Fixture{"coo", parse_npz_text, text_of(kScipyCoo)},
                    Fixture{"savez", parse_npz_text, text_of(kNumpySavez)},
                    Fixture{"mmwrite", parse_mtx_text, text_of(kScipyMatrixMarket)}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(MaskIo, ScipyBsrStoresWholeBlocks) {
  const auto mask = parse_npz_text(text_of(kScipyBsr2x3));
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(*mask, *Mask::from_blocks(4, 6, 2, 3, std::vector<std::uint8_t>(4, 1)));
}

// ---- files ------------------------------------------------------------------------------------------------

class MaskFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = user_cache_folder() / "mask_io_test" /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, std::string_view text) const {
    const auto path = folder_ / name;
    EXPECT_TRUE(write_file_atomic(path, text));
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(MaskFile, FormatIsTakenFromTheContent) {
  EXPECT_EQ(*load_mask(write("a.txt", text_of(kNumpyFloat32))), fixture_mask());
  EXPECT_EQ(*load_mask(write("b.npy", text_of(kScipyCsrStored))), fixture_mask());
  EXPECT_EQ(*load_mask(write("c", text_of(kScipyMatrixMarket))), fixture_mask());
  EXPECT_EQ(load_mask(write("d.smtx", "3, 4, 3\n0 2 2 3\n1 3 0\n"))->nnz(), 3);
}

TEST_F(MaskFile, UnknownContentAndMissingFilesAreErrors) {
  for (const std::string_view content : {"", "hello", "P", "\x93NUMP"}) {
    const auto path = write("x.npy", content);
    EXPECT_EQ(
        error_of(load_mask(path)),
        path.string() + ": not a .npy, .npz or Matrix Market file by its content, nor named .smtx");
  }
  const auto missing = load_mask(folder_ / "missing.npz");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("missing.npz"), std::string::npos);
}

TEST_F(MaskFile, MessagesNameTheFile) {
  const auto path =
      write("bad.mtx", "%%MatrixMarket matrix coordinate real general\n1 1 1\n2 1 1\n");
  EXPECT_EQ(error_of(load_mask(path)), path.string() + ":3: (2, 1) is outside (1, 1) to (1, 1)");
}

TEST_F(MaskFile, StoredArchivesLoadAgain) {
  for (const auto& [m, k] :
       {std::pair{0, 0}, std::pair{0, 3}, std::pair{3, 0}, std::pair{37, 130}}) {
    const auto mask = make_random_block_mask(m, k, 3, 2, 0.4, 5).value();
    const auto path = folder_ / "stored.npz";
    const auto stored = store_mask(path, mask);
    ASSERT_TRUE(stored) << stored.error().message;
    const auto loaded = load_mask(path);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(*loaded, mask);
    const auto bytes = read_text_file(path).value();
    ASSERT_TRUE(store_mask(path, mask));
    EXPECT_EQ(read_text_file(path).value(), bytes) << "the same mask gives the same bytes";
  }
}

TEST_F(MaskFile, TheExtensionDecidesHowAMaskIsStored) {
  const Mask& mask = fixture_mask();
  ASSERT_TRUE(store_mask(folder_ / "a.npy", mask));
  EXPECT_EQ(read_text_file(folder_ / "a.npy")->substr(0, 6), "\x93NUMPY");
  ASSERT_TRUE(store_mask(folder_ / "a.npz", mask));
  EXPECT_EQ(read_text_file(folder_ / "a.npz")->substr(0, 2), "PK");
  const auto other = store_mask(folder_ / "a.mtx", mask);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(other.error().message,
            (folder_ / "a.mtx").string() + ": a mask is written as .npy or .npz");
}

TEST_F(MaskFile, StoredMasksLoadAgain) {
  for (const auto& [m, k] :
       {std::pair{0, 0}, std::pair{0, 3}, std::pair{3, 0}, std::pair{37, 130}}) {
    const auto mask = make_random_block_mask(m, k, 3, 2, 0.4, 5).value();
    const auto path = folder_ / "stored.npy";
    const auto stored = store_mask_npy(path, mask);
    ASSERT_TRUE(stored) << stored.error().message;
    const auto loaded = load_mask(path);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(*loaded, mask);
    EXPECT_EQ((std::filesystem::file_size(path) - static_cast<std::uintmax_t>(m * k)) % 64, 0U);
  }
}

TEST_F(MaskFile, StoreFailsWhereNoFolderCanBe) {
  const auto file = write("file", "x");
  const auto stored =
      store_mask_npy(file / "mask.npy", make_random_block_mask(2, 2, 1, 1, 1, 1).value());
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace lacuna
