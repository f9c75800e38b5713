// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// Transposes four columns of `lanes` rows in memory: result[j] lane i = the j-th float at rows[i] + offset (bytes).
// For 16 lanes: 16 loads of 16 bytes, 12 of them also inserts that may go to either FMA port, then 8 shuffles inside
// 128-bit lanes. A 16 x 16 transpose of loaded vectors needs 64 shuffles, all on one port; this needs 32.
[[nodiscard]] Values load_four_columns(KernelBuilder& kb, const Values& rows, std::int64_t offset);

}  // namespace lacuna
