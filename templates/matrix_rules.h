// SPDX-License-Identifier: Apache-2.0
//
// The rules of the amx strategy, for registry.cpp.
#pragma once

#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/kernel_spec.h"

namespace lacuna {

[[nodiscard]] Result<> check_matrix_tile(const KernelSpec& spec, const Target& target);

}  // namespace lacuna
