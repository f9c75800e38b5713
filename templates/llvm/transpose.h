// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Transposes a lanes x lanes tile held in `rows` (8 x 8 or 16 x 16): result[j] lane i = rows[i] lane j.
// 64 shuffles for 16 x 16: two rounds of unpacks inside 128-bit lanes, then two rounds that move whole lanes.
[[nodiscard]] Values transpose(KernelBuilder& kb, const Values& rows);

}  // namespace lacuna
