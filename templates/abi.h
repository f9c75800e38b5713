// SPDX-License-Identifier: Apache-2.0
//
// The calling convention of every generated CPU kernel: `void kernel(const lacuna::KernelArgs*)`.
//
// The runtime fills this struct; generated code reads it by the offsets below (static_asserts pin them). A change here
// changes kAbiVersion, which is part of every cache key.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lacuna {

inline constexpr std::uint32_t kAbiVersion = 8;

// Elements of KernelArgs::origin that must be readable beyond the last entry: kernels prefetch the rows that later
// entries meet. Their values are row numbers like the others (0 will do).
inline constexpr std::int64_t kOriginPadding = 8;

// One call computes panels [panel_begin, panel_end) x dense columns [n_begin, n_end).
// A *panel* is a block row or a block column of A, as panel_direction() says (registry.h); of jammed rows it is always
// their panel, and an entry is a column of it. With glu (epilogue.h) panel p stands for two of A, p and p + rows_out / r. Of N:M a panel is 16 rows, and an entry is a word of packed indices
// (format.h): all panels have as many.
struct KernelArgs {
  void* values;  // all of A's; read by spmm*, written by sddmm. Types of elements: element_types.h
  // [panels + 1] entries of panel p are [ptr[p], ptr[p+1]). Jammed rows: [panels * groups + 1], those of group g of
  // panel p are [ptr[p * groups + g - 1], ptr[p * groups + g]).
  // With kc in the schedule each list is in chunks_of() parts, whose boundaries stand in its place.
  const std::int64_t* ptr;
  // Per entry: where the block begins along the other dimension of A (element, not block, index). That is a row of B
  // for spmm and for spmm_transposed by block columns; a row of C for sddmm and for spmm_transposed by block rows.
  // N:M: the word itself.
  const std::int32_t* origin;
  // Per entry: the block's number in values; null = the entry's own number. With gathers_values() (registry.h) per
  // value of the panels: its number in values.
  const std::int32_t* block;
  // Jammed rows, baked panels: [panels + 1] where their values begin; else null.
  const std::int64_t* first_value;
  const void* b;
  void* c;                // written by spmm*, read by sddmm
  const float* bias;      // indexed by C's row; null without a bias in the epilogue
  float* scratch;         // scratch_floats() of this kernel, 64-byte aligned, private to the call
  std::int64_t ldb, ldc;  // in elements
  std::int64_t
      rows_out;  // of the result: M (spmm, sddmm; with glu half of A's rows) or K (spmm_transposed)
  std::int64_t rows_in;  // A's other dimension: K or M
  std::int64_t panel_begin, panel_end;
  std::int64_t n_begin, n_end;
  // Of the epilogue (epilogue.h), each null or 0 where it has no such part.
  const float* scale;         // one factor, or one for each of C's rows
  const void* preactivation;  // x, dense like C and of its type, as are gate and residual
  const void* gate;
  const void* residual;
  std::int64_t ld_preactivation, ld_gate, ld_residual;  // in elements
  const float* scale_columns;                           // one for each of C's columns
  const float* codebook;  // of values that are indices (element_types.h); else null
  // Baked panels: the code of their pattern (pattern_code.h). It begins with a table: the code of panel p is as many
  // bytes further on as 32-bit number p says.
  const void* code;
};

static_assert(sizeof(KernelArgs) == 216 && offsetof(KernelArgs, ldb) == 72 &&
              offsetof(KernelArgs, scale) == 136);

using SparseKernel = void (*)(const KernelArgs*);
// The code of a baked panel; what the arguments are: pattern_code.h.
using PanelCode = void (*)(const float* weights, const void* b, std::int64_t row_bytes_b, void* c,
                           std::int64_t row_bytes_c, std::uint32_t lanes);

}  // namespace lacuna
