// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/interrupt.h"

#include <atomic>
#include <csignal>
#include <signal.h>

namespace lacuna::cli {
namespace {

// A signal handler reaches nothing but statics; it touches only this lock-free flag.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int /*signal*/) {
  interrupted.store(true, std::memory_order_relaxed);
}

}  // namespace

const std::atomic<bool>& catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return interrupted;
}

}  // namespace lacuna::cli
