// SPDX-License-Identifier: Apache-2.0
//
// KernelCase: one generated kernel to test; KernelInputs and run_kernel: one call of it on guarded operands.
#pragma once

#include <bit>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "codegen/kernel.h"
#include "runtime/structure.h"
#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/reference.h"

namespace lacuna::test {

struct KernelCase {
  KernelSpec spec;
  Target target;
  std::string name;  // canonical
};
std::ostream& operator<<(std::ostream& out, const KernelCase& kernel_case);

// Every op, layout, beta, block shape and types of elements, each with some of the epilogues in turn, for the host and
// for a 256-bit target; of the schedules that the
// registry enumerates for each, one of every kind (strategy, loop order, packing), rotating through the rest.
[[nodiscard]] std::vector<KernelCase> make_kernel_cases();

enum class MaskKind : std::uint8_t { kRandom, kEmptyPanels, kFull, kEmpty };
enum class Numbers : std::uint8_t {
  kReal,
  kSmallIntegers
};  // sums of small integers are exact in any order

struct RunShape {
  std::int64_t m = 0, k = 0, n = 0;
  MaskKind mask = MaskKind::kRandom;
  Numbers numbers = Numbers::kReal;
  std::int64_t padding = 0;  // leading dimensions beyond the width
};
std::ostream& operator<<(std::ostream& out, const RunShape& shape);

// Sizes around the kernel's tiles, with every mask kind.
[[nodiscard]] std::vector<RunShape> shapes_of(const KernelCase& kernel_case);

// Operands of one run, as numbers that the types of the spec can hold. Padding and outputs that the kernel must not read
// hold NaN.
struct KernelInputs {
  RunShape shape;
  Structure structure;
  std::shared_ptr<const LoadedKernel> code;  // of baked panels
  std::vector<float> a;                      // dense m x k, row-major
  std::vector<float> codebook;               // where values are indices
  std::vector<float> values;                 // packed; what is there before the call, for sddmm
  std::vector<float> b, c;
  DenseView b_view, c_view;  // into b and c
  // Of the epilogue; empty where it has no such part.
  std::vector<float> scale, scale_columns, bias, preactivation, gate, residual;
  DenseView preactivation_view, gate_view, residual_view;
};
[[nodiscard]] KernelInputs make_inputs(const KernelCase& kernel_case, const RunShape& shape);

// What operands hold that must not be read: a NaN that no arithmetic makes.
inline const float kPoison = std::bit_cast<float>(0x7FC0BEEFU);
// Of the values and of C, for the op.
[[nodiscard]] DType type_of_values(const KernelSpec& spec);
[[nodiscard]] DType type_of_c(const KernelSpec& spec);

struct KernelOutputs {
  std::vector<float> values, c;
};
// kSplit: as several calls over ranges of panels and of n, where the kernel allows it.
enum class Calls : std::uint8_t { kWhole, kSplit };

// Runs on copies of the inputs beside guard pages. Fails the test if anything but the output changed.
[[nodiscard]] KernelOutputs run_kernel(const KernelCase& kernel_case, const LoadedKernel& kernel,
                                       const KernelInputs& inputs, Side side, Calls calls);

// Compares each element with the reference, and each byte of padding with what it was.
void verify(const KernelCase& kernel_case, const KernelInputs& inputs,
            const KernelOutputs& outputs);

}  // namespace lacuna::test
