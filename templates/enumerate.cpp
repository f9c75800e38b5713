// SPDX-License-Identifier: Apache-2.0
//
// Which schedules are worth trying (declared in registry.h).
#include <cstdint>
#include <variant>
#include <vector>

#include "targets/base/fields.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/inner_tile.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "templates/spec_dims.h"
#include "templates/stream.h"

namespace lacuna {
namespace {

bool has_strategy(const KernelSpec& spec, Strategy strategy) {
  if (is_nm(spec)) return false;
  switch (strategy) {
    case Strategy::kRowTile:
    case Strategy::kColumnTile:
      return spec.op != Op::kSddmm;
    case Strategy::kScatter:
      return spec.op == Op::kSpmmTransposed;
    case Strategy::kMatrixTile:
      return spec.op != Op::kSddmm && !is_jammed(spec);
    case Strategy::kSddmmTile:
      return spec.op == Op::kSddmm;
    case Strategy::kPermute:
    case Strategy::kInnerTile:
    case Strategy::kStream:
      break;  // they have their own lists
  }
  return false;
}

// The ways to cut `height` rows into equal or nearly equal parts: ceil(height / parts).
std::vector<int> balanced_parts(int height) {
  std::vector<int> sizes;
  for (int parts = 1; parts <= height; ++parts) {
    const int size = (height + parts - 1) / parts;
    if (sizes.empty() || sizes.back() != size) sizes.push_back(size);
  }
  return sizes;
}

// FMAs in the code of a jammed kernel: each weight of each group, in tiles of every width (for_each_column_tile), or
// for sddmm in the unrolled loop, the single vectors and the tail.
int jammed_fmas(const KernelSpec& spec) {
  const Jam& jam = std::get<Jam>(spec.format);
  const int nv = spec.schedule.nv;
  const int between = nv == 3 ? 2 : nv / 2;
  const int widths = nv + (nv >= 3 ? between : 0) + 1;
  const int weights = jam.r << (jam.r - 1);
  return weights * (spec.op == Op::kSddmm ? spec.schedule.ku + 2 : widths);
}

std::vector<int> scalar_sides(const KernelSpec& spec, Strategy strategy) {
  if (const auto* const jam = std::get_if<Jam>(&spec.format)) return {jam->r};
  const Bsr& bsr = std::get<Bsr>(spec.format);
  switch (strategy) {
    case Strategy::kRowTile:
      return balanced_parts(dims_of(spec).height);
    case Strategy::kScatter:
      return balanced_parts(dims_of(spec).depth);
    case Strategy::kColumnTile:
      return {1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28};
    case Strategy::kMatrixTile:
      return {1, 2, 3, 4, 5};
    case Strategy::kSddmmTile:
      return bsr.c > 1 ? balanced_parts(bsr.c) : std::vector<int>{1, 2, 4, 6, 8, 12, 16, 20};
    case Strategy::kPermute:
    case Strategy::kInnerTile:
    case Strategy::kStream:
      break;
  }
  return {};
}

// Accumulators of a tile that is worth chunks.
constexpr int kLeastChunkedTile = 8;

}  // namespace

std::vector<Schedule> enumerate_schedules(const KernelSpec& spec, const Target& target) {
  if (is_nm(spec)) return enumerate_permutes(spec, target);
  if (is_baked(spec)) return enumerate_baked(spec, target);
  std::vector<Schedule> legal = enumerate_inners(spec, target);
  for (const Schedule& schedule : enumerate_streams(spec, target))
    legal.push_back(schedule);
  for (const auto& [strategy, name] : EnumNames<Strategy>::kNames) {
    if (!has_strategy(spec, strategy)) continue;
    for (const int mr : scalar_sides(spec, strategy))
      for (const int nv : {1, 2, 3, 4, 6})
        for (const int ku : {1, 2, 4, 8})
          for (const LoopOrder order : {LoopOrder::kPanelOuter, LoopOrder::kTileOuter})
            for (const bool pack : {false, true}) {
              KernelSpec candidate = spec;
              candidate.schedule = {strategy, mr, nv, ku, order, pack, 0};
              const bool too_deep = spec.op != Op::kSddmm && ku >= dims_of(spec).depth;
              if (ku > 1 && (too_deep || mr * nv * ku > 128)) continue;
              if (ku > 4 && (spec.op != Op::kSddmm || !groups_columns(candidate))) continue;
              // Compile time grows with the code: 600 FMAs take about 25 ms.
              constexpr int kMostJammedFmas = 600;
              if (is_jammed(spec) && jammed_fmas(candidate) > kMostJammedFmas) continue;
              if (check_schedule(candidate, target)) legal.push_back(candidate.schedule);
              // Tiles narrower than that are for a few columns of C, where nothing is used again.
              if (mr * nv < kLeastChunkedTile) continue;
              candidate.schedule.kc = kUsualChunk;
              if (check_schedule(candidate, target)) legal.push_back(candidate.schedule);
            }
  }
  return legal;
}

}  // namespace lacuna
