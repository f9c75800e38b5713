// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Up to `lanes` vectors to one whose lane i is the sum of vector i's lanes; as long as the vectors or shorter, with lanes
// that mean nothing behind those of the given ones. For 16 vectors of 16 lanes: 30 shuffles, none of which crosses
// 128-bit lanes by elements, and 15 additions.
[[nodiscard]] llvm::Value* add_lanes(KernelBuilder& kb, Values vectors);

}  // namespace lacuna
