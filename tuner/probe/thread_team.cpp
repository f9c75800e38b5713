// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/thread_team.h"

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <thread>

namespace lacuna {

ThreadTeam::ThreadTeam(std::int32_t threads, void (*loop)(std::int64_t steps))
    : loop_(loop), gate_(std::max(threads, 1)) {
  for (std::int32_t i = 1; i < threads; ++i) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // a limit on threads: the team is smaller
      gate_.arrive_and_drop();
    }
  }
}

ThreadTeam::~ThreadTeam() {
  steps_ = 0;
  gate_.arrive_and_wait();
  for (std::thread& thread : threads_)
    thread.join();
}

void ThreadTeam::run(std::int64_t steps) {
  if (steps <= 0) return;
  steps_ = steps;
  gate_.arrive_and_wait();
  loop_(steps);
  gate_.arrive_and_wait();
}

void ThreadTeam::work() {
  while (true) {
    gate_.arrive_and_wait();
    if (steps_ == 0) return;
    loop_(steps_);
    gate_.arrive_and_wait();
  }
}

}  // namespace lacuna
