// SPDX-License-Identifier: Apache-2.0
#include "templates/stream.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <variant>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr double kFloatBytes = 4;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

int vectors_of_rows(const Bsr& bsr, int lanes) {
  return std::max(1, bsr.r / lanes);
}

// Blocks of such sizes fill vectors without a rest.
bool fills_vectors(const Bsr& bsr, int lanes) {
  if (bsr.r % lanes == 0) return true;
  if (lanes % bsr.r != 0) return false;
  const int columns = lanes / bsr.r;
  return bsr.c % columns == 0 || columns % bsr.c == 0;
}

// FMAs in the code: the steps of blocks that are taken together, those of a single one, and those of the rest.
int fmas_in_code(const KernelSpec& spec, const StreamShape& shape) {
  const int unrolled = std::min(spec.schedule.ku, shape.steps);
  const int copies = shape.together > 1 ? shape.together + 1 : 1;
  const int rest = shape.blocks > 1 ? 1 : 0;
  return spec.schedule.mr * spec.schedule.nv * (unrolled * copies + rest);
}

}  // namespace

StreamShape stream_shape(const KernelSpec& spec, int lanes) {
  const Bsr& bsr = std::get<Bsr>(spec.format);
  const Schedule& s = spec.schedule;
  StreamShape shape;
  shape.columns = std::max(1, lanes / bsr.r);
  shape.blocks = std::max(1, shape.columns / bsr.c);
  shape.steps = std::max(1, bsr.c / shape.columns);
  shape.together = std::max(1, s.ku / shape.steps);
  // Two FMAs start a cycle and take about 4; of 16 registers, sums get as many as one a cycle needs.
  const int chains = lanes == 16 ? 8 : 4;
  shape.sums = std::clamp((chains + s.mr * s.nv - 1) / (s.mr * s.nv), 1, s.ku);
  shape.panels = std::max(1, kNmPanelRows / bsr.r);
  shape.collected = shape.panels * bsr.r;
  constexpr int kStretch = 16;
  shape.stretch = std::max(1, kStretch / s.mr) * s.mr;
  return shape;
}

bool gathers_dense(const StreamShape& shape) {
  constexpr int kMostPieces = 4;
  return shape.blocks > kMostPieces;
}

bool streams_packed(const KernelSpec& spec, int lanes) {
  return spec.layout_b == Layout::kRowMajor && stream_shape(spec, lanes).columns > 1;
}

// A line more than whole vectors: columns a power of two apart would share few sets of L1.
std::int64_t stream_column_floats(std::int64_t rows_in) {
  return ceil_div(rows_in, kLineFloats) * kLineFloats + kLineFloats;
}

Result<> check_stream(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const auto* const bsr = std::get_if<Bsr>(&spec.format);
  if (spec.op != Op::kSpmm || bsr == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "the stream strategy is for spmm on blocks");
  if (target.isa != Isa::kX86_64)
    return make_error(ErrorCode::kUnsupported, "target {}: no stream kernels for {} yet",
                      target.name, to_text(target.isa));
  if (spec.types != ElementTypes::kF32)
    return make_error(ErrorCode::kUnsupported, "the stream strategy is for f32, not {}",
                      to_text(spec.types));
  const int lanes = target.f32_lanes();
  if (!fills_vectors(*bsr, lanes))
    return make_error(ErrorCode::kInvalidArgument,
                      "the stream strategy needs blocks that fill vectors of {} lanes, not {}",
                      lanes, to_text(spec.format));
  if (s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument, "the stream strategy needs loop order po");
  if (s.pack != streams_packed(spec, lanes))
    return make_error(ErrorCode::kInvalidArgument,
                      "the stream strategy packs a row-major B where a vector covers several "
                      "columns, and only then");
  if (s.nv != vectors_of_rows(*bsr, lanes))
    return make_error(ErrorCode::kInvalidArgument, "nv {} is not the {} vectors of {} rows", s.nv,
                      vectors_of_rows(*bsr, lanes), bsr->r);
  constexpr int kMostColumns = 8;
  if (s.mr > kMostColumns)
    return make_error(ErrorCode::kInvalidArgument,
                      "the stream strategy takes at most mr {}, not {}", kMostColumns, s.mr);
  const StreamShape shape = stream_shape(spec, lanes);
  // Sums, the values of a step, an element of B and how it is brought to the lanes; what lies apart is put together from
  // pieces, or gathered. With 16 registers, LLVM holds elements of several columns at once (seen as spills of 6 columns
  // gathered, of 8 put together).
  const bool wide = target.has_feature("avx512f");
  int bringing = shape.blocks > 1 ? 3 : 0;
  if (!wide && shape.columns > 1) bringing = gathers_dense(shape) ? 9 : 5;
  const int finishing = !wide && !finishes_in_registers(spec.epilogue) ? 3 : 0;
  return check_registers(spec, target, s.mr * s.nv * shape.sums + s.nv + 2 + bringing + finishing);
}

