// SPDX-License-Identifier: Apache-2.0
#include "targets/base/file.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <signal.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/env.h"
#include "targets/base/result.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;
using testing::ScopedEnv;
using testing::TempFolder;

std::size_t count_entries(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(File, WritesAndReadsBack) {
  const TempFolder folder;
  const std::array sizes = {0, 1, 4095, 4096, 4097, 1 << 20};
  for (const int size : sizes) {
    std::string text(static_cast<std::size_t>(size), 'x');
    for (std::size_t i = 0; i < text.size(); ++i)
      text[i] = static_cast<char>(i * 31 + i / 256);
    const auto path = folder / "file";
    ASSERT_TRUE(write_file_atomic(path, text));
    EXPECT_EQ(read_text_file(path).value(), text);
    const auto bytes = read_file(path);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->size(), text.size());
  }
  EXPECT_EQ(count_entries(folder.path()), 1U) << "temporary files are left behind";
}

TEST(File, ReadsFilesThatAnnounceNoSize) {
  const auto text = read_text_file("/proc/self/status");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("Name:"), std::string::npos);
}

TEST(File, MissingFileIsNotFoundAndNamed) {
  const TempFolder folder;
  const auto path = folder / "none";
  const auto text = read_text_file(path);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(text.error().message, "cannot open " + path.string() + ": No such file or directory");
}

TEST(File, FolderAndDeviceAreNotFiles) {
  const TempFolder folder;
  const auto text = read_text_file(folder.path());
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kIo);
  EXPECT_EQ(text.error().message, "cannot read " + folder.path().string() + ": it is a folder");
  EXPECT_EQ(read_file("/dev/zero").error().message, "cannot read /dev/zero: it is a device");
}

TEST(File, ReplacesAndCreatesParents) {
  const TempFolder folder;
  const auto path = folder.path() / "a" / "b" / "c.txt";
  ASSERT_TRUE(write_file_atomic(path, "first"));
  ASSERT_TRUE(write_file_atomic(path, "second"));
  EXPECT_EQ(read_text_file(path).value(), "second");
  EXPECT_EQ(count_entries(path.parent_path()), 1U);
}

TEST(File, KeepsTheUmask) {
  const TempFolder folder;
  const mode_t old = ::umask(022);
  ASSERT_TRUE(write_file_atomic(folder / "x", "text"));
  ::umask(old);
  struct stat status{};
  ASSERT_EQ(::stat((folder / "x").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
}

TEST(File, LongNamesWork) {
  const TempFolder folder;
  const auto path = folder / std::string(255, 'n');
  EXPECT_TRUE(write_file_atomic(path, "text"));
  const auto status = write_file_atomic(folder / std::string(256, 'n'), "text");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(count_entries(folder.path()), 1U);
}

TEST(File, FaultsLeaveTheTargetUntouched) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "file", "old"));
  const auto below_file = write_file_atomic(folder.path() / "file" / "x", "text");
  ASSERT_FALSE(below_file);
  EXPECT_EQ(below_file.error().code, ErrorCode::kIo);
  EXPECT_TRUE(
      below_file.error().message.starts_with("cannot create folder " + (folder / "file").string()));
  fs::create_directory(folder / "sub");
  const auto onto_folder = write_file_atomic(folder / "sub", "text");
  ASSERT_FALSE(onto_folder);
  EXPECT_EQ(onto_folder.error().code, ErrorCode::kIo);
  const auto no_name = write_file_atomic("", "text");
  ASSERT_FALSE(no_name);
  EXPECT_EQ(no_name.error().message, "cannot write '': it names no file");
  EXPECT_EQ(count_entries(folder.path()), 2U);
  EXPECT_EQ(read_text_file(folder / "file").value(), "old");
}

