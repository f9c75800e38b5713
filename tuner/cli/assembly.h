// SPDX-License-Identifier: Apache-2.0
//
// Reading Intel-syntax assembly text: the instruction mix of a kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lacuna::cli {

struct InstructionMix {
  std::int64_t instructions = 0;
  std::map<std::string, std::int64_t> by_class;  // "fma", "vector load", "broadcast", ...
  std::map<std::string, std::int64_t> by_mnemonic;
};

// Static counts: an instruction in a loop counts once. Labels, directives and comments are skipped.
[[nodiscard]] InstructionMix count_instructions(std::string_view assembly);

}  // namespace lacuna::cli
