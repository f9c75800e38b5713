// SPDX-License-Identifier: Apache-2.0
//
// The registry of kernel templates: which exist, which schedules are legal, what they cost. No LLVM here: the
// bodies are in templates/llvm/ and share the same order. Tests, benchmarks, `lacuna generate --list` and the
// tuner enumerate kernels only through this header.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "targets/target.h"
#include "templates/kernel_spec.h"

namespace lacuna {

// A hash of the sources in templates/, made by the build: part of every cache key and record, so that neither outlives
// the code that made it.
extern const std::uint32_t kTemplateVersion;

// Whether the target multiplies groups of the elements as they are; else kernels of groups widen them for each product.
[[nodiscard]] bool multiplies_groups(ElementTypes types, const Target& target);
// bf16 stored one by one: the kernel is that of f32, on operands that were widened when they were packed
// (element_types.h).
[[nodiscard]] bool widens(const KernelSpec& spec);
// What a format without groups stands for: blocks of narrow elements in groups, of bf16 also one by one.
[[nodiscard]] std::vector<Format> stored_as(const Format& format, ElementTypes types);

// Is this kernel legal on the target? The error says which rule it breaks:
// "mr 24 x nv 2 needs 51 vector registers, zen4 has 30 to use".
[[nodiscard]] Result<> check_schedule(const KernelSpec& spec, const Target& target);

// Every schedule worth trying for the spec (its schedule field is ignored), all legal, in a fixed order.
// At least one for every op that the format has kernels for (check_operation), layout and epilogue of f32; of narrow types
// for those that element_types.h has kernels for on the target, in formats of whole groups;
// of baked panels where check_bakes() admits them.
[[nodiscard]] std::vector<Schedule> enumerate_schedules(const KernelSpec& spec,
                                                        const Target& target);

// With kc: columns of C worked on at a time, whole tiles. A usual chunk of B in so many columns is a megabyte, which is
// read again for every panel and fits the L2 of server cores beside what passes through.
inline constexpr std::int32_t kUsualChunk = 1024;
[[nodiscard]] std::int64_t chunked_columns(const KernelSpec& spec, std::int64_t lanes);
// Rows of B that a chunk holds: those beyond kc are of a block that begins before its end.
[[nodiscard]] std::int64_t chunk_capacity(const KernelSpec& spec);
// Chunks of the reduced dimension: one without kc.
[[nodiscard]] std::int64_t chunks_of(const KernelSpec& spec, std::int64_t rows_in);

// A row-tile kernel with a column-major C: how many panels it collects in scratch before it transposes them out.
[[nodiscard]] std::int64_t panels_per_group(const KernelSpec& spec);

// Whether store paths apply the epilogue to the registers that hold the sums: scale, bias and relu. Any other one needs
// registers that a tile of sums does not leave free, and more code than can be repeated for each of them: the sums go to
// a tile in scratch of sums_tile_floats() floats first, and a loop takes them from there to C (llvm/finish.h).
[[nodiscard]] bool finishes_in_registers(const Epilogue& epilogue);
// Whether the sums of a whole panel, of both halves, are collected in that tile (glu, row strategy, a row-major C).
[[nodiscard]] bool collects_halves(const KernelSpec& spec);
[[nodiscard]] std::int64_t sums_tile_floats(const KernelSpec& spec, std::int64_t lanes);
// Baked panels store plain sums: whether they go to the tile of sums, and from there to C.
[[nodiscard]] bool stores_baked_sums(const KernelSpec& spec);
// A column-major C is transposed out of scratch so many columns and rows at a time.
inline constexpr std::int64_t kTransposedColumns = 4;
inline constexpr std::int64_t kTransposedRows = 64;

// sddmm only: the kernel packs C in every call, a column-major one or one that it widens (the layout of scratch is
// described in templates/llvm/sddmm_operands.h). kPackedRowOfC floats, an odd number of cache lines, spread the rows
// of the copy over all sets of L1.
[[nodiscard]] bool packs_c(const KernelSpec& spec);
// sddmm only: n is worked through kPackedColumns at a time, and sums of earlier stretches are read back from the values.
// Not where that would round them to a narrow type.
[[nodiscard]] bool takes_stretches(const KernelSpec& spec);
// Signed bytes of B are shifted by 128 (element_types.h); sums then start from -128 times the sum of a row's weights,
// which lie in scratch for the rows of a panel.
[[nodiscard]] bool shifts_dense(const KernelSpec& spec);
// Whether vectors of indices are looked up by permutes of a codebook in one or two registers (VPERMPS, VPERMI2PS of
// AVX-512); else they are gathered from it.
[[nodiscard]] bool permutes_codebook(const KernelSpec& spec, std::int64_t lanes);
// Bytes that 32 bits of a lane take in the values: 4, or one for an index.
[[nodiscard]] std::int64_t stored_lane_bytes(const KernelSpec& spec);
// Not sddmm: the values of a panel are rearranged or widened in scratch before they are read (llvm/panel_values.h).
[[nodiscard]] bool stages_values(const KernelSpec& spec);
inline constexpr std::int64_t kPackedColumns = 64;
inline constexpr std::int64_t kPackedRowOfC = 80;
// The lanes of `count` elements or groups of a packed C of narrow elements: an odd number of cache lines too.
inline constexpr std::int64_t kLineFloats = 16;
[[nodiscard]] std::int64_t packed_row_of_c(const Target& target, std::int64_t count);
// sddmm only: n is contiguous in what the tiles read as C, and tiles of one vector take ku columns at once.
[[nodiscard]] bool groups_columns(const KernelSpec& spec);

// The amx strategy: rows (and 32-bit columns) of a tile, and what its scratch holds before the sums.
inline constexpr std::int64_t kMatrixTileRows = 16;
inline constexpr std::int64_t kTileConfigFloats = 16;

// Whether there are kernels of the operation on the format, for such elements. Errors: kInvalidArgument, kUnsupported,
// naming both.
[[nodiscard]] Result<> check_operation(Op op, ElementTypes types, const Format& format);
// Whether there are kernels with glu for the rest of the spec, schedule included. Errors: as above.
[[nodiscard]] Result<> check_glu(const KernelSpec& spec);

// Floats of KernelArgs::scratch one call needs; n is n_end - n_begin, rows_in and rows_out as in abi.h.
[[nodiscard]] std::int64_t scratch_floats(const KernelSpec& spec, const Target& target,
                                          std::int64_t rows_in, std::int64_t rows_out,
                                          std::int64_t n);

// Whether a call may be split over panels, over n, or both without repeating work or racing on C.
struct Splits {
  bool panels = true;
  bool n = true;
  std::int32_t n_granule = 16;   // split n only at multiples of this
  bool repeats_packing = false;  // every part packs C for itself: no more parts than threads
  std::int32_t halves =
      1;  // panels of A to a panel of the call: with glu p and, of the other half, p
};
[[nodiscard]] Splits allowed_splits(const KernelSpec& spec, const Target& target);

// Whether spmm_transposed walks panels of A's transpose, in the format that A is stored in: its values, which lie in
// another order, are gathered into scratch by their numbers, a group of panels at a time.
[[nodiscard]] bool gathers_values(const KernelSpec& spec);

// Which index of the structure the kernel walks: panels are block rows or block columns of A.
enum class PanelDirection : std::uint8_t { kBlockRows, kBlockColumns };
[[nodiscard]] PanelDirection panel_direction(const KernelSpec& spec);

// What the kernel does per call, for prediction: exact counts from the block structure.
struct BlockCounts {
  std::int64_t panels =
      0;  // of A, of both halves with glu (block rows, or block columns for spmm_transposed)
  std::int64_t blocks =
      0;  // stored blocks; jammed rows, baked panels: columns of panels; N:M: groups of panels
  std::int64_t blocks_by_column =
      0;  // the blocks of A's transpose in the same format; blocks of r x c: as many
  std::int64_t weights = 0;                // stored values, padding included
  std::int64_t rows_out = 0, rows_in = 0;  // as in abi.h
};
struct WorkEstimate {
  // Vector FMAs, padding of tails and tiles included; of N:M also the permutes, as far as they share their units.
  double fmas = 0;
  double dots_bf16 = 0;     // VDPBF16PS
  double vector_loads = 0;  // full-width loads in the inner loops; of a gather one for each element
  double broadcasts = 0;
  double stores = 0;
  double tile_passes = 0;  // times the register tile is set up and drained: fixed overhead each
  double loop_ends = 0;    // of jammed rows' groups: loops whose length follows from the mask alone
  double shuffles = 0;     // of transposes
  double code_bytes = 0;   // of baked panels: fetched from beyond L1
  double bytes_a = 0;      // bytes of A, B, C requested from beyond L1 under the loop order
  double bytes_b = 0;
  double bytes_c = 0;
  double footprint_bytes = 0;  // all operands together
  // What bytes_b are read from again and again: B, its tile or its chunk, as the loop order has it.
  double reused_bytes = 0;
};
// A loop whose length follows from the mask alone ends with a misprediction; about the depth of today's x86 pipelines.
inline constexpr double kLoopEndCycles = 16;
// A byte of instructions beside one of data, from the same level: 14 to 30 bytes a cycle came from L2 (baked panels of
// 256 x 256 at density 0.5, of 512 x 512 at 0.2).
inline constexpr double kCodeByteCost = 1.5;
// Filling and draining a register tile beyond the latency of the last FMAs: a few branches and addresses.
inline constexpr double kTileTurnCycles = 8;

[[nodiscard]] WorkEstimate estimate_work(const KernelSpec& spec, const Target& target,
                                         const BlockCounts& counts, std::int64_t n);

}  // namespace lacuna