std::vector<Schedule> enumerate_streams(const KernelSpec& spec, const Target& target) {
  std::vector<Schedule> legal;
  const auto* const bsr = std::get_if<Bsr>(&spec.format);
  if (bsr == nullptr || bsr->group != 1) return legal;
  const int lanes = target.f32_lanes();
  constexpr int kMostFmas = 160;  // compile time grows with the code
  for (const int mr : {1, 2, 3, 4, 6, 8})
    for (const int ku : {1, 2, 4, 8}) {
      KernelSpec candidate = spec;
      candidate.schedule = {Strategy::kStream,
                            mr,
                            vectors_of_rows(*bsr, lanes),
                            ku,
                            LoopOrder::kPanelOuter,
                            false,
                            0};
      candidate.schedule.pack = streams_packed(candidate, lanes);
      if (!check_schedule(candidate, target)) continue;
      if (fmas_in_code(candidate, stream_shape(candidate, lanes)) <= kMostFmas)
        legal.push_back(candidate.schedule);
    }
  return legal;
}

// In the order of llvm/stream_operands.h: a row that absorbs, rows on their way through the epilogue, the results of some
// panels, packed columns of B.
std::int64_t stream_scratch_floats(const KernelSpec& spec, const Target& target,
                                   std::int64_t rows_in, std::int64_t n) {
  const StreamShape shape = stream_shape(spec, target.f32_lanes());
  const std::int64_t collected = ceil_div(spec.schedule.mr, 4) * 4 * shape.collected;
  const std::int64_t packed =
      spec.schedule.pack ? std::min<std::int64_t>(n, shape.stretch) * stream_column_floats(rows_in)
                         : 0;
  return kNmPanelRows + sums_tile_floats(spec, target.f32_lanes()) + kRowsBeforeCollected +
         collected + packed;
}

WorkEstimate stream_work(const KernelSpec& spec, const Target& target, const BlockCounts& counts,
                         std::int64_t n) {
  const Bsr& bsr = std::get<Bsr>(spec.format);
  const Schedule& s = spec.schedule;
  const int lanes = target.f32_lanes();
  const StreamShape shape = stream_shape(spec, lanes);
  const auto blocks = static_cast<double>(counts.blocks);
  const auto panels = static_cast<double>(counts.panels);
  const double tiles = std::ceil(static_cast<double>(n) / s.mr);
  const double columns = tiles * s.mr;
  const double stored = blocks * bsr.r * bsr.c;
  // Of blocks that share vectors, the last ones of a panel fill theirs half, on average.
  const double vectors = stored / lanes + (shape.blocks > 1 ? panels / 2 : 0);
  WorkEstimate work;
  work.fmas = vectors * columns;
  work.vector_loads = vectors * tiles;
  const double elements = vectors / s.nv * columns;  // vectors of elements of B
  if (gathers_dense(shape)) {
    work.vector_loads += elements * shape.columns;
    work.shuffles += elements;
  } else {
    work.broadcasts += elements * shape.blocks;
    if (shape.columns > 1 && bsr.r > 1) work.shuffles += elements;
  }
  // A vector of partial sums is halved until it holds a row each.
  const double halvings = std::log2(std::max(1, shape.columns));
  work.shuffles += panels * columns * halvings;
  work.fmas += panels * columns * (halvings + (shape.sums - 1) * s.nv);
  const double results = static_cast<double>(counts.rows_out) * static_cast<double>(n) / lanes;
  work.stores += panels * columns * s.nv + results;
  work.vector_loads += results;
  if (s.pack) {
    const double moved = static_cast<double>(counts.rows_in) * static_cast<double>(n);
    work.broadcasts += moved / 2;  // squares of four columns, the rest one by one
    work.stores += moved / 2;
    work.bytes_b += moved * kFloatBytes;
  }
  work.tile_passes = panels * tiles;
  work.bytes_a = stored * kFloatBytes + blocks * 4;
  work.bytes_b += elements * shape.columns * kFloatBytes;
  work.bytes_c = static_cast<double>(counts.rows_out) * static_cast<double>(n) * kFloatBytes;
  return work;
}

}  // namespace lacuna
