// SPDX-License-Identifier: Apache-2.0
//
// The calling convention of every generated CPU kernel: `void kernel(const lacuna::BsrKernelArgs*)`.
//
// The runtime fills this struct; generated code reads it by the offsets below (static_asserts pin them). A change here
// changes kAbiVersion, which is part of every cache key.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lacuna {

inline constexpr std::uint32_t kAbiVersion = 3;

// Elements of BsrKernelArgs::origin that must be readable beyond the last entry: kernels prefetch the rows that later
// entries meet. Their values are row numbers like the others (0 will do).
inline constexpr std::int64_t kOriginPadding = 8;

// One call computes panels [panel_begin, panel_end) x dense columns [n_begin, n_end).
// A *panel* is a block row of A (spmm, sddmm) or a block column (spmm_transposed): the blocks that share output.
struct BsrKernelArgs {
  float* values;            // all blocks of A; read by spmm*, written by sddmm
  const std::int64_t* ptr;  // [panels + 1] entries of panel p are [ptr[p], ptr[p+1])
  const std::int32_t*
      origin;  // per entry: first row of B that the block meets (element, not block, index);
               // for sddmm: first row of C
  const std::int32_t*
      block;  // per entry: the block's number in values; null = the entry's own number
  const float* b;
  float* c;               // written by spmm*, read by sddmm
  const float* bias;      // indexed by C's row; may be null without a bias epilogue
  float* scratch;         // scratch_floats() of this kernel, 64-byte aligned, private to the call
  std::int64_t ldb, ldc;  // in elements
  std::int64_t rows_out;  // extent of the panels' dimension: M (spmm, sddmm) or K (spmm_transposed)
  std::int64_t rows_in;   // extent of the dimension that origins index: K (spmm, sddmm) or M
  std::int64_t panel_begin, panel_end;
  std::int64_t n_begin, n_end;
};

static_assert(sizeof(BsrKernelArgs) == 128 && offsetof(BsrKernelArgs, ldb) == 64);

using BsrKernel = void (*)(const BsrKernelArgs*);

}  // namespace lacuna