// A limit on file sizes refuses the write in the middle, as a full disk does.
TEST(File, RefusedWriteIsAnErrorAndKeepsTheOldContent) {
  const TempFolder folder;
  const auto path = folder / "file";
  ASSERT_TRUE(write_file_atomic(path, "old"));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{.rlim_cur = 4096, .rlim_max = old.rlim_max};
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto status = write_file_atomic(path, std::string(100000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(status.error().message, "cannot write " + path.string() + ": File too large");
  EXPECT_EQ(read_text_file(path).value(), "old");
  EXPECT_EQ(count_entries(folder.path()), 1U);
}

TEST(File, KilledWriterLeavesOldOrNewContent) {
  const TempFolder folder;
  const auto path = folder / "file";
  const std::array contents = {std::string(50000, 'a'), std::string(70000, 'b')};
  ASSERT_TRUE(write_file_atomic(path, contents[0]));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0)
    for (unsigned i = 1;; ++i)
      if (!write_file_atomic(path, contents[i % 2])) ::_exit(1);
  int seen_new = 0;
  for (int reads = 0; reads < 1000000 && seen_new < 5; ++reads) {
    const auto text = read_text_file(path);
    ASSERT_TRUE(text) << text.error().message;
    ASSERT_TRUE(*text == contents[0] || *text == contents[1]) << "a part was visible";
    seen_new += *text == contents[1] ? 1 : 0;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(seen_new, 5);
  const auto text = read_text_file(path);
  ASSERT_TRUE(text);
  EXPECT_TRUE(*text == contents[0] || *text == contents[1]);
}

TEST(SweepTemporaryFiles, RemovesOldOnesOnly) {
  const TempFolder folder;
  const auto make = [&](const std::string& name, std::chrono::minutes age) {
    EXPECT_TRUE(write_file_atomic(folder / name, "x"));
    fs::last_write_time(folder / name, fs::file_time_type::clock::now() - age);
  };
  using std::chrono::minutes;
  make(".lacuna-12-0.tmp", minutes(61));
  make(".lacuna-12-1.tmp", minutes(59));
  make("lacuna-12-2.tmp", minutes(6000));
  make(".lacuna-12-3.json", minutes(6000));
  make("below/.lacuna-12-4.tmp", minutes(6000));
  sweep_temporary_files(folder.path());
  EXPECT_FALSE(fs::exists(folder / ".lacuna-12-0.tmp"));
  for (const char* kept :
       {".lacuna-12-1.tmp", "lacuna-12-2.tmp", ".lacuna-12-3.json", "below/.lacuna-12-4.tmp"})
    EXPECT_TRUE(fs::exists(folder / kept)) << kept;
}

TEST(SweepTemporaryFiles, FaultsAreHarmless) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "file", "x"));
  sweep_temporary_files(folder / "file");
  sweep_temporary_files(folder / "missing");
  sweep_temporary_files("");
  // A folder of that name, with something in it, cannot be removed like a file.
  ASSERT_TRUE(write_file_atomic(folder / ".lacuna-1-1.tmp/file", "x"));
  fs::last_write_time(folder / ".lacuna-1-1.tmp",
                      fs::file_time_type::clock::now() - std::chrono::hours(2));
  sweep_temporary_files(folder.path());
  EXPECT_TRUE(fs::exists(folder / ".lacuna-1-1.tmp/file"));
}

TEST(UserCacheFolder, FollowsTheEnvironment) {
  const ScopedEnv home("HOME", "/home/x");
  const ScopedEnv cache("XDG_CACHE_HOME", nullptr);
  {
    const ScopedEnv lacuna_home("LACUNA_HOME", "/l");
    EXPECT_EQ(user_cache_folder(), "/l");
  }
  const ScopedEnv lacuna_home("LACUNA_HOME", nullptr);
  EXPECT_EQ(user_cache_folder(), "/home/x/.cache/lacuna");
  {
    const ScopedEnv absolute("XDG_CACHE_HOME", "/xdg");
    EXPECT_EQ(user_cache_folder(), "/xdg/lacuna");
  }
  {
    const ScopedEnv relative("XDG_CACHE_HOME", "xdg");
    EXPECT_EQ(user_cache_folder(), "/home/x/.cache/lacuna");
  }
  const ScopedEnv no_home("HOME", "");
  EXPECT_EQ(user_cache_folder(),
            fs::temp_directory_path() / ("lacuna-" + std::to_string(::getuid())));
}

TEST(Env, EmptyIsUnset) {
  const ScopedEnv variable("LACUNA_TEST_VARIABLE", "");
  EXPECT_FALSE(read_env("LACUNA_TEST_VARIABLE"));
  const ScopedEnv again("LACUNA_TEST_VARIABLE", "x");
  EXPECT_EQ(read_env("LACUNA_TEST_VARIABLE"), "x");
}

}  // namespace
}  // namespace lacuna
