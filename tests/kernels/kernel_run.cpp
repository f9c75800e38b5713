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
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_case.h"
#include "tests/kernels/reference.h"

namespace lacuna::test {
namespace {

const float kPoison = std::bit_cast<float>(0x7FC0BEEFU);  // a NaN that no arithmetic makes

bool same_bits(float x, float y) {
  return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

class Draw {
 public:
  Draw(const std::string& seed, Numbers numbers)
      : engine_(static_cast<std::uint32_t>(hash_bytes(seed).low)), numbers_(numbers) {}
  // In [-1, 1], or an integer in [-3, 3]; of the given type.
  float number(DType type) {
    if (numbers_ == Numbers::kSmallIntegers) return static_cast<float>(engine_() % 7) - 3.0F;
    return round_to(type, static_cast<float>(engine_() >> 8) * 0x1p-23F - 1.0F);
  }
  bool chance(double probability) { return engine_() * 0x1p-32 < probability; }

 private:
  std::mt19937 engine_;
  Numbers numbers_;
};

// The blocks a mask for the format is made of: jammed rows take single weights.
Bsr mask_block(const Format& format) {
  const auto* const bsr = std::get_if<Bsr>(&format);
  return bsr != nullptr ? *bsr : Bsr{1, 1};
}

Mask make_mask(const RunShape& shape, const Bsr& block, Draw& draw) {
  const std::int64_t rows = (shape.m + block.r - 1) / block.r,
                     columns = (shape.k + block.c - 1) / block.c;
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      bool present = draw.chance(0.6);
      if (shape.mask == MaskKind::kEmptyPanels) present = present && i % 2 == 1 && j % 2 == 0;
      if (shape.mask == MaskKind::kFull) present = true;
      if (shape.mask == MaskKind::kEmpty) present = false;
      flags[static_cast<std::size_t>(i * columns + j)] = present ? 1 : 0;
    }
  auto mask = Mask::from_blocks(shape.m, shape.k, block.r, block.c, flags);
  EXPECT_TRUE(mask) << mask.error().message;
  return std::move(*mask);
}

// A dense operand in exactly the memory it spans. `fill`: draw the elements, else leave them poisoned.
DenseView make_dense(std::int64_t rows, std::int64_t n, Layout layout, std::int64_t padding,
                     DType type, std::vector<float>& memory, Draw* fill) {
  const std::int64_t width = layout == Layout::kRowMajor ? n : rows;
  const std::int64_t lines = layout == Layout::kRowMajor ? rows : n;
  const std::int64_t ld = width + padding;
  memory.assign(static_cast<std::size_t>((lines - 1) * ld + width), round_to(type, kPoison));
  const DenseView view{memory.data(), rows, n, ld, layout};
  for (std::int64_t i = 0; fill != nullptr && i < rows; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      memory[static_cast<std::size_t>(view.index(i, j))] = fill->number(type);
  return view;
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

DType type_of_values(const KernelSpec& spec) {
  const OperandTypes types = operand_types(spec.types);
  return spec.op == Op::kSddmm ? types.result : types.weights;
}

DType type_of_c(const KernelSpec& spec) {
  const OperandTypes types = operand_types(spec.types);
  return spec.op == Op::kSddmm ? types.dense : types.result;
}

// Operands of one call sequence, each beside a guard page.
struct GuardedOperands {
  GuardedOperand values, b, c, bias;

  GuardedOperands(const KernelSpec& spec, const KernelInputs& inputs, Side side)
      : values(inputs.values, type_of_values(spec), side),
        b(inputs.b, operand_types(spec.types).dense, side),
        c(inputs.c, type_of_c(spec), side),
        bias(inputs.bias, DType::kF32, side) {}
};

// The index arrays that the kernel walks, each beside a guard page; the origins with their promised padding.
struct GuardedIndex {
  GuardedArray<std::int64_t> ptr;
  GuardedArray<std::int32_t> origin, block;
  GuardedArray<std::int64_t> first_value;

  GuardedIndex(const PanelIndex& index, Side side)
      : ptr(index.ptr, side),
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
  args.bias = inputs.bias.empty() ? nullptr : static_cast<const float*>(operands.bias.data());
  args.ldb = inputs.b_view.ld;
  args.ldc = inputs.c_view.ld;
  args.rows_out = transposed ? shape.k : shape.m;
  args.rows_in = transposed ? shape.m : shape.k;
  args.panel_end = index.panels();
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
      sum = finish(sum, spec.epilogue,
                   inputs.bias.empty() ? 0.0 : inputs.bias[static_cast<std::size_t>(i)]);
      const std::int64_t length = (transposed ? inputs.shape.m : inputs.shape.k) + 2;
      if (!is_right(outputs.c[at], sum, length, inputs.shape.numbers, type_of_c(spec))) {
        ADD_FAILURE() << "c(" << i << ", " << j << ") is " << outputs.c[at] << ", expected "
                      << sum.value;
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

KernelInputs make_inputs(const KernelCase& kernel_case, const RunShape& shape) {
  const KernelSpec& spec = kernel_case.spec;
  Draw draw(kernel_case.name + std::to_string(shape.n), shape.numbers);
  KernelInputs inputs;
  inputs.shape = shape;
  const Mask mask = make_mask(shape, mask_block(spec.format), draw);
  auto structure = make_structure(mask, spec.format);
  EXPECT_TRUE(structure) << structure.error().message;
  inputs.structure = std::move(*structure);
  inputs.a.resize(static_cast<std::size_t>(shape.m * shape.k));
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t j = 0; j < shape.k; ++j)
      if (mask.at(i, j))
        inputs.a[static_cast<std::size_t>(i * shape.k + j)] = draw.number(type_of_values(spec));

  const bool writes_values = spec.op == Op::kSddmm;
  const std::int64_t b_rows = spec.op == Op::kSpmm ? shape.k : shape.m;
  const std::int64_t c_rows = spec.op == Op::kSpmm ? shape.m : shape.k;
  inputs.values.assign(static_cast<std::size_t>(values_count(inputs.structure)),
                       round_to(type_of_values(spec), kPoison));
  if (!writes_values || spec.accumulate)
    pack_values(inputs.structure, inputs.a.data(), shape.k, DType::kF32, inputs.values.data());
  inputs.b_view = make_dense(b_rows, shape.n, spec.layout_b, shape.padding,
                             operand_types(spec.types).dense, inputs.b, &draw);
  inputs.c_view = make_dense(c_rows, shape.n, spec.layout_c, shape.padding, type_of_c(spec),
                             inputs.c, writes_values || spec.accumulate ? &draw : nullptr);
  if (spec.epilogue != Epilogue::kNone)
    for (std::int64_t i = 0; i < c_rows; ++i)
      inputs.bias.push_back(draw.number(DType::kF32));
  return inputs;
}

KernelOutputs run_kernel(const KernelCase& kernel_case, const LoadedKernel& kernel,
                         const KernelInputs& inputs, Side side, Calls calls) {
  GuardedOperands operands(kernel_case.spec, inputs, side);
  const GuardedIndex index(index_of(kernel_case.spec, inputs.structure), side);
  const KernelArgs args = make_args(kernel_case, inputs, operands, index);
  if (calls == Calls::kWhole)
    call(kernel_case, kernel, args, side);
  else
    call_split(kernel_case, kernel, args, side);
  for (const GuardedOperand* operand : {&operands.values, &operands.b, &operands.c, &operands.bias})
    EXPECT_TRUE(operand->canaries_alive()) << "memory beside an operand was written";
  EXPECT_TRUE(index.ptr.canaries_alive() && index.origin.canaries_alive() &&
              index.block.canaries_alive() && index.first_value.canaries_alive())
      << "memory beside an index array was written";
  expect_unchanged("b", operands.b, inputs.b);
  expect_unchanged("bias", operands.bias, inputs.bias);
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
