// SPDX-License-Identifier: Apache-2.0
//
// Child processes of a test: the code generator is loaded once per process, limits and environment are per process,
// and some faults kill.
#pragma once

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace lacuna::test {

// Runs `function` in a child and returns the text it made; "child died" if it did not end by itself.
inline std::string text_of_child(const std::function<std::string()>& function) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    const std::string text = function();
    const bool written =
        write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = read(ends[0], buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(count));
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : "child died";
}

// A child that runs until it is killed. It announces each step by one byte.
class Victim {
 public:
  // `step` is called with 0, 1, 2, ...
  explicit Victim(const std::function<void(int)>& step) {
    EXPECT_EQ(pipe(ends_.data()), 0);
    child_ = fork();
    EXPECT_GE(child_, 0);
    if (child_ != 0) {
      close(ends_[1]);
      return;
    }
    close(ends_[0]);
    for (int i = 0;; ++i) {
      if (write(ends_[1], "x", 1) != 1) _exit(1);
      step(i);
    }
  }
  // Waits for that many announcements, then kills the child at once.
  void kill_at(int announcements) {
    char byte = 0;
    for (int i = 0; i < announcements; ++i)
      ASSERT_EQ(read(ends_[0], &byte, 1), 1);
    ASSERT_EQ(kill(child_, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child_, &status, 0), child_);
    ASSERT_TRUE(WIFSIGNALED(status));
    child_ = 0;
  }
  ~Victim() {
    close(ends_[0]);
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

 private:
  std::array<int, 2> ends_{};
  pid_t child_ = 0;
};

}  // namespace lacuna::test
