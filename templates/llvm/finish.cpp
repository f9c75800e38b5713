// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/finish.h"

#include <cstddef>
#include <functional>

#include "templates/abi.h"
#include "templates/epilogue.h"
#include "templates/llvm/activations.h"
#include "templates/llvm/tile_loops.h"
#include "templates/problem.h"

namespace lacuna {

using llvm::Value;

namespace {

// A dense operand of the epilogue: where KernelArgs holds it.
struct OperandFields {
  std::size_t pointer, ld;
};
constexpr OperandFields kPreactivation{offsetof(KernelArgs, preactivation),
                                       offsetof(KernelArgs, ld_preactivation)};
constexpr OperandFields kGate{offsetof(KernelArgs, gate), offsetof(KernelArgs, ld_gate)};
constexpr OperandFields kResidual{offsetof(KernelArgs, residual),
                                  offsetof(KernelArgs, ld_residual)};

bool by_rows(const KernelBuilder& kb) {
  return kb.spec().layout_c == Layout::kRowMajor;
}

// A line of C (or of an operand like it) at its first element (line, begin).
Value* line_address(KernelBuilder& kb, Value* base, Value* ld_bytes, Value* line, Value* begin) {
  return kb.at(kb.at(base, kb.mul(line, ld_bytes)), kb.mul(begin, kb.i64(kb.c_bytes())));
}

// The addresses of one line at its first element; null for an operand that the epilogue does not have.
struct Line {
  Value *sums, *c, *preactivation, *gate, *residual;
  Value* half_bytes;
};

Line make_line(KernelBuilder& kb, const SumsInMemory& sums, Value* line, Value* first_line,
               Value* begin) {
  const Epilogue& epilogue = kb.spec().epilogue;
  const auto operand = [&](bool present, const OperandFields& fields) -> Value* {
    if (!present) return nullptr;
    Value* const ld_bytes = kb.mul(kb.load_integer_argument(fields.ld), kb.i64(kb.c_bytes()));
    return line_address(kb, kb.load_pointer_argument(fields.pointer), ld_bytes, line, begin);
  };
  return {kb.at(sums.base, kb.mul(kb.sub(line, first_line), sums.line_bytes)),
          line_address(kb, kb.args().c, kb.args().ldc_bytes, line, begin),
          operand(epilogue.derivative, kPreactivation),
          operand(epilogue.gate, kGate),
          operand(epilogue.residual, kResidual),
          sums.half_bytes};
}

Value* scale_and_bias(KernelBuilder& kb, Value* sum, const Terms& terms) {
  if (terms.scale != nullptr && terms.bias != nullptr) return kb.fma(terms.scale, sum, terms.bias);
  if (terms.scale != nullptr) return kb.ir().CreateFMul(terms.scale, sum);
  return terms.bias != nullptr ? kb.fadd(sum, terms.bias) : sum;
}

Value* scale_of_column(KernelBuilder& kb, Value* n) {
  return kb.at(kb.load_pointer_argument(offsetof(KernelArgs, scale_columns)), kb.mul(n, kb.i64(4)));
}

Terms scaled(KernelBuilder& kb, const Terms& of_rows, Value* of_columns) {
  Terms terms = of_rows;
  terms.scale =
      of_rows.scale == nullptr ? of_columns : kb.ir().CreateFMul(of_rows.scale, of_columns);
  return terms;
}

// Of the rows at hand; with glu also of those so many rows of A further on.
using TermsOf = std::function<Terms(Value* rows_before)>;

// One vector of a line, from element `index` of the line on.
struct LineVector {
  const Line& line;
  Value *index, *mask;

  [[nodiscard]] Value* sum(KernelBuilder& kb) const { return sum(kb, line.sums); }
  [[nodiscard]] Value* sum_of_other_half(KernelBuilder& kb) const {
    return sum(kb, kb.at(line.sums, line.half_bytes));
  }
  // Of C or an operand like it.
  [[nodiscard]] Value* address(KernelBuilder& kb, Value* base) const {
    return kb.at(base, kb.mul(index, kb.i64(kb.c_bytes())));
  }
  [[nodiscard]] Value* load(KernelBuilder& kb, Value* base) const {
    return kb.load_result(address(kb, base), mask);
  }

