// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "runtime/baked_structure.h"
#include "runtime/mask.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/hash.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "tests/kernels/kernel_case.h"
#include "tests/kernels/reference.h"

namespace lacuna::test {
namespace {

class Draw {
 public:
  Draw(const std::string& seed, Numbers numbers)
      : engine_(static_cast<std::uint32_t>(hash_bytes(seed).low)), numbers_(numbers) {}
  // In [-1, 1], or an integer in [-3, 3]; of the given type; bytes take their whole range.
  float number(DType type) {
    if (type == DType::kS8) return static_cast<float>(engine_() % 256) - 128.0F;
    if (type == DType::kU8) return static_cast<float>(engine_() % 256);
    if (type == DType::kS32) return static_cast<float>(engine_() % 2001) - 1000.0F;
    if (numbers_ == Numbers::kSmallIntegers) return static_cast<float>(engine_() % 7) - 3.0F;
    return round_to(type, static_cast<float>(engine_() >> 8) * 0x1p-23F - 1.0F);
  }
  // What a value holds: a number of its type, or an index into the codebook.
  float stored(const KernelSpec& spec) {
    return has_codebook(spec.types)
               ? static_cast<float>(engine_() % static_cast<unsigned>(codebook_entries(spec.types)))
               : number(type_of_values(spec));
  }
  bool chance(double probability) { return engine_() * 0x1p-32 < probability; }

