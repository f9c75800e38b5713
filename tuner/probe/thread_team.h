// SPDX-License-Identifier: Apache-2.0
//
// ThreadTeam: the same loop on several threads at once, for the machine's parallel efficiency.
#pragma once

#include <barrier>
#include <cstdint>
#include <thread>
#include <vector>

namespace lacuna {

// Threads wait between runs, so that a run costs two barriers (microseconds) and no thread start.
// run() may be called from one thread at a time, the one that made the team; it takes part in the work.
class ThreadTeam {
 public:
  ThreadTeam(std::int32_t threads, void (*loop)(std::int64_t steps));
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam();

  // Every thread runs loop(steps); returns when the last has finished.
  void run(std::int64_t steps);

  // How many threads there are, the caller's included: fewer than asked where the system refused some.
  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(threads_.size()) + 1; }

 private:
  void work();

  void (*loop_)(std::int64_t steps);
  std::int64_t steps_ = 0;  // 0 ends the threads
  std::vector<std::thread> threads_;
  std::barrier<> gate_;
};

}  // namespace lacuna
