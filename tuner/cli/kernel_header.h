// SPDX-License-Identifier: Apache-2.0
//
// The C header that `lacuna generate` writes beside an object.
#pragma once

#include <string>

#include "tuner/cli/kernel_choice.h"

namespace lacuna::cli {

// Declares the argument struct of templates/abi.h as plain C, the kernel's prototype, and what it computes. Several
// such headers can be included together.
[[nodiscard]] std::string kernel_header(const KernelChoice& choice);

}  // namespace lacuna::cli
