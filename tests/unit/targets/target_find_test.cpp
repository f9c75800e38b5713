// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

using testing::ScopedEnv;
using testing::TempFolder;

constexpr const char* kMine =
    "schema: 1\nname: mine\nisa: x86_64\nvector_bits: 256\nllvm_cpu: x86-64-v3\nfeatures: [avx, "
    "avx2, fma]\n";

TEST(FindTarget, FindsShippedTargetsByName) {
  const ScopedEnv unset("LACUNA_TARGETS", nullptr);
  const auto zen4 = find_target("zen4");
  ASSERT_TRUE(zen4) << zen4.error().message;
  EXPECT_EQ(zen4->name, "zen4");
}

TEST(FindTarget, EnvironmentFolderComesFirst) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "zen4.yaml", kMine));
  const ScopedEnv set("LACUNA_TARGETS", folder.path().c_str());
  EXPECT_EQ(target_folders().front(), folder.path());
  EXPECT_EQ(find_target("zen4").value().name, "mine");
  EXPECT_EQ(find_target("sm_80").value().isa, Isa::kCuda) << "later folders still count";
}

TEST(FindTarget, TakesAPath) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "mine.yaml", kMine));
  EXPECT_EQ(find_target((folder / "mine.yaml").string()).value().name, "mine");
  const auto missing = find_target((folder / "none.yaml").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(FindTarget, UnknownNameListsTheKnown) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "mine.yaml", kMine));
  ASSERT_TRUE(write_file_atomic(folder / "readme.txt", "not a target"));
  const ScopedEnv set("LACUNA_TARGETS", folder.path().c_str());
  for (const char* name : {"zen9", "", "no such"}) {
    const auto target = find_target(name);
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(target.error().message, "no target '" + std::string(name) +
                                          "', known are: host, mine, neoverse-v1, neoverse-v2, "
                                          "sapphire-rapids, sapphire-rapids-noamx, "
                                          "skylake-x, sm_80, sm_90a, x86-64-v3, zen4, zen5");
  }
}

TEST(FindTarget, MissingEnvironmentFolderIsHarmless) {
  const ScopedEnv set("LACUNA_TARGETS", "/nowhere/at/all");
  EXPECT_TRUE(find_target("zen4"));
  EXPECT_TRUE(std::ranges::is_sorted(known_target_names()));
}

TEST(FindTarget, HostIsTheProbedMachine) {
  const auto host = find_target("host");
  if (!host) GTEST_SKIP() << host.error().message;
  EXPECT_EQ(host->name, "host");
}

}  // namespace
}  // namespace lacuna
