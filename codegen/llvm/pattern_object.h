// SPDX-License-Identifier: Apache-2.0
//
// The code of baked panels (templates/pattern_code.h) through LLVM's machine-code layer: instructions with their
// registers, encoded and wrapped into an object, without instruction selection (a few tenths of a microsecond an
// instruction, where LLVM's code generator takes 30 to 45 for an FMA).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "templates/pattern_code.h"

namespace llvm {
class TargetMachine;
}  // namespace llvm

namespace lacuna {

// An object whose one function `name` is a table of 32-bit numbers, where each panel's code begins (abi.h), and that
// code. Errors: kCompile (the code exceeds kMostPatternBytes; LLVM has no such instruction).
[[nodiscard]] Result<std::vector<std::byte>> make_pattern_object(llvm::TargetMachine& machine,
                                                                 const Pattern& pattern,
                                                                 const std::string& name);
// The assembly of one panel, Intel syntax. Errors: as above.
[[nodiscard]] Result<std::string> list_panel(llvm::TargetMachine& machine, const Pattern& pattern,
                                             std::int64_t panel);

}  // namespace lacuna
