// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include "runtime/elements.h"
#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/bf16.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/epilogue_reference.h"
#include "templates/problem.h"
#include "tuner/counter_random.h"

namespace lacuna {
namespace {

constexpr std::uint64_t kSeedA = 11, kSeedB = 12, kSeedC = 13, kSeedBias = 14, kSeedScale = 15,
                        kSeedPreactivation = 16, kSeedGate = 17, kSeedResidual = 18,
                        kSeedScaleColumns = 19, kSeedCodebook = 20;
// Multiply-adds and outputs of the reference: about 30 ms of scalar code, 16 MB.
constexpr std::int64_t kReferenceFmas = 10'000'000;
constexpr std::int64_t kReferenceOutputs = 500'000;

// Where X(r, n) is.
std::int64_t offset(Layout layout, std::int64_t rows, std::int64_t n_total, std::int64_t r,
                    std::int64_t n) {
  return layout == Layout::kRowMajor ? r * n_total + n : r + n * rows;
}

// |got - expected| <= (terms + 2) u sum|products| + u' |got|; u of f32, u' of the result.
double tolerance_of(double expected, double magnitude, std::int64_t terms, DType result) {
  const double u = unit_roundoff(DType::kF32);
  const double accumulation = (static_cast<double>(terms) + 2.0) * u * magnitude;
  return accumulation + unit_roundoff(result) * (std::abs(expected) + accumulation);
}

// A number in [-1, 1) as one of the type; integers take their range.
float rounded_to(DType type, float value) {
  switch (type) {
    case DType::kF32:
      return value;
    case DType::kBf16:
      return static_cast<float>(Bf16(value));
    case DType::kS8:
      return std::floor(value * 128.0F);
    case DType::kU8:
      return std::floor((value + 1.0F) * 128.0F);
    case DType::kS32:
      return std::floor(value * 0x1p31F);
  }
  return value;
}

// A sum of products with the sum of their magnitudes.
struct Sum {
  double value = 0, magnitude = 0;
  std::int64_t terms = 0;

  void add(double product) {
    value += product;
    magnitude += std::abs(product);
    ++terms;
  }
};

double as_double(float element) {
  return element;
}
double as_double(Bf16 element) {
  return static_cast<float>(element);
}
template <std::integral Integer>
double as_double(Integer element) {
  return static_cast<double>(element);
}

// An exact sum of integers in 32 bits with wrap-around.
double wrapped(double sum) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int64_t>(sum)));
}

reference::Bounded bounded(const Sum& sum) {
  return {sum.value, tolerance_of(sum.value, sum.magnitude, sum.terms, DType::kF32)};
}

}  // namespace

Result<ElementBuffer> ElementBuffer::make(DType type, std::int64_t count) {
  ElementBuffer buffer;
  const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(count, 1)) *
                     static_cast<std::size_t>(size_bytes(type));
  void* const memory = ::operator new[](bytes, std::align_val_t{64}, std::nothrow);
  if (memory == nullptr)
    return make_error(ErrorCode::kIo, "no memory for {} bytes of operands", bytes);
  std::memset(memory, 0, bytes);
  buffer.data_.reset(static_cast<std::byte*>(memory));
  buffer.type_ = type;
  buffer.size_ = count;
  return buffer;
}

double ElementBuffer::at(std::int64_t i) const {
  double value = 0;
  with_elements(type_, data(), [&](const auto* in) { value = as_double(in[i]); });
  return value;
}

void ElementBuffer::set(std::int64_t i, float value) {
  with_elements(type_, data(), [&](auto* out) {
    out[i] = static_cast<std::remove_pointer_t<decltype(out)>>(value);
  });
}

void ElementBuffer::draw(std::int64_t i, float uniform) {
  set(i, rounded_to(type_, uniform));
}

float trial_weight(std::int64_t row, std::int64_t col, DType type) {
  return rounded_to(type, counter_uniform(kSeedA, (static_cast<std::uint64_t>(row) << 32U) ^
                                                      static_cast<std::uint64_t>(col)));
}

