// SPDX-License-Identifier: Apache-2.0
//
// Clock: where the tuner's time comes from. Only tuner/ reads clocks, and only through this interface, so that
// every statistic can be tested with simulated time.
#pragma once

#include <array>
#include <chrono>
#include <ctime>
#include <string>

namespace lacuna {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since an arbitrary start. Never goes backwards.
  [[nodiscard]] virtual double now_s() = 0;
};

// The system's monotonic clock; a read costs about 25 ns.
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] double now_s() override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

// Now, as ISO 8601 UTC: "2026-01-31T12:00:00Z". The wall clock only labels; it decides nothing.
[[nodiscard]] inline std::string utc_now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace lacuna
