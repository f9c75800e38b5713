// SPDX-License-Identifier: Apache-2.0
//
// Owning handles and Result for the C interface, in the trainer's own error type.
#pragma once

#include <cstdint>
#include <memory>

#include "lacuna/lacuna.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

struct HandleDeleter {
  void operator()(lacuna_context* handle) const { lacuna_context_destroy(handle); }
  void operator()(lacuna_mask* handle) const { lacuna_mask_destroy(handle); }
  void operator()(lacuna_plan* handle) const { lacuna_plan_destroy(handle); }
};
using ContextHandle = std::unique_ptr<lacuna_context, HandleDeleter>;
using MaskHandle = std::unique_ptr<lacuna_mask, HandleDeleter>;
using PlanHandle = std::unique_ptr<lacuna_plan, HandleDeleter>;

// ErrorCode's numbers are those of the C interface.
[[nodiscard]] inline Result<> to_result(lacuna_status status) {
  if (status == LACUNA_OK) return {};
  return make_error(static_cast<ErrorCode>(status), "{}", lacuna_last_error());
}

}  // namespace lacuna::trainer
