// SPDX-License-Identifier: Apache-2.0
#include "runtime/planner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/bsr_structure.h"
#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "runtime/structure.h"
#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

constexpr std::array kBlockDims = {1, 2, 4, 8, 16, 32, 64};
constexpr std::array kJams = {2, 4, 5, 6};  // one row is bsr1x1
// Few: each is code of its own, compiled for a race. Tall ones share more and take less code; 16 are for tails.
constexpr std::array kBaked = {16, 24, 28};

// The groups that all problems' elements may be multiplied in.
std::int32_t group_of_plan(const PlanRequest& request) {
  return group_elements(request.problems.front().types);
}

// Whether two problems can be of one matrix: with the same groups, and where both read its values, of one type. Those
// that sddmm writes are a buffer of their own (gradients), which codes of a codebook have in f32.
bool share_values(const Problem& x, const Problem& y) {
  if (group_elements(x.types) != group_elements(y.types)) return false;
  const bool both_read = x.op != Op::kSddmm && y.op != Op::kSddmm;
  return !both_read || (operand_types(x.types).weights == operand_types(y.types).weights &&
                        codebook_entries(x.types) == codebook_entries(y.types));
}

// Every two are compared: an sddmm shares with problems that read the values as different types.
Result<> check_sharing(std::span<const Problem> problems) {
  for (std::size_t i = 1; i < problems.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!share_values(problems[i], problems[j]))
        return make_error(ErrorCode::kInvalidArgument,
                          "problem {} is of {}, problem {} of {}: they cannot share values", i,
                          to_text(problems[i].types), j, to_text(problems[j].types));
  return {};
}

// Whether every problem has kernels for these blocks.
bool serves_groups(const PlanRequest& request, const Bsr& block) {
  const auto whole = [&](std::int32_t of_block, std::int64_t of_matrix) {
    return of_block % block.group == 0 && of_matrix % block.group == 0;
  };
  const bool transposes = std::ranges::any_of(
      request.problems, [](const Problem& p) { return p.op == Op::kSpmmTransposed; });
  if (transposes && block.group > 1 && are_integers(request.problems.front().types)) return false;
  return whole(block.c, request.mask->k()) && (!transposes || whole(block.r, request.mask->m()));
}

// What the format stands for, where every problem has kernels for it.
std::vector<Format> ways_to_store(const PlanRequest& request, const Format& format) {
  std::vector<Format> stored = stored_as(format, request.problems.front().types);
  std::erase_if(stored, [&](const Format& f) {
    const auto* const block = std::get_if<Bsr>(&f);
    return block != nullptr && !serves_groups(request, *block);
  });
  return stored;
}

// Whether every problem has kernels for baked panels.
bool bakes(const PlanRequest& request) {
  return std::ranges::all_of(request.problems, [&](const Problem& p) {
    return check_bakes(p.op, p.types, request.target).has_value();
  });
}

// Whether `blocks` blocks of this shape store no element outside the mask. Counts decide where the shape divides the
// matrix; edge blocks overlap their neighbours, so only bounds do there, and the mask itself decides the rest.
bool stores_exactly(const Mask& mask, const Bsr& block, std::int64_t blocks) {
  const std::int64_t area = std::int64_t{block.r} * block.c;
  if (mask.m() % block.r == 0 && mask.k() % block.c == 0) return blocks * area == mask.nnz();
  const std::int64_t edge_blocks = (mask.m() / block.r + 1) + (mask.k() / block.c + 1);
  if ((blocks - edge_blocks) * area > mask.nnz()) return false;
  return is_exact(mask, block);
}

std::vector<Format> only_exact(const Mask& mask, const std::vector<Format>& formats) {
  const std::vector<StoredCounts> counts = count_stored(mask, formats);
  std::vector<Format> exact;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    const auto* const block = std::get_if<Bsr>(&formats[i]);
    if (block == nullptr || stores_exactly(mask, *block, counts[i].blocks))
      exact.push_back(formats[i]);
  }
  return exact;
}

Result<> check_pinned_nm(const PlanRequest& request, const NofM& nm) {
  if (auto conforms = check_conforms(*request.mask, {.n = nm.n, .m = nm.m}); !conforms)
    return add_context("format " + to_text(nm), std::move(conforms).error());
  return {};
}

Result<> check_pinned(const PlanRequest& request, const Format& format) {
  LACUNA_TRY_VOID(check_format(format));
  for (const Problem& problem : request.problems)
    LACUNA_TRY_VOID(check_operation(problem.op, problem.types, format));
  for (const Problem& problem : request.problems)
    LACUNA_TRY_VOID(check_halves(problem, clamped_to(format, problem.m, problem.k)));
  if (const auto* const nm = std::get_if<NofM>(&format)) return check_pinned_nm(request, *nm);
  if (std::holds_alternative<Jam>(format)) return {};
  const std::int32_t group = group_of_plan(request);
  if (std::holds_alternative<Baked>(format)) {
    for (const Problem& problem : request.problems)
      LACUNA_TRY_VOID(check_bakes(problem.op, problem.types, request.target));
    return {};
  }
  const auto& block = std::get<Bsr>(format);
  const bool named = block.group == 1 || block.group == group;
  if (!named || ways_to_store(request, block).empty())
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} has no whole groups of {} elements, which {} needs",
                      to_text(format), group, to_text(request.problems.front().types));
  return {};
}

