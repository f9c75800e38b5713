// SPDX-License-Identifier: Apache-2.0
//
// What C callers hand over: checked, and turned into the values of this library. Every message names the field.
#pragma once

#include <cstddef>
#include <vector>

#include "lacuna/lacuna.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/problem.h"

namespace lacuna {

// The array's stride is the caller's struct size, the same for all.
[[nodiscard]] Result<std::vector<Problem>> make_problems(const lacuna_problem* given,
                                                         std::size_t count, const Mask& mask);
[[nodiscard]] Result<Operands> make_operands(const lacuna_operands& given);

}  // namespace lacuna
