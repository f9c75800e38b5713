// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C as a flag.
#pragma once

#include <atomic>

namespace lacuna::cli {

// From now on the first SIGINT or SIGTERM sets the returned flag instead of killing the process; the second kills.
// Call once, from main. The flag lives as long as the program.
[[nodiscard]] const std::atomic<bool>& catch_interrupts();

}  // namespace lacuna::cli
