// SPDX-License-Identifier: Apache-2.0
//
// The disk cache when things go wrong. A kernel in hand is always used; the fault is kept for who asks.
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <signal.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/kernel.h"
#include "codegen/object_cache.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "tests/errors/child_process.h"
#include "tests/errors/multiply.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& item : fs::directory_iterator(folder))
    files.push_back(item.path());
  return files;
}

TEST(CacheFault, AFileInPlaceOfTheFolder) {
  const TempCache temp;
  const fs::path path = temp.path() / "cache";
  ASSERT_TRUE(write_file_atomic(path, "not a folder"));
  EXPECT_EQ(multiply_in(path), "right, compiled 1, cache hits 0, fault: cannot create folder " +
                                   path.string() + ": Not a directory");
  EXPECT_EQ(*read_text_file(path), "not a folder");
}

TEST(CacheFault, AReadOnlyFolder) {
  const TempCache temp;
  const fs::path folder = temp.path() / "cache";
  ASSERT_TRUE(fs::create_directory(folder));
  fs::permissions(temp.path(), fs::perms::others_exec, fs::perm_options::add);
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                              fs::perms::others_exec);
  const std::string text = text_of_child([&]() -> std::string {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && seteuid(kNobody) != 0) return "skip: cannot give up root's rights";
    return multiply_in(folder);
  });
  if (text.rfind("skip", 0) == 0) GTEST_SKIP() << text;
  EXPECT_EQ(text.rfind("right, compiled 1, cache hits 0, fault: cannot create ", 0), 0U) << text;
  EXPECT_NE(text.find("Permission denied"), std::string::npos) << text;
  EXPECT_TRUE(files_in(folder).empty());
}

// A quota of bytes stands in for a full disk: a file may grow to 1 KiB, a kernel needs more.
TEST(CacheFault, NoRoom) {
  const TempCache temp;
  const std::string text = text_of_child([&] {
    if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return std::string("no signal");
    const rlimit limit{1024, 1024};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return std::string("no limit");
    return multiply_in(temp.path());
  });
  EXPECT_EQ(text.rfind("right, compiled 1, cache hits 0, fault: cannot write ", 0), 0U) << text;
  EXPECT_NE(text.find("File too large"), std::string::npos) << text;
  EXPECT_TRUE(files_in(temp.path()).empty()) << "a part of a file was left";
  EXPECT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0");  // with room again
}

TEST(CacheFault, ACutFileIsAMissAndIsReplaced) {
  const TempCache temp;
  ASSERT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0");
  const auto files = files_in(temp.path());
  ASSERT_EQ(files.size(), 1U);
  const auto size = fs::file_size(files[0]);
  for (const std::uintmax_t left :
       {std::uintmax_t{0}, std::uintmax_t{47}, std::uintmax_t{48}, size / 2, size - 1}) {
    fs::resize_file(files[0], left);
    EXPECT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0") << left;
    EXPECT_EQ(fs::file_size(files[0]), size);
    EXPECT_EQ(multiply_in(temp.path()), "right, compiled 0, cache hits 1") << left;
  }
}

TEST(CacheFault, AChangedByteIsAMissAndIsReplaced) {
  const TempCache temp;
  ASSERT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0");
  const auto files = files_in(temp.path());
  ASSERT_EQ(files.size(), 1U);
  const auto whole = read_file(files[0]);
  ASSERT_TRUE(whole);
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{9}, std::size_t{40},
                               whole->size() / 2, whole->size() - 1}) {
    auto changed = *whole;
    changed[at] ^= std::byte{1};
    ASSERT_TRUE(write_file_atomic(files[0], changed));
    EXPECT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0") << at;
    EXPECT_EQ(*read_file(files[0]), *whole);
  }
}

TEST(CacheFault, AFolderInPlaceOfTheFile) {
  const TempCache temp;
  ASSERT_EQ(multiply_in(temp.path()), "right, compiled 1, cache hits 0");
  const auto files = files_in(temp.path());
  ASSERT_EQ(files.size(), 1U);
  ASSERT_TRUE(fs::remove(files[0]) && fs::create_directory(files[0]));
  const std::string text = multiply_in(temp.path());
  EXPECT_EQ(text.rfind("right, compiled 1, cache hits 0, fault: ", 0), 0U) << text;
}

// ---- a process killed while it writes; several that write at once ----

const Hash128 kKey{.high = 3, .low = 4};

// Large enough that a kill lands inside a write.
CompiledKernel kernel_number(int number) {
  CompiledKernel kernel{"kernel", std::vector<std::byte>(200000)};
  for (std::size_t i = 0; i < kernel.object.size(); ++i)
    kernel.object[i] = static_cast<std::byte>(i * 31 + static_cast<std::size_t>(number) * 7);
  return kernel;
}

TEST(CacheFault, KillWhileWritingLeavesAWholeFileOrNone) {
  const TempCache temp;
  const ObjectCache cache(temp.path());
  int hits = 0;
  for (int round = 0; round < 24; ++round) {
    Victim victim([&](int step) { (void)cache.store(kernel_number(step % 3), kKey); });
    victim.kill_at(1 + round % 5);
    const auto found = cache.find("kernel", kKey);
    if (!found) continue;
    ++hits;
    EXPECT_TRUE(*found == kernel_number(0) || *found == kernel_number(1) ||
                *found == kernel_number(2));
  }
  EXPECT_GT(hits, 0);
  ASSERT_TRUE(cache.store(kernel_number(9), kKey));
  EXPECT_EQ(cache.find("kernel", kKey), kernel_number(9));
}

TEST(CacheFault, ReadersSeeWholeFilesWhileTwoProcessesWrite) {
  const TempCache temp;
  const ObjectCache cache(temp.path());
  ASSERT_TRUE(cache.store(kernel_number(0), kKey));
  const auto write = [&](int step) { (void)cache.store(kernel_number(step % 2), kKey); };
  Victim first(write), second(write);
  for (int i = 0; i < 100; ++i) {
    const auto found = cache.find("kernel", kKey);
    ASSERT_TRUE(found) << i;
    ASSERT_TRUE(found == kernel_number(0) || found == kernel_number(1)) << i;
  }
}

}  // namespace
}  // namespace lacuna::test
