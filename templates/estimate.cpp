// SPDX-License-Identifier: Apache-2.0
//
// estimate_work: what one call does, counted from the loop nests in templates/llvm/. Counts are exact for whole tiles;
// tails are rounded up to what the kernel executes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <variant>

#include "targets/base/dtype.h"
#include "targets/target.h"
#include "templates/activation.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/estimate_parts.h"
#include "templates/format.h"
#include "templates/inner_tile.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "templates/stream.h"

namespace lacuna {

using estimate::add_packing, estimate::add_row_walk, estimate::add_transposes,
    estimate::add_gathering, estimate::add_widening, estimate::row_walk, estimate::ceil_div,
    estimate::kFloatBytes, estimate::Shape, estimate::transpose_shuffles;

namespace {

Shape shape_of(const KernelSpec& spec, const Target& target, std::int64_t n) {
  const Bsr bsr = counted_as(spec.format);
  const bool transposed = spec.op == Op::kSpmmTransposed && !gathers_values(spec);
  Shape s{};
  s.height = transposed ? bsr.c : bsr.r;
  s.group = group_of(spec.format);
  s.depth = (transposed ? bsr.r : bsr.c) / s.group;
  s.r = bsr.r;
  s.c = bsr.c;
  const OperandTypes types = operand_types(spec.types);
  const bool sddmm = spec.op == Op::kSddmm;
  s.a_bytes = size_bytes(sddmm ? types.result : types.weights);
  s.b_bytes = size_bytes(types.dense);
  s.c_bytes = size_bytes(sddmm ? types.dense : types.result);
  s.lanes = target.f32_lanes();
  s.n = static_cast<double>(n);
  s.vectors = ceil_div(s.n, s.lanes);
  s.mr = spec.schedule.mr;
  s.nv = spec.schedule.nv;
  return s;
}

// Blocks whose pairs are turned from along k to along m: a load, a shuffle and a store for every four elements.
void add_staging(const Shape& s, const BlockCounts& counts, WorkEstimate& work) {
  const double squares = static_cast<double>(counts.blocks) * s.r * s.c / (s.group * s.group);
  work.broadcasts += squares;
  work.shuffles += squares;
  work.stores += squares;
}

WorkEstimate row_tile(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const double blocks = static_cast<double>(counts.blocks);
  const double parts = ceil_div(s.height, s.mr);
  const auto [tiles, chunks] = row_walk(spec, s, counts);
  WorkEstimate work;
  work.fmas = blocks * s.depth * s.height * s.vectors;
  work.vector_loads = blocks * s.depth * parts * s.vectors;
  work.broadcasts = blocks * s.depth * s.height * tiles;
  work.stores = static_cast<double>(counts.rows_out) * s.vectors;
  work.tile_passes = static_cast<double>(counts.panels) * parts * tiles * chunks;
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  work.bytes_a = blocks * s.r * s.c * s.a_bytes * (streams_a ? tiles : 1);
  // Each part of a panel's rows walks the panel's rows of B again, which L1 does not hold but of a short panel.
  constexpr double kHeldByL1 = 24576;
  const double panels = std::max<double>(1, static_cast<double>(counts.panels));
  const double walked = blocks / panels * s.depth / chunks * s.nv * s.lanes * kFloatBytes;
  // Lanes: narrow elements are packed.
  work.bytes_b = blocks * s.depth * s.n * kFloatBytes * (walked > kHeldByL1 ? parts : 1);
  work.bytes_c = static_cast<double>(counts.rows_out) * s.n * s.c_bytes;
  add_row_walk(spec, s, counts, work);
  if (stages_values(spec) && !widens(spec)) add_staging(s, counts, work);
  add_widening(spec, s, counts, work);
  add_packing(spec, s, counts, work);
  return work;
}

WorkEstimate scatter(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const double blocks = static_cast<double>(counts.blocks);
  const double parts = ceil_div(s.r, s.mr);
  const double tiles = ceil_div(s.vectors, s.nv);
  const double block_rows = ceil_div(static_cast<double>(counts.rows_in), s.r);
  WorkEstimate work;
  work.fmas = blocks * s.r * s.c * s.vectors;
  work.vector_loads =
      blocks * s.c * parts * s.vectors + static_cast<double>(counts.rows_in) * s.vectors;
  work.broadcasts = blocks * s.r * s.c * tiles;
  work.stores = blocks * s.c * parts * s.vectors + static_cast<double>(counts.rows_out) * s.vectors;
  work.tile_passes = block_rows * parts * tiles;
  work.bytes_a = blocks * s.r * s.c * s.a_bytes * tiles;
  work.bytes_b = static_cast<double>(counts.rows_in) * s.n * kFloatBytes;
  work.bytes_c = 2 * blocks * s.c * parts * s.n * kFloatBytes;
  add_widening(spec, s, counts, work);
  add_packing(spec, s, counts, work);
  return work;
}

WorkEstimate column_tile(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const double blocks = static_cast<double>(counts.blocks);
  const double parts = s.height / (s.nv * s.lanes);
  const double tiles = ceil_div(s.n, s.mr);
  const double line_floats = 16;
  WorkEstimate work;
  work.fmas = blocks * s.depth * (s.height / s.lanes) * s.n;
  work.vector_loads = blocks * s.depth * (s.height / s.lanes) * tiles;
  work.broadcasts = blocks * s.depth * parts * s.n;
  work.stores = static_cast<double>(counts.rows_out) / s.lanes * s.n;
  work.tile_passes = static_cast<double>(counts.panels) * parts * tiles;
  if (stages_values(spec) && s.group > 1) {
    add_staging(s, counts, work);
  } else if (stages_values(spec)) {
    work.shuffles = blocks * (s.r / s.lanes) * (s.c / s.lanes) * transpose_shuffles(s.lanes);
    work.stores += blocks * s.r * s.c / s.lanes;
  }
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  work.bytes_a = blocks * s.r * s.c * s.a_bytes * (streams_a ? tiles : 1);
  // Whole lines of B are fetched even where a block uses part of them.
  work.bytes_b = blocks * std::max(s.depth, line_floats) * s.n * kFloatBytes;
  work.bytes_c = static_cast<double>(counts.rows_out) * s.n * s.c_bytes;
  return work;
}

// What the amx strategy copies: B as tiles, once, and the values of each panel where they are staged.
void add_matrix_packing(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                        WorkEstimate& work) {
  if (!spec.schedule.pack) return;
  const double vectors = static_cast<double>(counts.rows_in) / s.group * s.vectors;
  const bool tokens_first = spec.layout_c == Layout::kColMajor;
  const bool by_token = spec.layout_b == Layout::kColMajor;
  work.vector_loads += vectors;
  work.stores += vectors;
  work.bytes_b += vectors * s.lanes * kFloatBytes;
  if (!by_token) work.shuffles += vectors * s.group / 2;
  if (tokens_first != by_token) add_transposes(vectors / s.lanes, s.lanes, work);
  if (!stages_values(spec)) return;
  const double values = static_cast<double>(counts.weights) / s.group / s.lanes;
  if (tokens_first) {
    add_staging(s, counts, work);
  } else if (spec.op == Op::kSpmm) {
    add_transposes(values / s.lanes, s.lanes, work);
    work.stores += values;
  } else {
    work.vector_loads += values;
    work.shuffles += 4 * values;
    work.stores += 2 * values;
  }
}

// A tile of the matrix unit is loaded by rows, 16 of them. A product takes 16 cycles by the manual (Intel optimization
// manual, chapter 20); measured are 32 (registers only, Granite Rapids as a virtual machine).
WorkEstimate matrix_tile(const KernelSpec& spec, const Target& target, const Shape& s,
                         const BlockCounts& counts) {
  const double blocks = static_cast<double>(counts.blocks);
  const auto tile = static_cast<double>(kMatrixTileRows);
  const double steps = ceil_div(s.depth, tile);
  const double row_tiles = ceil_div(s.height, tile);
  const double token_tiles = ceil_div(s.n, tile);
  const double products = blocks * steps * row_tiles * token_tiles;
  WorkEstimate work;
  constexpr double kCyclesOfProduct = 32;
  work.fmas = products * kCyclesOfProduct * target.pipes.fma_per_cycle;
  work.vector_loads = products * tile * (1 / s.mr + 1 / s.nv);
  work.stores = 2 * static_cast<double>(counts.rows_out) / s.lanes * s.n;
  work.vector_loads += static_cast<double>(counts.rows_out) / s.lanes * s.n;
  work.tile_passes =
      static_cast<double>(counts.panels) * ceil_div(row_tiles, s.nv) * ceil_div(token_tiles, s.mr);
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  work.bytes_a = blocks * s.r * s.c * s.a_bytes * (streams_a ? ceil_div(token_tiles, s.mr) : 1);
  work.bytes_b = blocks * s.depth * s.group * s.n * s.b_bytes * ceil_div(row_tiles, s.nv);
  work.bytes_c = static_cast<double>(counts.rows_out) * s.n * s.c_bytes;
  const double columns = streams_a ? std::min(s.n, s.mr * tile) : s.n;
  work.reused_bytes = static_cast<double>(counts.rows_in) * columns * s.b_bytes;
  add_matrix_packing(spec, s, counts, work);
  return work;
}

WorkEstimate sddmm_tile(const KernelSpec& spec, const Shape& s, const BlockCounts& counts) {
  const double blocks = static_cast<double>(counts.blocks);
  const double row_vectors = ceil_div(s.r, s.lanes);
  // One-column blocks are taken mr at a time, the last group of each panel padded.
  const double panels = static_cast<double>(counts.panels);
  const double columns = s.c > 1 ? blocks * s.c : blocks + panels * (s.mr - 1) / 2;
  const double tiles = columns / s.mr * ceil_div(row_vectors, s.nv);
  const double line_floats = 16;
  const double steps = ceil_div(s.n, s.group);
  WorkEstimate work;
  work.fmas = columns * row_vectors * steps;
  work.vector_loads = tiles * s.nv * steps;
  work.broadcasts = columns * ceil_div(row_vectors, s.nv) * steps;
  // The values are stored after every stretch of n, and read again from the second on.
  const double stretches =
      takes_stretches(spec) ? ceil_div(s.n, static_cast<double>(kPackedColumns)) : 1;
  work.stores = columns * row_vectors * stretches;
  work.vector_loads += columns * row_vectors * (stretches - 1);
  work.tile_passes = tiles * stretches;
  work.bytes_a = blocks * s.r * s.c * s.a_bytes * (2 * stretches - 1);
  work.bytes_b = panels * s.r * s.n * s.b_bytes;
  if (spec.schedule.pack) {
    if (spec.layout_b == Layout::kRowMajor)
      add_transposes(panels * row_vectors * ceil_div(steps, s.lanes), s.lanes, work);
    else
      work.vector_loads += panels * row_vectors * s.n;
    work.stores += panels * row_vectors * steps;
  }
  // The address of a row of C is loaded once for ku columns.
  if (groups_columns(spec)) work.broadcasts += columns * steps / spec.schedule.ku;
  const bool strided_c = spec.layout_c == Layout::kColMajor && !packs_c(spec);
  work.bytes_c = (strided_c ? blocks * std::max(s.c, line_floats) : blocks * s.c) * s.n * s.c_bytes;
  if (packs_c(spec)) {
    const auto rows = static_cast<double>(counts.rows_in);
    if (s.group == 1 && spec.layout_c == Layout::kColMajor)
      add_transposes(ceil_div(rows, s.lanes) * s.vectors, s.lanes, work);
    else
      work.shuffles += ceil_div(rows, s.lanes) * steps;
    work.stores += ceil_div(rows, s.lanes) * steps;
    work.bytes_c += rows * s.n * s.c_bytes;
  }
  return work;
}

WorkEstimate bsr_work(const KernelSpec& spec, const Target& target, const Shape& s,
                      const BlockCounts& counts) {
  switch (spec.schedule.strategy) {
    case Strategy::kRowTile:
      return row_tile(spec, s, counts);
    case Strategy::kScatter:
      return scatter(spec, s, counts);
    case Strategy::kColumnTile:
      return column_tile(spec, s, counts);
    case Strategy::kMatrixTile:
      return matrix_tile(spec, target, s, counts);
    case Strategy::kSddmmTile:
      return sddmm_tile(spec, s, counts);
    case Strategy::kInnerTile:
      return inner_work(spec, target, counts, static_cast<std::int64_t>(s.n));
    case Strategy::kStream:
      return stream_work(spec, target, counts, static_cast<std::int64_t>(s.n));
    case Strategy::kPermute:
      break;  // of N:M only
  }
  return {};
}

// A broadcast weight takes one more load; a vector of indices is widened and permuted, or gathered lane by lane.
void add_lookups(const KernelSpec& spec, const Shape& s, WorkEstimate& work) {
  if (spec.schedule.strategy != Strategy::kColumnTile) {
    work.broadcasts *= 2;
    return;
  }
  if (permutes_codebook(spec, static_cast<std::int64_t>(s.lanes)))
    work.shuffles += 2 * work.vector_loads;
  else
    work.vector_loads *= 1 + s.lanes;
}

// What is done to each vector of C beyond storing it.
void add_epilogue(const KernelSpec& spec, const Shape& s, const BlockCounts& counts,
                  WorkEstimate& work) {
  const Epilogue& epilogue = spec.epilogue;
  const auto rows = static_cast<double>(counts.rows_out);
  const double vectors = rows * s.vectors;
  if (epilogue.activation != Activation::kNone) {
    const ActivationFacts& facts = facts_of(epilogue.activation);
    work.fmas += vectors * (epilogue.derivative ? facts.slope_work : facts.work);
  }
  const double operands = static_cast<double>(epilogue.derivative) +
                          static_cast<double>(epilogue.gate) +
                          static_cast<double>(epilogue.residual);
  work.vector_loads += vectors * operands;
  if (scales_columns(epilogue.scale)) work.vector_loads += vectors;
  work.bytes_c += operands * rows * s.n * s.c_bytes;
  work.footprint_bytes += operands * rows * s.n * s.c_bytes;
  if (finishes_in_registers(epilogue) && !stores_baked_sums(spec)) return;
  work.stores += vectors * epilogue.halves();  // through the tile of sums
  work.vector_loads += vectors * epilogue.halves();
  if (epilogue.glu) work.fmas += vectors;
}

}  // namespace

WorkEstimate estimate_work(const KernelSpec& spec, const Target& target,
                           const BlockCounts& counts_of_a, std::int64_t n) {
  const Shape s = shape_of(spec, target, n);
  BlockCounts counts = counts_of_a;
  if (gathers_values(spec)) counts.blocks = counts.blocks_by_column;
  WorkEstimate work =
      std::visit(PerFormat{[&](const Bsr&) { return bsr_work(spec, target, s, counts); },
                           [&](const Jam&) { return estimate::jam_work(spec, s, counts); },
                           [&](const NofM&) { return permute_work(spec, target, counts, n); },
                           [&](const Baked&) {
                             WorkEstimate baked = baked_work(spec, target, counts, n);
                             add_gathering(spec, s, counts, baked);
                             add_packing(spec, s, counts, baked);
                             return baked;
                           }},
                 spec.format);
  const bool sddmm = spec.op == Op::kSddmm;  // B has the rows of A
  const double dense = static_cast<double>(counts.rows_in) * (sddmm ? s.c_bytes : s.b_bytes) +
                       static_cast<double>(counts.rows_out) * (sddmm ? s.b_bytes : s.c_bytes);
  work.footprint_bytes += static_cast<double>(counts.weights) * s.a_bytes + dense * s.n;
  if (const auto* const nm = std::get_if<NofM>(&spec.format))
    work.footprint_bytes += static_cast<double>(counts.weights) * nm->index_bits() / 8;
  if (work.reused_bytes == 0) work.reused_bytes = work.footprint_bytes;
  if (has_codebook(spec.types)) add_lookups(spec, s, work);
  const bool vector_code = spec.schedule.strategy != Strategy::kMatrixTile;
  if (vector_code && group_of(spec.format) > 1) {
    // Groups that are widened take two FMAs, and as many instructions to widen the scalar.
    constexpr double kPerGroup = 4;
    if (!multiplies_groups(spec.types, target))
      work.fmas *= kPerGroup;
    else if (!are_integers(spec.types))
      work.dots_bf16 = std::exchange(work.fmas, 0);
  }
  // Bytes one by one: without an instruction that does both, products are added by another.
  if (are_integers(spec.types) && widens(spec) && !multiplies_groups(spec.types, target))
    work.fmas *= 2;
  add_epilogue(spec, s, counts, work);
  return work;
}

}  // namespace lacuna
