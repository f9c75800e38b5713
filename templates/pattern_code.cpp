// SPDX-License-Identifier: Apache-2.0
#include "templates/pattern_code.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr std::int64_t kRegisters = 32;
constexpr std::int64_t kRowsOfAStep = 8;  // what scaled index registers of 1, 3, 5 and 7 rows reach
// A byte of displacement reaches 128 weights down and 127 up.
constexpr std::int64_t kWeightBytes = 4;
constexpr std::int64_t kReachDown = 128 * kWeightBytes;
constexpr std::int64_t kReach = 256 * kWeightBytes;

// Emits one panel: follows the two pointers.
class PanelWriter {
 public:
  PanelWriter(int r, std::vector<PatternInstruction>& code) : r_(r), code_(code) {}

  void add_column(std::int32_t column, std::uint32_t rows) {
    const std::int64_t step = column / kRowsOfAStep;
    if (step != step_) add(PatternOp::kStepRows, 0, 0, step - step_);
    step_ = step;
    // Registers beyond the sums take turns, so that loads run ahead of the FMAs that use them.
    vector_ = vector_ + 1 < kRegisters ? vector_ + 1 : r_;
    add(PatternOp::kLoadRow, 0, vector_, column % kRowsOfAStep);
    for (; rows != 0; rows &= rows - 1)
      add_weight(std::countr_zero(rows));
  }

 private:
  void add(PatternOp op, int sum, std::int64_t vector, std::int64_t number) {
    code_.push_back({op, sum, static_cast<std::int32_t>(vector), number});
  }
  void add_weight(int row) {
    if (offset_ == kReach - kReachDown) {
      add(PatternOp::kStepWeights, 0, 0, kReach);
      offset_ -= kReach;
    }
    add(PatternOp::kMultiplyAdd, row, vector_, offset_);
    offset_ += kWeightBytes;
  }

  std::int64_t r_;
  std::vector<PatternInstruction>& code_;
  std::int64_t step_ = 0;
  std::int64_t vector_ = kRegisters;
  std::int64_t offset_ = -kReachDown;
};

constexpr std::array<std::string_view, 9> kOpNames = {"begin",        "zero",      "load_row",
                                                      "multiply_add", "step_rows", "step_weights",
                                                      "store",        "next_row",  "return"};

std::int64_t panel_rows(const Pattern& pattern, std::int64_t panel) {
  return std::min<std::int64_t>(pattern.format.r, pattern.m - panel * pattern.format.r);
}

}  // namespace

BlockCounts counts_of(const Pattern& pattern) {
  BlockCounts counts;
  counts.panels = pattern.panels();
  counts.blocks = static_cast<std::int64_t>(pattern.column.size());
  for (const std::uint32_t rows : pattern.rows)
    counts.weights += std::popcount(rows);
  counts.rows_out = pattern.m;
  counts.rows_in = pattern.k;
  return counts;
}

void make_panel_code(const Pattern& pattern, std::int64_t panel,
                     std::vector<PatternInstruction>& code) {
  code.clear();
  const auto rows = static_cast<std::int32_t>(panel_rows(pattern, panel));
  code.push_back({.op = PatternOp::kBegin});
  code.push_back({.op = PatternOp::kStepWeights, .number = kReachDown});
  for (std::int32_t row = 0; row < rows; ++row)
    code.push_back({.op = PatternOp::kZero, .sum = row});
  PanelWriter writer(pattern.format.r, code);
  const auto p = static_cast<std::size_t>(panel);
  for (std::int64_t i = pattern.ptr[p]; i < pattern.ptr[p + 1]; ++i)
    writer.add_column(pattern.column[static_cast<std::size_t>(i)],
                      pattern.rows[static_cast<std::size_t>(i)]);
  for (std::int32_t row = 0; row < rows; ++row) {
    if (row > 0) code.push_back({.op = PatternOp::kNextRow});
    code.push_back({.op = PatternOp::kStore, .sum = row});
  }
  code.push_back({.op = PatternOp::kReturn});
}

std::string to_text(std::span<const PatternInstruction> code) {
  std::string text;
  for (const PatternInstruction& i : code) {
    text += kOpNames.at(static_cast<std::size_t>(i.op));
    const bool sums =
        i.op == PatternOp::kZero || i.op == PatternOp::kMultiplyAdd || i.op == PatternOp::kStore;
    const bool vectors = i.op == PatternOp::kLoadRow || i.op == PatternOp::kMultiplyAdd;
    const bool numbers = vectors || i.op == PatternOp::kStepRows || i.op == PatternOp::kStepWeights;
    if (sums) text += fmt::format(" s{}", i.sum);
    if (vectors) text += fmt::format(" v{}", i.vector);
    if (numbers) text += fmt::format(" {:+}", i.number);
    text += '\n';
  }
  return text;
}

std::int64_t pattern_bytes(const Baked& format, const BlockCounts& counts) {
  constexpr std::int64_t kOfAWeight = 7, kOfALoad = 7, kOfAStep = 10, kOfAWeightStep = 7;
  constexpr std::int64_t kOfARow = 16;     // zero, store, next row
  constexpr std::int64_t kOfAPanel = 128;  // arguments, return, alignment, its entry in the table
  const std::int64_t steps =
      std::min(counts.blocks, counts.panels * (counts.rows_in / kRowsOfAStep + 1));
  const std::int64_t weight_steps = counts.weights / (kReach / kWeightBytes) + counts.panels;
  return counts.weights * kOfAWeight + counts.blocks * kOfALoad + steps * kOfAStep +
         weight_steps * kOfAWeightStep + counts.panels * (format.r * kOfARow + kOfAPanel);
}

