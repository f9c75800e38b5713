// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "codegen/kernel.h"
#include "runtime/elements.h"
#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/hash.h"
#include "templates/abi.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/epilogue_reference.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_case.h"
#include "tests/kernels/reference.h"

namespace lacuna::test {
namespace {

bool same_bits(float x, float y) {
  return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

// Numbers of a type beside a guard page, which the last one touches on Side::kEnd.
class GuardedOperand {
 public:
  GuardedOperand(const std::vector<float>& numbers, DType type, Side side)
      : count_(numbers.size()),
        type_(type),
        bytes_(static_cast<std::int64_t>(numbers.size()) * size_bytes(type), side,
               static_cast<std::size_t>(size_bytes(type))) {
    with_elements(type, data(), [&](auto* elements) {
      using Element = std::remove_pointer_t<decltype(elements)>;
      for (std::size_t i = 0; i < count_; ++i)
        elements[i] = static_cast<Element>(numbers[i]);
    });
  }
  [[nodiscard]] void* data() { return bytes_.data(); }
  [[nodiscard]] std::vector<float> numbers() {
    std::vector<float> found(count_);
    with_elements(type_, data(), [&](const auto* elements) {
      for (std::size_t i = 0; i < count_; ++i)
        found[i] = static_cast<float>(elements[i]);
    });
    return found;
  }
  [[nodiscard]] bool canaries_alive() const { return bytes_.canaries_alive(); }

 private:
  std::size_t count_;
  DType type_;
  GuardedArray<std::uint8_t> bytes_;
};

// Operands of one call sequence, each beside a guard page.
struct GuardedOperands {
  GuardedOperand values, b, c, scale, scale_columns, bias, preactivation, gate, residual, codebook;

  GuardedOperands(const KernelSpec& spec, const KernelInputs& inputs, Side side)
      : values(inputs.values, type_of_values(spec), side),
        b(inputs.b, operand_types(spec.types).dense, side),
        c(inputs.c, type_of_c(spec), side),
        scale(inputs.scale, DType::kF32, side),
        scale_columns(inputs.scale_columns, DType::kF32, side),
        bias(inputs.bias, DType::kF32, side),
        preactivation(inputs.preactivation, type_of_c(spec), side),
        gate(inputs.gate, type_of_c(spec), side),
        residual(inputs.residual, type_of_c(spec), side),
        codebook(inputs.codebook, DType::kF32, side) {}
};

std::vector<std::int64_t> lists_for(const KernelSpec& spec, const RunShape& shape,
                                    const PanelIndex& index) {
  const std::int64_t kc = spec.schedule.kc;
  if (kc == 0) return index.ptr;
  const std::int64_t rows_in = spec.op == Op::kSpmmTransposed ? shape.m : shape.k;
  return cut_into_chunks(index, kc, chunks_of(spec, rows_in));
}

// The index arrays that the kernel walks, each beside a guard page; the origins with their promised padding.
struct GuardedIndex {
  GuardedArray<std::int64_t> ptr;
  GuardedArray<std::int32_t> origin, block;
  GuardedArray<std::int64_t> first_value;

  GuardedIndex(const KernelSpec& spec, const RunShape& shape, const PanelIndex& index, Side side)
      : ptr(lists_for(spec, shape, index), side),
        origin(index.origin, side),
        block(index.block, side),
        first_value(index.first_value, side) {
    EXPECT_EQ(static_cast<std::int64_t>(index.origin.size()), index.ptr.back() + kOriginPadding);
  }
};

const PanelIndex& index_of(const KernelSpec& spec, const Structure& s) {
  return panel_index(s, panel_direction(spec));
}

KernelArgs make_args(const KernelCase& kernel_case, const KernelInputs& inputs,
                     GuardedOperands& operands, const GuardedIndex& guarded) {
  const RunShape& shape = inputs.shape;
  const PanelIndex& index = index_of(kernel_case.spec, inputs.structure);
  const bool transposed = kernel_case.spec.op == Op::kSpmmTransposed;
  KernelArgs args{};
  args.values = operands.values.data();
  args.ptr = guarded.ptr.data();
  args.origin = guarded.origin.data();
  args.block = index.block.empty() ? nullptr : guarded.block.data();
  args.first_value = index.first_value.empty() ? nullptr : guarded.first_value.data();
  args.b = operands.b.data();
  args.c = operands.c.data();
  const auto data_of = [](const std::vector<float>& numbers, GuardedOperand& operand) {
    return numbers.empty() ? nullptr : operand.data();
  };
  args.bias = static_cast<const float*>(data_of(inputs.bias, operands.bias));
  args.scale = static_cast<const float*>(data_of(inputs.scale, operands.scale));
  args.scale_columns =
      static_cast<const float*>(data_of(inputs.scale_columns, operands.scale_columns));
  args.codebook = static_cast<const float*>(data_of(inputs.codebook, operands.codebook));
  args.preactivation = data_of(inputs.preactivation, operands.preactivation);
  args.gate = data_of(inputs.gate, operands.gate);
  args.residual = data_of(inputs.residual, operands.residual);
  args.ld_preactivation = inputs.preactivation_view.ld;
  args.ld_gate = inputs.gate_view.ld;
  args.ld_residual = inputs.residual_view.ld;
  args.ldb = inputs.b_view.ld;
  args.ldc = inputs.c_view.ld;
  const std::int64_t halves = kernel_case.spec.epilogue.halves();
  args.rows_out = transposed ? shape.k : shape.m / halves;
  args.rows_in = transposed ? shape.m : shape.k;
  args.panel_end = index.panels() / halves;
  args.code = inputs.code == nullptr ? nullptr : inputs.code->address();
  args.n_end = inputs.shape.n;
  return args;
}

// One call with scratch of exactly the promised size.
void call(const KernelCase& kernel_case, const LoadedKernel& kernel, KernelArgs args, Side side) {
  const std::int64_t floats = scratch_floats(kernel_case.spec, kernel_case.target, args.rows_in,
                                             args.rows_out, args.n_end - args.n_begin);
  GuardedBuffer scratch(floats, side, 64);
  std::ranges::fill(scratch.numbers(), kPoison);
  args.scratch = floats == 0 ? nullptr : scratch.data();
  reinterpret_cast<SparseKernel>(kernel.address())(&args);
  EXPECT_TRUE(scratch.canaries_alive()) << "scratch overrun";
}

void call_split(const KernelCase& kernel_case, const LoadedKernel& kernel, const KernelArgs& args,
                Side side) {
  const Splits splits = allowed_splits(kernel_case.spec, kernel_case.target);
  std::vector<std::int64_t> panel_cuts{0, args.panel_end}, n_cuts{0, args.n_end};
  if (splits.panels && args.panel_end > 1)
    panel_cuts.insert(panel_cuts.begin() + 1, args.panel_end / 2);
  if (splits.n && args.n_end > splits.n_granule)
    n_cuts.insert(n_cuts.begin() + 1, splits.n_granule);
  // Backwards: no task may count on an earlier one.
  for (std::size_t p = panel_cuts.size() - 1; p > 0; --p)
    for (std::size_t j = n_cuts.size() - 1; j > 0; --j) {
      KernelArgs part = args;
      part.panel_begin = panel_cuts[p - 1];
      part.panel_end = panel_cuts[p];
      part.n_begin = n_cuts[j - 1];
      part.n_end = n_cuts[j];
      call(kernel_case, kernel, part, side);
    }
}

void expect_unchanged(const char* name, GuardedOperand& operand, const std::vector<float>& before) {
  EXPECT_TRUE(std::ranges::equal(operand.numbers(), before, same_bits)) << name << " was written";
}

bool is_right(float found, const Sum& expected, std::int64_t length, Numbers numbers,
              DType result) {
  if (numbers == Numbers::kSmallIntegers)
    return found == round_to(result, static_cast<float>(expected.value));
  return std::abs(found - expected.value) <=
         error_bound(length, expected, result);  // false for NaN
}

// Scale and bias of a row of A's and a column.
reference::EpilogueTerms terms_of_row(const Epilogue& epilogue, const KernelInputs& inputs,
                                      std::int64_t row, std::int64_t column) {
  const auto i = static_cast<std::size_t>(row);
  reference::EpilogueTerms terms;
  if (has_factors(epilogue.scale)) terms.scale = inputs.scale[scales_rows(epilogue.scale) ? i : 0];
  if (scales_columns(epilogue.scale))
    terms.scale_by_column(inputs.scale_columns[static_cast<std::size_t>(column)]);
  if (epilogue.bias) terms.bias = inputs.bias[i];
  return terms;
}

// What the epilogue of C(row, column) reads.
reference::EpilogueTerms terms_of(const Epilogue& epilogue, const KernelInputs& inputs,
                                  std::int64_t row, std::int64_t column) {
  reference::EpilogueTerms terms = terms_of_row(epilogue, inputs, row, column);
  if (epilogue.derivative) terms.preactivation = inputs.preactivation_view.at(row, column);
  if (epilogue.gate) terms.gate = inputs.gate_view.at(row, column);
  if (epilogue.residual) terms.residual = inputs.residual_view.at(row, column);
  return terms;
}

// The sum of small integers is exact, and so is the rest up to the last rounding, but for activations other than relu.
// Sums of bytes, which take their whole range, are so while f32 holds them; those of s32 always, and the shapes here are
// too small for others.
bool is_right(const KernelSpec& spec, float found, const reference::Bounded& expected,
              Numbers numbers) {
  const bool integers =
      numbers == Numbers::kSmallIntegers && reference::is_exact_on_integers(spec.epilogue);
  if ((integers || type_of_c(spec) == DType::kS32) && std::abs(expected.value) < 0x1p24)
    return found == round_to(type_of_c(spec), static_cast<float>(expected.value));
  return std::abs(found - expected.value) <= expected.error;  // false for NaN
}

// An exact sum, of which `added` is no integer that was summed, as f32: off by one rounding, and by that of the addition.
reference::Bounded converted(double sum, double added) {
  const double u = unit_roundoff(DType::kF32);
  const double integer = sum - added;
  const double conversion = std::abs(integer) < 0x1p24 ? 0 : u * std::abs(integer);
  return {sum, added == 0 ? conversion : conversion + u * (std::abs(sum) + conversion)};
}

void verify_dense(const KernelCase& kernel_case, const KernelInputs& inputs,
                  const KernelOutputs& outputs) {
  const KernelSpec& spec = kernel_case.spec;
  const bool transposed = spec.op == Op::kSpmmTransposed;
  const auto sums = multiply(inputs.a, inputs.shape.m, inputs.shape.k, transposed, inputs.b_view);
  const DenseView& view = inputs.c_view;
  std::vector<bool> is_element(inputs.c.size());
  for (std::int64_t i = 0; i < view.rows; ++i)
    for (std::int64_t j = 0; j < view.n; ++j) {
      const auto at = static_cast<std::size_t>(view.index(i, j));
      is_element[at] = true;
      Sum sum = sums[static_cast<std::size_t>(i * view.n + j)];
      if (spec.accumulate) sum.add(inputs.c[at]);
      const std::int64_t length = (transposed ? inputs.shape.m : inputs.shape.k) + 1;
      const bool integers = are_integers(spec.types);
      const bool exact = inputs.shape.numbers == Numbers::kSmallIntegers && !integers;
      // Sums of bytes are exact until they are f32, to which C may be added.
      const auto bounded = [&](const Sum& s) {
        if (integers) return converted(s.value, spec.accumulate ? inputs.c[at] : 0);
        return reference::Bounded{s.value, exact ? 0.0 : error_bound(length, s, DType::kF32)};
      };
      reference::EpilogueTerms terms = terms_of(spec.epilogue, inputs, i, j);
      if (const std::int64_t other = i + view.rows; spec.epilogue.glu)
        terms.other_half = reference::scale_and_bias(
            spec.epilogue, bounded(sums[static_cast<std::size_t>(other * view.n + j)]),
            terms_of_row(spec.epilogue, inputs, other, j));
      const reference::Bounded expected =
          reference::apply_epilogue(spec.epilogue, bounded(sum), terms, type_of_c(spec));
      if (!is_right(spec, outputs.c[at], expected, inputs.shape.numbers)) {
        ADD_FAILURE() << "c(" << i << ", " << j << ") is " << outputs.c[at] << ", expected "
                      << expected.value << " +- " << expected.error;
        return;
      }
    }
  for (std::size_t at = 0; at < inputs.c.size(); ++at)
    EXPECT_TRUE(is_element[at] || same_bits(outputs.c[at], inputs.c[at]))
        << "padding of c was written at " << at;
}

void verify_values(const KernelCase& kernel_case, const KernelInputs& inputs,
                   const KernelOutputs& outputs) {
  std::vector<float> values = outputs.values;
  clear_unowned(inputs.structure, DType::kF32, values.data());
  std::vector<Sum> expected(values.size());  // zero where a value stands for no weight
  for_each_weight(inputs.structure, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
    const auto at = static_cast<std::size_t>(index);
    expected[at] = dot(inputs.b_view, row, inputs.c_view, col);
    if (kernel_case.spec.accumulate) expected[at].add(inputs.values[at]);
  });
  for (std::size_t at = 0; at < values.size(); ++at)
    if (!is_right(values[at], expected[at], inputs.shape.n + 1, inputs.shape.numbers,
                  type_of_values(kernel_case.spec))) {
      ADD_FAILURE() << "value " << at << " is " << values[at] << ", expected "
                    << expected[at].value;
      return;
    }
}

}  // namespace

KernelOutputs run_kernel(const KernelCase& kernel_case, const LoadedKernel& kernel,
                         const KernelInputs& inputs, Side side, Calls calls) {
  GuardedOperands operands(kernel_case.spec, inputs, side);
  const GuardedIndex index(kernel_case.spec, inputs.shape,
                           index_of(kernel_case.spec, inputs.structure), side);
  const KernelArgs args = make_args(kernel_case, inputs, operands, index);
  if (calls == Calls::kWhole)
    call(kernel_case, kernel, args, side);
  else
    call_split(kernel_case, kernel, args, side);
  for (const GuardedOperand* operand :
       {&operands.values, &operands.b, &operands.c, &operands.scale, &operands.scale_columns,
        &operands.bias, &operands.codebook, &operands.preactivation, &operands.gate,
        &operands.residual})
    EXPECT_TRUE(operand->canaries_alive()) << "memory beside an operand was written";
  EXPECT_TRUE(index.ptr.canaries_alive() && index.origin.canaries_alive() &&
              index.block.canaries_alive() && index.first_value.canaries_alive())
      << "memory beside an index array was written";
  expect_unchanged("b", operands.b, inputs.b);
  expect_unchanged("scale", operands.scale, inputs.scale);
  expect_unchanged("scale_columns", operands.scale_columns, inputs.scale_columns);
  expect_unchanged("codebook", operands.codebook, inputs.codebook);
  expect_unchanged("bias", operands.bias, inputs.bias);
  expect_unchanged("preactivation", operands.preactivation, inputs.preactivation);
  expect_unchanged("gate", operands.gate, inputs.gate);
  expect_unchanged("residual", operands.residual, inputs.residual);
  if (kernel_case.spec.op == Op::kSddmm)
    expect_unchanged("c", operands.c, inputs.c);
  else
    expect_unchanged("values", operands.values, inputs.values);
  return {operands.values.numbers(), operands.c.numbers()};
}

void verify(const KernelCase& kernel_case, const KernelInputs& inputs,
            const KernelOutputs& outputs) {
  if (kernel_case.spec.op == Op::kSddmm)
    verify_values(kernel_case, inputs, outputs);
  else
    verify_dense(kernel_case, inputs, outputs);
}

}  // namespace lacuna::test
