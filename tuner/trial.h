// SPDX-License-Identifier: Apache-2.0
//
// Trial: operands for measuring and checking a problem on a mask, and a reference that shares no code with kernels.
//
// All data are counter-based random numbers of the problem's types, in [-1, 1] or of all bytes: the value of A at (i, j) depends on i
// and j only, so every format holds the same matrix. The reference evaluates sampled outputs in double straight from the mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "runtime/engine.h"
#include "templates/epilogue_reference.h"

namespace lacuna {

// Elements of a type at a 64-byte boundary, zeros at first. Move-only.
class ElementBuffer {
 public:
  ElementBuffer() = default;
  // Errors: kIo when there is no memory.
  [[nodiscard]] static Result<ElementBuffer> make(DType type, std::int64_t count);

  [[nodiscard]] DType type() const { return type_; }
  [[nodiscard]] void* data() const { return data_.get(); }
  [[nodiscard]] float* floats() const { return static_cast<float*>(data()); }  // of f32 only
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] double at(std::int64_t i) const;
  void set(std::int64_t i, float value);  // rounded to the type, whose range it must not leave
  // A number in [-1, 1) as one of the type: rounded, of bytes spread over their range.
  void draw(std::int64_t i, float uniform);

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  DType type_ = DType::kF32;
  std::int64_t size_ = 0;
};

// The value of A at (row, col), whatever the format; of the type.
[[nodiscard]] float trial_weight(std::int64_t row, std::int64_t col, DType type = DType::kF32);
// The same where values are indices: of the weight, and what they stand for.
[[nodiscard]] std::uint8_t trial_index(std::int64_t row, std::int64_t col, ElementTypes types);
[[nodiscard]] std::vector<float> trial_codebook(ElementTypes types);

// Dense operands of one problem. Leading dimensions are the smallest. n = 0 in the problem stands for 256.
class Trial {
 public:
  [[nodiscard]] static Result<Trial> make(const Mask& mask, const Problem& problem);

  [[nodiscard]] const Problem& problem() const { return problem_; }
  [[nodiscard]] std::int64_t n() const { return n_; }

  // A's values in a plan's format, with zeros where the mask has none; also the old values sddmm may add to.
  [[nodiscard]] Result<ElementBuffer> make_values(const Structure& structure) const;

  // Operands for timing: C holds whatever earlier calls left.
  [[nodiscard]] Operands operands(const ElementBuffer& values);

  // Sets C (values, for sddmm) to its initial numbers, runs the plan's problem number `index` once, and compares
  // sampled outputs: for spmm whole columns of C, spread over n with both ends; for sddmm elements of the mask.
  // Errors: those of execute; kInternal "wrong result at row 3, column 7: got 1.5, expected 1.25".
  [[nodiscard]] Result<> check(const ExecutablePlan& plan, std::size_t index);

  // Compares what a dense library computed from operands(): C in place, or for sddmm A[M,K] row-major in `dense_a`.
  // Only for problems of f32 without accumulate and epilogue. Errors: kInternal as above.
  [[nodiscard]] Result<> check_dense(const float* dense_a) const;

 private:
  // One sampled output: C(row, col), or for sddmm A(row, col).
  struct Expected {
    std::int64_t row = 0, col = 0;
    double value = 0, tolerance = 0;
  };

  Trial() = default;
  [[nodiscard]] Result<> make_epilogue_operands();
  // Scale and bias of a row of sums / what the epilogue of an element of C reads.
  [[nodiscard]] reference::EpilogueTerms terms_of_row(std::int64_t row, std::int64_t n) const;
  [[nodiscard]] reference::EpilogueTerms terms_of(std::int64_t row, std::int64_t n) const;
  void reset_c();
  // What the value of a weight is, and what it stands for.
  [[nodiscard]] float stored_weight(std::int64_t row, std::int64_t col) const;
  [[nodiscard]] float weight(std::int64_t row, std::int64_t col) const;
  void sample_dense_output();
  void sample_values();
  [[nodiscard]] Result<> compare_values(const Structure& structure,
                                        const ElementBuffer& values) const;
  [[nodiscard]] Expected expect(std::int64_t row, std::int64_t col, double value, double magnitude,
                                std::int64_t terms) const;
  [[nodiscard]] Result<> compare(const Expected& expected, double got) const;

  const Mask* mask_ = nullptr;
  Problem problem_;
  std::int64_t n_ = 0;
  std::int64_t rows_b_ = 0, rows_c_ = 0;
  ElementBuffer b_, c_;
  ElementBuffer bias_, scale_, scale_columns_, preactivation_, gate_,
      residual_;                 // empty without such a part
  std::vector<float> codebook_;  // empty where values are numbers
  std::vector<Expected> expected_;
};

}  // namespace lacuna