Result<> check_pattern_bytes(const Format& format, const BlockCounts& counts) {
  const auto* const baked = std::get_if<Baked>(&format);
  if (baked == nullptr) return {};
  const std::int64_t bytes = pattern_bytes(*baked, counts);
  if (bytes <= kMostPatternBytes) return {};
  return make_error(ErrorCode::kUnsupported,
                    "the code of {} for {} weights takes up to {} bytes, the limit is {}",
                    to_text(format), counts.weights, bytes, kMostPatternBytes);
}

Result<> check_bakes(Op op, ElementTypes types, const Target& target) {
  if (op != Op::kSddmm && types == ElementTypes::kF32 && target.isa == Isa::kX86_64 &&
      target.has_feature("avx512f") && target.vector_bits == 512)
    return {};
  return make_error(ErrorCode::kUnsupported,
                    "baked panels are for spmm and spmm_transposed of f32 with AVX-512, not for "
                    "{} of {} on {}",
                    to_text(op), to_text(types), target.name);
}

// Their code is for tiles of one vector, and holds the sums of all rows; its registers are its own.
Result<> check_baked(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const int r = std::get<Baked>(spec.format).r;
  LACUNA_TRY_VOID(check_bakes(spec.op, spec.types, target));
  if (s.strategy != Strategy::kRowTile)
    return make_error(ErrorCode::kInvalidArgument, "baked panels take the row strategy only");
  if (s.mr != r || s.nv != 1 || s.ku != 1 || s.kc != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "baked panels of {} rows need mr {}, nv 1 and ku 1, without kc", r, r);
  const bool col_major = spec.layout_b == Layout::kColMajor || spec.layout_c == Layout::kColMajor;
  if (col_major && !s.pack)
    return make_error(ErrorCode::kInvalidArgument,
                      "baked panels need pack with a column-major operand");
  if (gathers_values(spec) && s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument,
                      "a panel's values are gathered once: spmm_transposed of baked panels needs "
                      "loop order po");
  return {};
}

std::vector<Schedule> enumerate_baked(const KernelSpec& spec, const Target& target) {
  std::vector<Schedule> legal;
  KernelSpec candidate = spec;
  for (const LoopOrder order : {LoopOrder::kPanelOuter, LoopOrder::kTileOuter})
    for (const bool pack : {false, true}) {
      candidate.schedule = {.strategy = Strategy::kRowTile,
                            .mr = std::get<Baked>(spec.format).r,
                            .order = order,
                            .pack = pack};
      if (check_schedule(candidate, target)) legal.push_back(candidate.schedule);
    }
  return legal;
}

std::string pattern_name(const Pattern& pattern, std::string_view target_name) {
  Hasher hasher;
  hasher.append_scalar(pattern.m);
  hasher.append_scalar(pattern.k);
  hasher.append(std::as_bytes(pattern.ptr));
  hasher.append(std::as_bytes(pattern.column));
  hasher.append(std::as_bytes(pattern.rows));
  std::string target(target_name);
  std::ranges::replace(target, '-', '_');
  return fmt::format("pattern_{}_{}_{}", to_text(Format{pattern.format}), target,
                     to_text(hasher.digest()));
}

WorkEstimate baked_work(const KernelSpec& spec, const Target& target, const BlockCounts& counts,
                        std::int64_t n) {
  const double vectors = std::ceil(static_cast<double>(n) / target.f32_lanes());
  const auto columns = static_cast<double>(counts.blocks);
  const auto weights = static_cast<double>(counts.weights);
  const auto panels = static_cast<double>(counts.panels);
  const auto rows_out = static_cast<double>(counts.rows_out);
  const double floats = static_cast<double>(n) * kWeightBytes;
  WorkEstimate work;
  work.fmas = weights * vectors;
  work.vector_loads = columns * vectors;
  // Measured with everything in L1: 84 % of what the load pipes could deliver; with B in L2, 60 % and less. Weights that
  // wait for a late row of B occupy the pipes meanwhile.
  constexpr double kLoadsAgain = 1.35;
  work.broadcasts = kLoadsAgain * weights * vectors;
  work.stores = rows_out * vectors;
  work.tile_passes = panels * vectors;
  const bool streams_a = spec.schedule.order == LoopOrder::kTileOuter;
  work.bytes_a = weights * kWeightBytes * (streams_a ? vectors : 1);
  // A packed tile of B that L1 holds serves all panels. Else nothing of B is in L1 when the next tall panel needs it, and
  // predictions count half of what is requested as still there.
  const double tile_bytes = static_cast<double>(counts.rows_in) * target.f32_lanes() * kWeightBytes;
  const bool in_l1 = streams_a && spec.schedule.pack &&
                     tile_bytes <= 0.75 * static_cast<double>(target.caches.l1d_bytes);
  work.bytes_b = in_l1 ? 0 : 2 * columns * floats;
  work.bytes_c = rows_out * floats;
  // Tile after tile, a panel's code is fetched once, if L1 holds it.
  constexpr double kL1CodeBytes = 32 * 1024;
  const auto code = static_cast<double>(pattern_bytes(std::get<Baked>(spec.format), counts));
  const bool stays = !streams_a && code <= panels * kL1CodeBytes;
  work.code_bytes = code * (stays ? 1 : vectors);
  work.footprint_bytes = code;
  return work;
}

}  // namespace lacuna
