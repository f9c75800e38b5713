// SPDX-License-Identifier: Apache-2.0
//
// What must be there before a kernel runs: it checks nothing itself.
#pragma once

#include <cstdint>

#include "runtime/engine.h"
#include "targets/base/result.h"
#include "templates/problem.h"

namespace lacuna {

// Null pointers, leading dimensions and extents of one call; `values` is how many the plan stores. Operands that the
// problem does not have, or that are empty, are not looked at.
// Errors: kInvalidArgument naming operand, value and limit.
[[nodiscard]] Result<> check_operands(const Problem& problem, std::int64_t values,
                                      const Operands& operands);

}  // namespace lacuna
