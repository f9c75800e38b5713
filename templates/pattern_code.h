// SPDX-License-Identifier: Apache-2.0
//
// Baked panels: what the code of a mask's pattern does, as data. A kernel of a `Baked` format walks tiles of one vector
// of dense columns and panels of r rows, and calls the panel's code for each: straight-line code that holds the sums of
// all r rows in registers, loads a vector of each row of B that the panel meets once, and multiplies it by the weights of
// the column, which it takes from memory as broadcast operands. Only the pattern is in the code: weights are data, so
// new values need no new code. codegen/ encodes the instructions below; the kernel around them is templates/llvm/'s.
//
// A weight costs 7 bytes of code and, with the row of B that u rows share, 1 + 1/u loads: two load pipes deliver those
// in (1 + 1/u) / 2 cycles, where two FMA units need half a cycle. Code that L1 does not hold is fetched once for each tile
// of 16 columns, or for all tiles of a panel where a panel's code fits. Wide tiles that broadcast a weight into a register
// need half the loads, but 20 bytes of code for two FMAs, which the instruction fetch delivers no faster.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {

// Where the weights of baked panels are, of any memory that outlives its use.
struct Pattern {
  Baked format;
  std::int64_t m = 0, k = 0;
  std::span<const std::int64_t>
      ptr;  // [panels + 1] the columns of panel p are [ptr[p], ptr[p + 1])
  std::span<const std::int32_t> column;  // ascending within a panel
  std::span<const std::uint32_t> rows;   // of a column: bit i is the panel's row i

  [[nodiscard]] std::int64_t panels() const {
    return ptr.empty() ? 0 : static_cast<std::int64_t>(ptr.size()) - 1;
  }
};

[[nodiscard]] BlockCounts counts_of(const Pattern& pattern);

// The arguments of a panel's code are, in this order: the panel's first weight; row 0 of B at the tile's first column,
// and the bytes from row to row; where the panel's row 0 of the sums goes, and the bytes from row to row; and the lanes
// that exist, a bit each. Nothing else is read or written.
enum class PatternOp : std::uint8_t {
  kBegin,        // take the arguments
  kZero,         // sum <- 0
  kLoadRow,      // vector <- the row of B that is `number` (0 to 7) rows from the pointer
  kMultiplyAdd,  // sum += vector * the weight `number` bytes from the pointer
  kStepRows,     // the pointer into B moves by `number` times 8 rows
  kStepWeights,  // the pointer to weights moves by `number` bytes
  kStore,        // the row of C at hand <- sum
  kNextRow,      // the next row of C
  kReturn,
};

struct PatternInstruction {
  PatternOp op = PatternOp::kReturn;
  std::int32_t sum = 0;     // a vector register, 0 to r - 1
  std::int32_t vector = 0;  // a vector register, r to 31
  std::int64_t number = 0;

  bool operator==(const PatternInstruction&) const = default;
};

// The code of one panel; `code` is overwritten.
void make_panel_code(const Pattern& pattern, std::int64_t panel,
                     std::vector<PatternInstruction>& code);
// Line by line: "multiply_add s3 v24 +12".
[[nodiscard]] std::string to_text(std::span<const PatternInstruction> code);

// No machine executes code from beyond L2 as fast as jammed rows read their index.
inline constexpr std::int64_t kMostPatternBytes = std::int64_t{2} << 20;
// The most bytes that the code of a pattern can take, from counts alone; what it takes is a few per cent less.
[[nodiscard]] std::int64_t pattern_bytes(const Baked& format, const BlockCounts& counts);
// Of any format. Errors: kUnsupported where the code of baked panels could exceed kMostPatternBytes.
[[nodiscard]] Result<> check_pattern_bytes(const Format& format, const BlockCounts& counts);
// Errors: kUnsupported (baked panels are for spmm and spmm_transposed of f32 with AVX-512).
[[nodiscard]] Result<> check_bakes(Op op, ElementTypes types, const Target& target);

// What check_schedule() and enumerate_schedules() say of kernels of baked panels.
[[nodiscard]] Result<> check_baked(const KernelSpec& spec, const Target& target);
[[nodiscard]] std::vector<Schedule> enumerate_baked(const KernelSpec& spec, const Target& target);

// "pattern_baked24_zen4_<digest of the pattern>": the symbol and the readable part of the cache key.
[[nodiscard]] std::string pattern_name(const Pattern& pattern, std::string_view target_name);

// The part of estimate_work() that is the panels' own; packing and epilogue come on top.
[[nodiscard]] WorkEstimate baked_work(const KernelSpec& spec, const Target& target,
                                      const BlockCounts& counts, std::int64_t n);

}  // namespace lacuna