std::uint8_t trial_index(std::int64_t row, std::int64_t col, ElementTypes types) {
  const float byte = trial_weight(row, col, DType::kU8);
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(byte) % codebook_entries(types));
}

std::vector<float> trial_codebook(ElementTypes types) {
  std::vector<float> entries(static_cast<std::size_t>(codebook_entries(types)));
  for (std::size_t i = 1; i < entries.size(); ++i)
    entries[i] = counter_uniform(kSeedCodebook, i);
  return entries;
}

float Trial::stored_weight(std::int64_t row, std::int64_t col) const {
  return codebook_.empty() ? trial_weight(row, col, values_type(problem_))
                           : static_cast<float>(trial_index(row, col, problem_.types));
}

float Trial::weight(std::int64_t row, std::int64_t col) const {
  return codebook_.empty() ? stored_weight(row, col)
                           : codebook_[trial_index(row, col, problem_.types)];
}

Result<Trial> Trial::make(const Mask& mask, const Problem& problem) {
  const OperandTypes types = operand_types(problem.types);
  Trial trial;
  trial.mask_ = &mask;
  trial.problem_ = problem;
  trial.n_ = planning_n(problem);
  if (has_codebook(problem.types)) trial.codebook_ = trial_codebook(problem.types);
  trial.rows_b_ = problem.op == Op::kSpmm ? problem.k : problem.m;
  trial.rows_c_ = rows_of_c(problem);
  LACUNA_TRY(trial.b_, ElementBuffer::make(types.dense, trial.rows_b_ * trial.n_));
  LACUNA_TRY(trial.c_, ElementBuffer::make(dense_type_of_c(problem), trial.rows_c_ * trial.n_));
  LACUNA_TRY_VOID(trial.make_epilogue_operands());
  for (std::int64_t i = 0; i < trial.b_.size(); ++i)
    trial.b_.draw(i, counter_uniform(kSeedB, static_cast<std::uint64_t>(i)));
  trial.reset_c();
  if (problem.op == Op::kSddmm)
    trial.sample_values();
  else
    trial.sample_dense_output();
  return trial;
}

Result<> Trial::make_epilogue_operands() {
  const auto make = [](bool needed, DType type, std::int64_t count, std::uint64_t seed,
                       ElementBuffer& buffer) -> Result<> {
    LACUNA_TRY(buffer, ElementBuffer::make(type, needed ? count : 0));
    for (std::int64_t i = 0; i < buffer.size(); ++i)
      buffer.set(i, counter_uniform(seed, static_cast<std::uint64_t>(i)));
    return {};
  };
  const Epilogue& epilogue = problem_.epilogue;
  const std::int64_t rows = std::max<std::int64_t>(1, rows_c_ * epilogue.halves());
  const std::int64_t elements = rows_c_ * n_;
  LACUNA_TRY_VOID(make(epilogue.bias, DType::kF32, rows, kSeedBias, bias_));
  LACUNA_TRY_VOID(make(has_factors(epilogue.scale), DType::kF32, rows, kSeedScale, scale_));
  LACUNA_TRY_VOID(
      make(scales_columns(epilogue.scale), DType::kF32, n_, kSeedScaleColumns, scale_columns_));
  LACUNA_TRY_VOID(
      make(epilogue.derivative, c_.type(), elements, kSeedPreactivation, preactivation_));
  LACUNA_TRY_VOID(make(epilogue.gate, c_.type(), elements, kSeedGate, gate_));
  return make(epilogue.residual, c_.type(), elements, kSeedResidual, residual_);
}

reference::EpilogueTerms Trial::terms_of_row(std::int64_t row, std::int64_t n) const {
  const Epilogue& epilogue = problem_.epilogue;
  reference::EpilogueTerms terms;
  if (has_factors(epilogue.scale)) terms.scale = scale_.at(scales_rows(epilogue.scale) ? row : 0);
  if (scales_columns(epilogue.scale)) terms.scale_by_column(scale_columns_.at(n));
  if (epilogue.bias) terms.bias = bias_.at(row);
  return terms;
}