 private:
  std::mt19937 engine_;
  Numbers numbers_;
};

// A mask that conforms: groups that are full, partly so, or empty.
Mask make_nm_mask(const RunShape& shape, const NofM& nm, Draw& draw) {
  auto builder = MaskBuilder::create(shape.m, shape.k).value();
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t begin = 0; begin < shape.k; begin += nm.m) {
      const bool empty_panel = i / kNmPanelRows % 2 == 0;
      if (shape.mask == MaskKind::kEmpty) continue;
      if (shape.mask == MaskKind::kEmptyPanels && empty_panel) continue;
      const bool full = shape.mask == MaskKind::kFull || draw.chance(0.5);
      const std::int64_t end = std::min<std::int64_t>(shape.k, begin + nm.m);
      std::int64_t room = nm.n;
      for (std::int64_t j = begin; j < end; ++j) {
        const double share = static_cast<double>(room) / static_cast<double>(end - j);
        if (room == 0 || !draw.chance(full ? share : share / 2)) continue;
        builder.insert(i, j);
        --room;
      }
    }
  return std::move(builder).finish();
}

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

// What is not to be read: integers have no NaN.
float poison_of(DType type) {
  constexpr float kOddInteger = 93;
  return type == DType::kF32 || type == DType::kBf16 ? round_to(type, kPoison) : kOddInteger;
}

// A dense operand in exactly the memory it spans. `fill`: draw the elements, else leave them poisoned.
DenseView make_dense(std::int64_t rows, std::int64_t n, Layout layout, std::int64_t padding,
                     DType type, std::vector<float>& memory, Draw* fill) {
  const std::int64_t width = layout == Layout::kRowMajor ? n : rows;
  const std::int64_t lines = layout == Layout::kRowMajor ? rows : n;
  const std::int64_t ld = width + padding;
  memory.assign(static_cast<std::size_t>((lines - 1) * ld + width), poison_of(type));
  const DenseView view{memory.data(), rows, n, ld, layout};
  for (std::int64_t i = 0; fill != nullptr && i < rows; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      memory[static_cast<std::size_t>(view.index(i, j))] = fill->number(type);
  return view;
}

// The dense ones with leading dimensions that differ from C's and from each other.
void add_epilogue_operands(const KernelSpec& spec, std::int64_t rows, Draw& draw,
                           KernelInputs& inputs) {
  const Epilogue& epilogue = spec.epilogue;
  const auto draw_rows = [&](std::int64_t count, std::vector<float>& numbers) {
    for (std::int64_t i = 0; i < count; ++i)
      numbers.push_back(draw.number(DType::kF32));
  };
  const std::int64_t rows_of_a = rows * epilogue.halves();
  if (has_factors(epilogue.scale))
    draw_rows(scales_rows(epilogue.scale) ? rows_of_a : 1, inputs.scale);
  if (scales_columns(epilogue.scale)) draw_rows(inputs.shape.n, inputs.scale_columns);
  if (epilogue.bias) draw_rows(rows_of_a, inputs.bias);
  std::int64_t padding = inputs.shape.padding;
  const auto draw_dense = [&](bool needed, std::vector<float>& memory) -> DenseView {
    if (!needed) return {};
    ++padding;
    return make_dense(rows, inputs.shape.n, spec.layout_c, padding, type_of_c(spec), memory, &draw);
  };
  inputs.preactivation_view = draw_dense(epilogue.derivative, inputs.preactivation);
  inputs.gate_view = draw_dense(epilogue.gate, inputs.gate);
  inputs.residual_view = draw_dense(epilogue.residual, inputs.residual);
}

// From here on `a` holds what its indices stand for; returns the indices.
std::vector<float> look_up(const KernelSpec& spec, Draw& draw, KernelInputs& inputs) {
  std::vector<float> indices = inputs.a;
  inputs.codebook.assign(static_cast<std::size_t>(codebook_entries(spec.types)), 0.0F);
  for (std::size_t i = 1; i < inputs.codebook.size(); ++i)
    inputs.codebook[i] = draw.number(DType::kF32);
  for (float& weight : inputs.a)
    weight = inputs.codebook[static_cast<std::size_t>(weight)];
  return indices;
}

std::shared_ptr<const LoadedKernel> make_code(const Pattern& pattern, const Target& target) {
  const auto generator = load_code_generator();
  EXPECT_TRUE(generator) << generator.error().message;
  const auto object = (*generator)->compile(pattern, target);
  EXPECT_TRUE(object) << object.error().message;
  auto loaded = LoadedKernel::load(*object);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return std::make_shared<const LoadedKernel>(std::move(*loaded));
}

}  // namespace

DType type_of_values(const KernelSpec& spec) {
  const OperandTypes types = operand_types(spec.types);
  return spec.op == Op::kSddmm ? types.result : types.weights;
}

DType type_of_c(const KernelSpec& spec) {
  const OperandTypes types = operand_types(spec.types);
  return spec.op == Op::kSddmm ? types.dense : types.result;
}

KernelInputs make_inputs(const KernelCase& kernel_case, const RunShape& shape) {
  const KernelSpec& spec = kernel_case.spec;
  Draw draw(kernel_case.name + std::to_string(shape.n), shape.numbers);
  KernelInputs inputs;
  inputs.shape = shape;
  const auto* const nm = std::get_if<NofM>(&spec.format);
  const Mask mask = nm != nullptr ? make_nm_mask(shape, *nm, draw)
                                  : make_mask(shape, mask_block(spec.format), draw);
  auto structure = make_structure(mask, spec.format);
  EXPECT_TRUE(structure) << structure.error().message;
  inputs.structure = std::move(*structure);
  if (gathers_values(spec)) {
    const auto added = add_block_columns(mask, inputs.structure);
    EXPECT_TRUE(added) << added.error().message;
  }
  if (const auto* const baked = std::get_if<BakedStructure>(&inputs.structure))
    inputs.code = make_code(pattern_of(*baked, panel_direction(spec)), kernel_case.target);
  inputs.a.resize(static_cast<std::size_t>(shape.m * shape.k));
  for (std::int64_t i = 0; i < shape.m; ++i)
    for (std::int64_t j = 0; j < shape.k; ++j)
      if (mask.at(i, j)) inputs.a[static_cast<std::size_t>(i * shape.k + j)] = draw.stored(spec);

  const bool writes_values = spec.op == Op::kSddmm;
  const std::int64_t b_rows = spec.op == Op::kSpmm ? shape.k : shape.m;
  const std::int64_t c_rows = spec.op == Op::kSpmm ? shape.m / spec.epilogue.halves() : shape.k;
  inputs.values.assign(static_cast<std::size_t>(values_count(inputs.structure)),
                       poison_of(type_of_values(spec)));
  if (!writes_values || spec.accumulate)
    pack_values(inputs.structure,
                has_codebook(spec.types) ? look_up(spec, draw, inputs).data() : inputs.a.data(),
                shape.k, DType::kF32, inputs.values.data());
  inputs.b_view = make_dense(b_rows, shape.n, spec.layout_b, shape.padding,
                             operand_types(spec.types).dense, inputs.b, &draw);
  inputs.c_view = make_dense(c_rows, shape.n, spec.layout_c, shape.padding, type_of_c(spec),
                             inputs.c, writes_values || spec.accumulate ? &draw : nullptr);
  add_epilogue_operands(spec, c_rows, draw, inputs);
  return inputs;
}

}  // namespace lacuna::test
