// SPDX-License-Identifier: Apache-2.0
//
// Trial: operands for measuring and checking a problem on a mask, and a reference that shares no code with kernels.
//
// All data are counter-based random numbers in [-1, 1): the value of A at (i, j) depends on i and j only, so every
// format holds the same matrix. The reference evaluates sampled outputs in double straight from the mask.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "runtime/engine.h"

namespace lacuna {

// Floats at a 64-byte boundary, left uninitialised by resize. Move-only.
class FloatBuffer {
 public:
  FloatBuffer() = default;
  // Errors: kIo when there is no memory.
  [[nodiscard]] static Result<FloatBuffer> make(std::int64_t count);

  [[nodiscard]] float* data() const { return data_.get(); }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::span<float> span() const {
    return {data_.get(), static_cast<std::size_t>(size_)};
  }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> data_;
  std::int64_t size_ = 0;
};

// The value of A at (row, col), whatever the format.
[[nodiscard]] float trial_weight(std::int64_t row, std::int64_t col);

// Dense operands of one problem. Leading dimensions are the smallest. n = 0 in the problem stands for 256.
class Trial {
 public:
  [[nodiscard]] static Result<Trial> make(const Mask& mask, const Problem& problem);

  [[nodiscard]] const Problem& problem() const { return problem_; }
  [[nodiscard]] std::int64_t n() const { return n_; }

  // A's values in a plan's format, with zeros where the mask has none; also the old values sddmm may add to.
  [[nodiscard]] Result<FloatBuffer> make_values(const Structure& structure) const;

  // Operands for timing: C holds whatever earlier calls left.
  [[nodiscard]] Operands operands(const FloatBuffer& values);

  // Sets C (values, for sddmm) to its initial numbers, runs the plan's problem number `index` once, and compares
  // sampled outputs: for spmm whole columns of C, spread over n with both ends; for sddmm elements of the mask.
  // Errors: those of execute; kInternal "wrong result at row 3, column 7: got 1.5, expected 1.25".
  [[nodiscard]] Result<> check(const ExecutablePlan& plan, std::size_t index);

  // Compares what a dense library computed from operands(): C in place, or for sddmm A[M,K] row-major in `dense_a`.
  // Only for problems without accumulate and epilogue. Errors: kInternal as above.
  [[nodiscard]] Result<> check_dense(const float* dense_a) const;

 private:
  // One sampled output: C(row, col), or for sddmm A(row, col).
  struct Expected {
    std::int64_t row = 0, col = 0;
    double value = 0, tolerance = 0;
  };

  Trial() = default;
  void reset_c();
  void sample_dense_output();
  void sample_values();
  [[nodiscard]] Result<> compare_values(const Structure& structure,
                                        const FloatBuffer& values) const;
  [[nodiscard]] Result<> compare(const Expected& expected, float got) const;

  const Mask* mask_ = nullptr;
  Problem problem_;
  std::int64_t n_ = 0;
  std::int64_t rows_b_ = 0, rows_c_ = 0;
  FloatBuffer b_, c_, bias_;
  std::vector<Expected> expected_;
};

}  // namespace lacuna