// N:M has kernels for products with few columns only: with more, panels of blocks or of jammed rows do the same work
// without a permute for each FMA.
constexpr std::int64_t kMaxDecodeColumns = 16;

bool is_decoding(const PlanRequest& request) {
  return std::ranges::all_of(request.problems, [](const Problem& problem) {
    return problem.op == Op::kSpmm && problem.types == ElementTypes::kF32 && problem.n > 0 &&
           problem.n <= kMaxDecodeColumns;
  });
}

// The usual patterns, those that store least first, then those with the shortest indices. (1:2 is 2:4, whose tables
// are fuller.)
constexpr std::array kNmFormats = {NofM{1, 32}, NofM{1, 16}, NofM{2, 32}, NofM{1, 8},
                                   NofM{2, 16}, NofM{4, 32}, NofM{1, 4},  NofM{2, 8},
                                   NofM{4, 16}, NofM{2, 4},  NofM{4, 8},  NofM{8, 16}};

std::optional<NofM> conforming_format(const Mask& mask) {
  for (const NofM& nm : kNmFormats)
    if (check_conforms(mask, {.n = nm.n, .m = nm.m})) return nm;
  return std::nullopt;
}

}  // namespace

Result<> check_plan_request(const PlanRequest& request) {
  if (request.mask == nullptr)
    return make_error(ErrorCode::kInvalidArgument, "the plan has no mask");
  if (request.problems.empty())
    return make_error(ErrorCode::kInvalidArgument, "the plan has no problem");
  for (std::size_t i = 0; i < request.problems.size(); ++i) {
    const Problem& problem = request.problems[i];
    if (auto ok = check_problem(problem); !ok)
      return add_context(fmt::format("problem {}", i), std::move(ok).error());
    if (problem.m != request.mask->m() || problem.k != request.mask->k())
      return make_error(ErrorCode::kInvalidArgument, "problem {} is {} x {}, the mask is {} x {}",
                        i, problem.m, problem.k, request.mask->m(), request.mask->k());
  }
  LACUNA_TRY_VOID(check_sharing(request.problems));
  if (request.pinned_format) LACUNA_TRY_VOID(check_pinned(request, *request.pinned_format));
  if (request.threads < 1)
    return make_error(ErrorCode::kInvalidArgument, "threads {} is not positive", request.threads);
  if (request.target.isa != Isa::kX86_64)
    return make_error(ErrorCode::kUnsupported, "target {}: no kernels for {} yet",
                      request.target.name, to_text(request.target.isa));
  return {};
}

Result<> check_halves(const Problem& problem, const Format& format) {
  if (!problem.epilogue.glu) return {};
  if (std::holds_alternative<NofM>(format) || std::holds_alternative<Baked>(format))
    return make_error(ErrorCode::kUnsupported, "glu is for blocks and jammed rows, not for {}",
                      to_text(format));
  const std::int32_t r = counted_as(format).r;
  if (rows_of_c(problem) % r == 0) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "format {} has panels of {} rows, which do not divide the {} rows of a half, "
                    "as glu needs",
                    to_text(format), r, rows_of_c(problem));
}

std::vector<Format> candidate_formats(const PlanRequest& request) {
  const Mask& mask = *request.mask;
  std::vector<Format> formats;
  const auto add = [&](const Format& format) {
    const Format clamped = clamped_to(format, mask.m(), mask.k());
    for (const Problem& problem : request.problems)
      if (!check_halves(problem, clamped)) return;
    if (std::ranges::find(formats, clamped) == formats.end()) formats.push_back(clamped);
  };
  const auto add_stored = [&](const Format& format) {
    for (const Format& stored : ways_to_store(request, format))
      add(stored);
  };
  if (request.pinned_format) {
    add_stored(*request.pinned_format);
  } else {
    for (const std::int32_t r : kBlockDims)
      for (const std::int32_t c : kBlockDims)
        add_stored(Bsr{r, c});
    for (const std::int32_t r : kJams)
      if (mask.m() > 1) add(Jam{r});
    // Decoding is bound by the bytes of weights, of which code has more than values.
    if (!is_decoding(request) && bakes(request))
      for (const std::int32_t r : kBaked)
        add(Baked{r});
    if (is_decoding(request))
      if (const auto nm = conforming_format(mask)) add(*nm);
  }
  if (request.padding == Padding::kExact) formats = only_exact(mask, formats);
  return formats;
}

