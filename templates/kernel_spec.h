// SPDX-License-Identifier: Apache-2.0
//
// KernelSpec: everything that decides a kernel's code on a given target, and its canonical name.
// Kernels do not depend on M, N, K or leading dimensions: those are arguments (abi.h).
#pragma once

#include <string>
#include <string_view>

#include "targets/base/fields.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"

namespace lacuna {

struct KernelSpec {
  Op op = Op::kSpmm;
  ElementTypes types = ElementTypes::kF32;
  Layout layout_b = Layout::kRowMajor;
  Layout layout_c = Layout::kRowMajor;
  Epilogue epilogue = {};
  bool accumulate = false;
  Format format = Bsr{};
  Schedule schedule;

  bool operator==(const KernelSpec&) const = default;
};

[[nodiscard]] KernelSpec make_kernel_spec(const Problem& problem, const Format& format,
                                          const Schedule& schedule);

// Canonical name: symbol, readable part of the cache key, test name and benchmark name; it parses back:
//   spmm_bsr32x1_f32_brow_crow_zen4_row_mr8nv3ku4_po_bias_relu
//   <op>_<format>_<types>_b<row|col>_c<row|col>_<target>_<schedule>[_<epilogue>][_acc]
// '-' in the target's name becomes '_'.
[[nodiscard]] std::string kernel_name(const KernelSpec& spec, std::string_view target_name);

struct ParsedKernelName {
  KernelSpec spec;
  std::string target_name;  // as in the kernel name (with '_')

  bool operator==(const ParsedKernelName&) const = default;
};
[[nodiscard]] Result<ParsedKernelName> parse_kernel_name(std::string_view name);

}  // namespace lacuna
