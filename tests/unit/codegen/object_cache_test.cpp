// SPDX-License-Identifier: Apache-2.0
#include "codegen/object_cache.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/file.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna {
namespace {

const Hash128 kKey{.high = 0x0123456789abcdef, .low = 0xfedcba9876543210};

CompiledKernel make_kernel(std::size_t bytes = 100) {
  CompiledKernel kernel{"spmm_test", std::vector<std::byte>(bytes)};
  for (std::size_t i = 0; i < bytes; ++i)
    kernel.object[i] = static_cast<std::byte>(i * 7);
  return kernel;
}

class ObjectCacheTest : public testing::Test {
 protected:
  test::TempCache folder_;
  ObjectCache cache_{folder_.path()};
};

TEST_F(ObjectCacheTest, FindsWhatWasStored) {
  EXPECT_EQ(cache_.find("spmm_test", kKey), std::nullopt);
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  EXPECT_EQ(cache_.find("spmm_test", kKey), make_kernel());
}

TEST_F(ObjectCacheTest, StoresAnEmptyObject) {
  ASSERT_TRUE(cache_.store(make_kernel(0), kKey));
  EXPECT_EQ(cache_.find("spmm_test", kKey), make_kernel(0));
}

TEST_F(ObjectCacheTest, NamesTheFileByNameAndKey) {
  EXPECT_EQ(cache_.path_of("spmm_test", kKey),
            folder_.path() / "spmm_test-0123456789abcdeffedcba9876543210.lko");
}

TEST_F(ObjectCacheTest, MissesAnotherKeyOrName) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  EXPECT_EQ(cache_.find("spmm_test", {kKey.high, kKey.low + 1}), std::nullopt);
  EXPECT_EQ(cache_.find("spmm_other", kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, MissesAFileUnderTheWrongKey) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  const Hash128 other{1, 2};
  std::filesystem::rename(cache_.path_of("spmm_test", kKey), cache_.path_of("spmm_test", other));
  EXPECT_EQ(cache_.find("spmm_test", other), std::nullopt);
}

TEST_F(ObjectCacheTest, MissesEveryTruncation) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  const auto whole = read_file(cache_.path_of("spmm_test", kKey));
  ASSERT_TRUE(whole);
  for (std::size_t size = 0; size < whole->size(); ++size) {
    ASSERT_TRUE(
        write_file_atomic(cache_.path_of("spmm_test", kKey), std::span(*whole).first(size)));
    EXPECT_EQ(cache_.find("spmm_test", kKey), std::nullopt) << size;
  }
}

TEST_F(ObjectCacheTest, MissesEveryChangedByteAndAppendedBytes) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  const auto path = cache_.path_of("spmm_test", kKey);
  const auto whole = read_file(path);
  ASSERT_TRUE(whole);
  for (std::size_t i = 0; i < whole->size(); ++i) {
    auto changed = *whole;
    changed[i] ^= std::byte{0x40};
    ASSERT_TRUE(write_file_atomic(path, changed));
    EXPECT_EQ(cache_.find("spmm_test", kKey), std::nullopt) << i;
  }
  auto longer = *whole;
  longer.push_back(std::byte{0});
  ASSERT_TRUE(write_file_atomic(path, longer));
  EXPECT_EQ(cache_.find("spmm_test", kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, FindsARejectionApartFromObjects) {
  EXPECT_EQ(cache_.find_rejection("spmm_test", kKey), std::nullopt);
  ASSERT_TRUE(cache_.store_rejection("spmm_test", kKey, "it spills"));
  EXPECT_EQ(cache_.find_rejection("spmm_test", kKey), "it spills");
  EXPECT_EQ(cache_.find("spmm_test", kKey), std::nullopt);
  EXPECT_EQ(cache_.find_rejection("spmm_test", {kKey.high, kKey.low + 1}), std::nullopt);
  EXPECT_EQ(cache_.find_rejection("spmm_other", kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, AnObjectInPlaceOfARejectionIsAMiss) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  std::filesystem::rename(cache_.path_of("spmm_test", kKey),
                          cache_.rejection_path_of("spmm_test", kKey));
  EXPECT_EQ(cache_.find_rejection("spmm_test", kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, MissesADamagedRejection) {
  ASSERT_TRUE(cache_.store_rejection("spmm_test", kKey, "it spills"));
  const auto path = cache_.rejection_path_of("spmm_test", kKey);
  const auto whole = read_file(path);
  ASSERT_TRUE(whole);
  for (std::size_t i = 0; i < whole->size(); ++i) {
    ASSERT_TRUE(write_file_atomic(path, std::span(*whole).first(i)));
    EXPECT_EQ(cache_.find_rejection("spmm_test", kKey), std::nullopt) << i;
    auto changed = *whole;
    changed[i] ^= std::byte{1};
    ASSERT_TRUE(write_file_atomic(path, changed));
    EXPECT_EQ(cache_.find_rejection("spmm_test", kKey), std::nullopt) << i;
  }
}

TEST_F(ObjectCacheTest, StoringAgainRepairsAFile) {
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  ASSERT_TRUE(write_file_atomic(cache_.path_of("spmm_test", kKey), "damaged"));
  ASSERT_TRUE(cache_.store(make_kernel(), kKey));
  EXPECT_EQ(cache_.find("spmm_test", kKey), make_kernel());
}

TEST_F(ObjectCacheTest, RefusesNamesThatLeaveTheFolder) {
  for (const std::string name : {"", "../spmm", "a/b", "a.b"}) {
    CompiledKernel kernel = make_kernel();
    kernel.name = name;
    const auto stored = cache_.store(kernel, kKey);
    ASSERT_FALSE(stored) << name;
    EXPECT_EQ(stored.error().message, "'" + name + "' is not a kernel name");
    EXPECT_EQ(cache_.find(name, kKey), std::nullopt);
    EXPECT_FALSE(cache_.store_rejection(name, kKey, "it spills")) << name;
    EXPECT_EQ(cache_.find_rejection(name, kKey), std::nullopt);
  }
}

TEST(ObjectCache, WithoutFolderNeverHitsAndNeverStores) {
  const ObjectCache cache{std::filesystem::path()};
  EXPECT_TRUE(cache.store(make_kernel(), kKey));
  EXPECT_EQ(cache.find("spmm_test", kKey), std::nullopt);
  EXPECT_TRUE(cache.store_rejection("spmm_test", kKey, "it spills"));
  EXPECT_EQ(cache.find_rejection("spmm_test", kKey), std::nullopt);
}

}  // namespace
}  // namespace lacuna