tl::unexpected<Error> no_plan_error(const PlanRequest& request, std::span<const Format> formats) {
  // Without a pinned one there is bsr1x1, which stores any mask exactly.
  if (formats.empty() && request.pinned_format)
    return make_error(ErrorCode::kInvalidArgument,
                      "format {} would store elements outside the mask",
                      to_text(*request.pinned_format));
  // What rules out one schedule may be the schedule; what the target lacks, it lacks for all of them.
  for (const Problem& problem : request.problems) {
    auto legal = check_schedule(make_kernel_spec(problem, formats.front(), {}), request.target);
    if (!legal && legal.error().code == ErrorCode::kUnsupported)
      return tl::unexpected(std::move(legal).error());
  }
  return make_error(ErrorCode::kInvalidArgument,
                    "target {}: no legal schedule for any of {} formats", request.target.name,
                    formats.size());
}

bool walks_block_columns(const PlanRequest& request) {
  return std::ranges::any_of(request.problems,
                             [](const Problem& p) { return p.op == Op::kSpmmTransposed; });
}

BlockCounts block_counts(const Problem& problem, const Format& format, const StoredCounts& stored) {
  const auto panels_of = [](std::int64_t extent, std::int32_t block) {
    return (extent + block - 1) / block;
  };
  BlockCounts counts;
  counts.blocks = stored.blocks;
  counts.blocks_by_column = stored.blocks_by_column;
  counts.weights = stored.weights;
  const bool transposed = problem.op == Op::kSpmmTransposed;
  counts.panels = std::visit(
      PerFormat{
          [&](const Bsr& bsr) {
            return transposed ? panels_of(problem.k, bsr.c) : panels_of(problem.m, bsr.r);
          },
          [&](const auto& rows) { return panels_of(transposed ? problem.k : problem.m, rows.r); },
          [&](const NofM&) { return panels_of(problem.m, kNmPanelRows); }},
      format);
  // Baked panels have no kernel that walks A's block rows for it.
  if (transposed && std::holds_alternative<Baked>(format)) counts.blocks = stored.blocks_by_column;
  counts.rows_out = rows_of_c(problem);
  counts.rows_in = transposed ? problem.m : problem.k;
  return counts;
}

bool suits(const KernelSpec& spec, const BlockCounts& counts) {
  const std::int32_t kc = spec.schedule.kc;
  if (kc > 0 && kc >= counts.rows_in) return false;
  const auto* const jam = std::get_if<Jam>(&spec.format);
  return jam == nullptr || !gathers_values(spec) || jam->r <= counts.rows_out;
}

BlockCounts without_blocks(const BlockCounts& counts) {
  BlockCounts rest = counts;
  rest.blocks = rest.blocks_by_column = rest.weights = rest.panels = 0;
  return rest;
}

double longest_share(const Splits& splits, const BlockCounts& counts, std::int64_t n,
                     std::int32_t threads) {
  const auto team = static_cast<double>(threads);
  const std::int64_t granule = std::max(1, splits.n_granule);
  const std::int64_t pieces =
      (splits.panels ? std::max<std::int64_t>(1, counts.panels / splits.halves) : 1) *
      (splits.n ? std::max<std::int64_t>(1, (n + granule - 1) / granule) : 1);
  return std::ceil(static_cast<double>(pieces) / team) / static_cast<double>(pieces);
}

double estimate_cycles(const WorkEstimate& work, const Target& target) {
  const Pipes& pipes = target.pipes;
  // Cycles of each resource, one core. Broadcasts and loads share the load pipes but have limits of their own.
  const double fma = work.fmas / pipes.fma_per_cycle + work.dots_bf16 / pipes.dot_bf16_per_cycle;
  const double load =
      work.vector_loads / pipes.load_per_cycle + work.broadcasts / pipes.broadcast_per_cycle;
  const double store = work.stores / pipes.store_per_cycle;
  const double shuffle = work.shuffles;
  // Bytes per cycle that one core draws from where the operands live together. Typical of server cores since 2017
  // (L2 64 wide but about half sustained; L3 and memory are latency-bound per core); the tuner replaces
  // them by measured rates.
  constexpr double kL2BytesPerCycle = 32, kL3BytesPerCycle = 12, kDramBytesPerCycle = 4;
  const auto rate = [&](double held_bytes) {
    const auto fits = [&](std::int64_t bytes) { return held_bytes <= static_cast<double>(bytes); };
    return fits(target.caches.l2_bytes)   ? kL2BytesPerCycle
           : fits(target.caches.l3_bytes) ? kL3BytesPerCycle
                                          : kDramBytesPerCycle;
  };
  const double memory =
      (kCodeByteCost * work.code_bytes + work.bytes_a + work.bytes_c) / rate(work.footprint_bytes) +
      work.bytes_b / rate(work.reused_bytes);
  // Filling and draining a register tile: one pass through the FMA pipe and a few branches, not overlapped.
  const double fixed =
      work.tile_passes * (pipes.fma_latency + kTileTurnCycles) + work.loop_ends * kLoopEndCycles;
  return std::max({fma, load, store, memory}) + shuffle + fixed;
}

}  // namespace lacuna