reference::EpilogueTerms Trial::terms_of(std::int64_t row, std::int64_t n) const {
  const Epilogue& epilogue = problem_.epilogue;
  const std::int64_t at = offset(problem_.layout_c, rows_c_, n_, row, n);
  reference::EpilogueTerms terms = terms_of_row(row, n);
  if (epilogue.derivative) terms.preactivation = preactivation_.at(at);
  if (epilogue.gate) terms.gate = gate_.at(at);
  if (epilogue.residual) terms.residual = residual_.at(at);
  return terms;
}

void Trial::reset_c() {
  for (std::int64_t i = 0; i < c_.size(); ++i)
    c_.draw(i, counter_uniform(kSeedC, static_cast<std::uint64_t>(i)));
}

Result<ElementBuffer> Trial::make_values(const Structure& structure) const {
  LACUNA_TRY(ElementBuffer values,
             ElementBuffer::make(values_type(problem_), values_count(structure)));
  for_each_weight(structure, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
    if (mask_->at(row, col)) values.set(index, stored_weight(row, col));
  });
  return values;
}

Operands Trial::operands(const ElementBuffer& values) {
  Operands operands;
  operands.values = values.data();
  operands.b = b_.data();
  operands.ldb = problem_.layout_b == Layout::kRowMajor ? n_ : std::max<std::int64_t>(1, rows_b_);
  operands.c = c_.data();
  operands.ldc = problem_.layout_c == Layout::kRowMajor ? n_ : std::max<std::int64_t>(1, rows_c_);
  operands.bias = bias_.floats();
  operands.n = n_;
  operands.scale = scale_.floats();
  operands.scale_columns = scale_columns_.floats();
  operands.codebook = codebook_.empty() ? nullptr : codebook_.data();
  operands.preactivation = preactivation_.data();
  operands.gate = gate_.data();
  operands.residual = residual_.data();
  operands.ld_preactivation = operands.ld_gate = operands.ld_residual = operands.ldc;
  return operands;
}

Result<> Trial::check(const ExecutablePlan& plan, std::size_t index) {
  LACUNA_TRY(const ElementBuffer values, make_values(plan.structure()));
  reset_c();
  LACUNA_TRY_VOID(plan.execute(index, operands(values)));
  Result<> status =
      problem_.op == Op::kSddmm ? compare_values(plan.structure(), values) : check_dense(nullptr);
  reset_c();
  return status;
}

// The samples lie in the order of the mask's rows, the values in the format's: each value looks for its sample in its
// row.
Result<> Trial::compare_values(const Structure& structure, const ElementBuffer& values) const {
  std::vector<std::size_t> first_of_row(static_cast<std::size_t>(problem_.m) + 1, 0);
  for (const Expected& e : expected_)
    ++first_of_row[static_cast<std::size_t>(e.row) + 1];
  std::partial_sum(first_of_row.begin(), first_of_row.end(), first_of_row.begin());
  std::size_t found = 0;
  Result<> status;
  for_each_weight(structure, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
    if (!status) return;
    const std::span samples =
        std::span(expected_).subspan(first_of_row[static_cast<std::size_t>(row)],
                                     first_of_row[static_cast<std::size_t>(row) + 1] -
                                         first_of_row[static_cast<std::size_t>(row)]);
    const auto at = std::ranges::lower_bound(samples, col, {}, &Expected::col);
    if (at == samples.end() || at->col != col) return;
    ++found;
    status = compare(*at, values.at(index));
  });
  if (status && found != expected_.size())
    return make_error(ErrorCode::kInternal, "{} of {} sampled weights are not stored",
                      expected_.size() - found, expected_.size());
  return status;
}

