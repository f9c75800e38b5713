// SPDX-License-Identifier: Apache-2.0
//
// Which kernel a command line means: a canonical name, or the options that make one.
#pragma once

#include <string>
#include <vector>

#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "tuner/cli/request.h"

namespace lacuna::cli {

struct KernelChoice {
  KernelSpec spec;
  Target target;
};

// "spmm_bsr16x16_f32_brow_crow_zen4_row_mr8nv3ku4_po". The target comes from the name unless `target_name` is given.
// Errors: kInvalidArgument (does not parse; an illegal schedule), kNotFound (no such target).
[[nodiscard]] Result<KernelChoice> choose_by_name(const std::string& name,
                                                  const std::string& target_name);

// One for each operation and each of its schedules, in the registry's order. Format bsr16x16 when none is given.
[[nodiscard]] Result<std::vector<KernelChoice>> choose_by_options(const RequestOptions& options,
                                                                  const std::string& target_name);

}  // namespace lacuna::cli
