// SPDX-License-Identifier: Apache-2.0
//
// The activations of activations.inc on vectors of f32: polynomials and divisions, no calls. Accuracy is stated there.
#pragma once

#include <functional>

#include "templates/activation.h"
#include "templates/llvm/kernel_builder.h"

namespace lacuna {

// act(x); not for kNone.
[[nodiscard]] llvm::Value* apply_activation(KernelBuilder& kb, Activation activation,
                                            llvm::Value* x);
// gradient() * act'(x); not for kNone. The gradient is asked for when the slope is there, to be loaded no earlier.
[[nodiscard]] llvm::Value* apply_slope(KernelBuilder& kb, Activation activation, llvm::Value* x,
                                       const std::function<llvm::Value*()>& gradient);

}  // namespace lacuna