Result<> Trial::check_dense(const float* dense_a) const {
  for (const Expected& e : expected_) {
    const double got = problem_.op == Op::kSddmm
                           ? dense_a[e.row * problem_.k + e.col]
                           : c_.at(offset(problem_.layout_c, rows_c_, n_, e.row, e.col));
    LACUNA_TRY_VOID(compare(e, got));
  }
  return {};
}

Result<> Trial::compare(const Expected& expected, double got) const {
  const double error = std::abs(got - expected.value);
  if (error <= expected.tolerance) return {};  // false for NaN
  return make_error(ErrorCode::kInternal,
                    "wrong result at row {}, column {}: got {:.10g}, expected {:.10g}",
                    expected.row, expected.col, got, expected.value);
}

Trial::Expected Trial::expect(std::int64_t row, std::int64_t col, double value, double magnitude,
                              std::int64_t terms) const {
  return {row, col, value,
          tolerance_of(value, magnitude, terms, operand_types(problem_.types).result)};
}

void Trial::sample_dense_output() {
  const bool transposed = problem_.op == Op::kSpmmTransposed;
  const std::int64_t by_work = kReferenceFmas / std::max<std::int64_t>(1, mask_->nnz());
  const std::int64_t by_size = kReferenceOutputs / std::max<std::int64_t>(1, rows_c_);
  const std::int64_t columns = std::clamp<std::int64_t>(std::min(by_work, by_size), 1, n_);
  std::vector<Sum> sums;
  for (std::int64_t s = 0; s < columns; ++s) {
    const std::int64_t n = columns == 1 ? n_ - 1 : s * (n_ - 1) / (columns - 1);
    sums.assign(static_cast<std::size_t>(rows_c_ * problem_.epilogue.halves()), Sum{});
    for (std::int64_t i = 0; i < problem_.m; ++i)
      for_each_in_row(*mask_, i, [&](std::int64_t j) {
        const double b = b_.at(offset(problem_.layout_b, rows_b_, n_, transposed ? i : j, n));
        sums[static_cast<std::size_t>(transposed ? j : i)].add(weight(i, j) * b);
      });
    for (std::int64_t r = 0; r < rows_c_; ++r) {
      Sum& sum = sums[static_cast<std::size_t>(r)];
      if (problem_.accumulate) sum.add(c_.at(offset(problem_.layout_c, rows_c_, n_, r, n)));
      if (c_.type() == DType::kS32) {
        expected_.push_back({r, n, wrapped(sum.value), 0});
        continue;
      }
      reference::EpilogueTerms terms = terms_of(r, n);
      if (const std::int64_t other = r + rows_c_; problem_.epilogue.glu)
        terms.other_half = reference::scale_and_bias(problem_.epilogue,
                                                     bounded(sums[static_cast<std::size_t>(other)]),
                                                     terms_of_row(other, n));
      const reference::Bounded found =
          reference::apply_epilogue(problem_.epilogue, bounded(sum), terms, c_.type());
      expected_.push_back({r, n, found.value, found.error});
    }
  }
}

void Trial::sample_values() {
  const std::int64_t wanted = std::clamp<std::int64_t>(kReferenceFmas / n_, 1, kReferenceOutputs);
  // An odd stride visits every place inside the blocks.
  const std::int64_t stride = mask_->nnz() <= wanted ? 1 : (mask_->nnz() / wanted) | 1;
  std::int64_t seen = 0;
  for (std::int64_t i = 0; i < problem_.m; ++i)
    for_each_in_row(*mask_, i, [&](std::int64_t j) {
      if (seen++ % stride != 0) return;
      Sum sum;
      for (std::int64_t n = 0; n < n_; ++n)
        sum.add(b_.at(offset(problem_.layout_b, rows_b_, n_, i, n)) *
                c_.at(offset(problem_.layout_c, rows_c_, n_, j, n)));
      if (problem_.accumulate) sum.add(stored_weight(i, j));
      expected_.push_back(expect(i, j, sum.value, sum.magnitude, sum.terms));
    });
}

}  // namespace lacuna