 private:
  [[nodiscard]] Value* sum(KernelBuilder& kb, Value* sums) const {
    return kb.finished_sums(kb.load(kb.at(sums, kb.mul(index, kb.i64(4))), mask));
  }
};

Value* activate(KernelBuilder& kb, const LineVector& at, const std::function<Value*()>& sum) {
  const Epilogue& epilogue = kb.spec().epilogue;
  if (epilogue.derivative)
    return apply_slope(kb, epilogue.activation, at.load(kb, at.line.preactivation), sum);
  if (epilogue.activation == Activation::kNone) return sum();
  Value* const result = apply_activation(kb, epilogue.activation, sum());
  return epilogue.has_operands() || epilogue.glu ? kb.compute_first(result) : result;
}

void finish_vector(KernelBuilder& kb, const LineVector& at, bool in_c, const TermsOf& terms) {
  const Epilogue& epilogue = kb.spec().epilogue;
  Value* result = activate(kb, at, [&] {
    Value* sum = at.sum(kb);
    if (kb.spec().accumulate && !in_c) sum = kb.add_results(sum, at.load(kb, at.line.c));
    return scale_and_bias(kb, sum, terms(kb.i64(0)));
  });
  Value* factor = nullptr;
  if (epilogue.gate) factor = at.load(kb, at.line.gate);
  if (epilogue.glu)
    factor = scale_and_bias(kb, at.sum_of_other_half(kb), terms(kb.args().rows_out));
  if (factor != nullptr && epilogue.residual)
    result = kb.fma(result, factor, at.load(kb, at.line.residual));
  else if (factor != nullptr)
    result = kb.ir().CreateFMul(result, factor);
  else if (epilogue.residual)
    result = kb.fadd(result, at.load(kb, at.line.residual));
  kb.store_result(at.address(kb, at.line.c), result, at.mask);
}

}  // namespace

Terms terms_of_row(KernelBuilder& kb, Value* row) {
  const Epilogue& epilogue = kb.spec().epilogue;
  Value* const row_bytes = kb.mul(row, kb.i64(4));
  Terms terms;
  if (has_factors(epilogue.scale)) {
    Value* const scale = kb.load_pointer_argument(offsetof(KernelArgs, scale));
    terms.scale = kb.broadcast(scales_rows(epilogue.scale) ? kb.at(scale, row_bytes) : scale);
  }
  if (epilogue.bias) terms.bias = kb.broadcast(kb.at(kb.args().bias, row_bytes));
  return terms;
}

Terms terms_of_rows(KernelBuilder& kb, Value* row, Value* mask) {
  const Epilogue& epilogue = kb.spec().epilogue;
  Value* const row_bytes = kb.mul(row, kb.i64(4));
  Terms terms;
  if (has_factors(epilogue.scale)) {
    Value* const scale = kb.load_pointer_argument(offsetof(KernelArgs, scale));
    terms.scale =
        scales_rows(epilogue.scale) ? kb.load(kb.at(scale, row_bytes), mask) : kb.broadcast(scale);
  }
  if (epilogue.bias) terms.bias = kb.load(kb.at(kb.args().bias, row_bytes), mask);
  return terms;
}

Terms in_columns(KernelBuilder& kb, const Terms& of_row, Value* n, Value* mask) {
  return scales_columns(kb.spec().epilogue.scale)
             ? scaled(kb, of_row, kb.load(scale_of_column(kb, n), mask))
             : of_row;
}

Terms in_column(KernelBuilder& kb, const Terms& of_rows, Value* n) {
  return scales_columns(kb.spec().epilogue.scale)
             ? scaled(kb, of_rows, kb.broadcast(scale_of_column(kb, n)))
             : of_rows;
}

Value* finish_in_registers(KernelBuilder& kb, Value* sum, const Terms& terms) {
  Value* const result = scale_and_bias(kb, sum, terms);
  const Activation activation = kb.spec().epilogue.activation;
  return activation == Activation::kNone ? result : apply_activation(kb, activation, result);
}

void finish_part(KernelBuilder& kb, const PartOfC& part, const SumsInMemory& sums) {
  const bool rows = by_rows(kb);
  Value* const first_line = rows ? part.row : part.n;
  Value* const begin = rows ? part.n : part.row;
  Value* const end = rows ? part.n_end : part.row_end;
  for_each_step(kb, first_line, rows ? part.row_end : part.n_end, 1, [&](Value* number) {
    const Line line = make_line(kb, sums, number, first_line, begin);
    for_each_step(kb, begin, end, kb.lanes(), [&](Value* element) {
      Value* const mask = kb.mask_below(kb.sub(end, element));
      const LineVector at{line, kb.sub(element, begin), mask};
      // Loaded for each vector, also where they are those of the whole line: activations need all of 16 registers.
      finish_vector(kb, at, sums.in_c, [&](Value* before) {
        return rows ? in_columns(kb, terms_of_row(kb, kb.add(number, before)), element, mask)
                    : in_column(kb, terms_of_rows(kb, kb.add(element, before), mask), number);
      });
    });
  });
}

}  // namespace lacuna
