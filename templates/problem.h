// SPDX-License-Identifier: Apache-2.0
//
// Problem: what must be computed. It fixes the numbers that come out, never how.
//
//   spmm             C[M,N] = epilogue(A[M,K] * B[K,N] (+ C)); with glu A[2M,K], see epilogue.h
//   spmm_transposed  C[K,N] = epilogue(A[M,K]^T * B[M,N] (+ C))
//   sddmm            A[M,K] = (B[M,N] * C[K,N]^T at A's stored blocks) (+ A)
//
// A is sparse (the weights), B and C are dense. Layout of a dense X[R,N]: row-major holds X(r,n) at
// x[r*ldx + n] (n contiguous: "feature-major"); column-major holds it at x[r + n*ldx] (r contiguous: what
// trainers call token-major). No alignment is required; 64-byte aligned rows are faster.
// B and C never alias, nor C and an operand of the epilogue (epilogue.h). Stored zeros of A take part in the product: a non-finite element of B that meets one
// gives NaN.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"

namespace lacuna {

enum class Op : std::uint8_t { kSpmm, kSpmmTransposed, kSddmm };

template <>
struct EnumNames<Op> {
  static constexpr std::array kNames = {
      std::pair{Op::kSpmm, std::string_view("spmm")},
      std::pair{Op::kSpmmTransposed, std::string_view("spmm_transposed")},
      std::pair{Op::kSddmm, std::string_view("sddmm")}};
};

enum class Layout : std::uint8_t { kRowMajor, kColMajor };

template <>
struct EnumNames<Layout> {
  static constexpr std::array kNames = {
      std::pair{Layout::kRowMajor, std::string_view("row_major")},
      std::pair{Layout::kColMajor, std::string_view("col_major")}};
};

struct Problem {
  Op op = Op::kSpmm;
  std::int64_t m = 0;  // rows of A; with glu of both halves
  std::int64_t k = 0;  // columns of A
  std::int64_t n = 0;  // dense columns (tokens); 0 = known at call time
  ElementTypes types = ElementTypes::kF32;
  Layout layout_b = Layout::kRowMajor;
  Layout layout_c = Layout::kRowMajor;
  Epilogue epilogue = {};   // must be none for sddmm
  bool accumulate = false;  // true: beta = 1, the result is added to what is there

  bool operator==(const Problem&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("op", self.op);
    visit("m", self.m);
    visit("k", self.k);
    visit("n", self.n);
    visit("types", self.types);
    visit("layout_b", self.layout_b);
    visit("layout_c", self.layout_c);
    visit("epilogue", self.epilogue);
    visit("accumulate", self.accumulate);
  }
};

// The type of A's values for this operation: what spmm reads, what sddmm writes.
[[nodiscard]] DType values_type(const Problem& problem);
// The type of C: what spmm writes, what sddmm reads.
[[nodiscard]] DType dense_type_of_c(const Problem& problem);

// Rows of the dense operand C.
[[nodiscard]] std::int64_t rows_of_c(const Problem& problem);

// Errors: kInvalidArgument (negative sizes, an epilogue on sddmm, glu where it has no meaning), kUnsupported (K not whole
// groups of bytes, see
// element_types.h).
[[nodiscard]] Result<> check_problem(const Problem& problem);

}  // namespace lacuna
