// SPDX-License-Identifier: Apache-2.0
//
// Narrow operands on their way into kernels that multiply them one by one (element_types.h): copies in scratch.
#pragma once

#include "templates/llvm/kernel_builder.h"
#include "templates/llvm/panel_values.h"

namespace lacuna {

// `lines` lines of `elements` dense elements from `from` on, ld_bytes apart, to lines of lanes at `to`, line_bytes apart.
// Writes no more than the elements.
struct WidenCopy {
  llvm::Value *from, *ld_bytes, *lines, *elements, *to, *line_bytes;
};
void widen_lines(KernelBuilder& kb, const WidenCopy& copy);

// The values of panels [begin, end), in their stored order, to `to`.
[[nodiscard]] PanelValues widen_values(KernelBuilder& kb, llvm::Value* begin, llvm::Value* end,
                                       llvm::Value* to);

}  // namespace lacuna
