// SPDX-License-Identifier: Apache-2.0
//
// Reads what matters out of LLVM's assembly text.
#pragma once

#include <cstdint>
#include <string_view>

namespace lacuna {

struct AssemblyFacts {
  std::int32_t spilled_vectors_in_loops =
      0;  // vector spills and reloads, folded or not, inside innermost loops
  std::int32_t spills_in_loops = 0;        // of any register
  std::int32_t vector_registers_used = 0;  // distinct vector registers named
};

// `assembly` as the asm printer writes it with verbose comments ("# 64-byte Spill", "Inner Loop Header").
[[nodiscard]] AssemblyFacts read_assembly(std::string_view assembly);

}  // namespace lacuna
