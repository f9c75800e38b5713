// SPDX-License-Identifier: Apache-2.0
#include "templates/registry.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <variant>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/inner_tile.h"
#include "templates/kernel_spec.h"
#include "templates/matrix_rules.h"
#include "templates/pattern_code.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/schedule.h"
#include "templates/spec_dims.h"
#include "templates/stream.h"

namespace lacuna {

const std::uint32_t kTemplateVersion = LACUNA_TEMPLATE_VERSION;

namespace {

// All rows of a panel share the loads of B, so they share a tile.
Result<> check_jammed(const KernelSpec& spec) {
  const int r = std::get<Jam>(spec.format).r;
  if (spec.schedule.mr == r) return {};
  return make_error(ErrorCode::kInvalidArgument, "mr {} is not the {} jammed rows",
                    spec.schedule.mr, r);
}

bool any_col_major(const KernelSpec& spec) {
  return spec.layout_b == Layout::kColMajor || spec.layout_c == Layout::kColMajor;
}

// Groups that the target cannot multiply are widened for each product.
bool widens_products(const KernelSpec& spec, const Target& target) {
  return !widens(spec) && !multiplies_groups(spec.types, target);
}

Result<> check_integers(const KernelSpec& spec, const Target& target) {
  if (spec.op == Op::kSddmm)
    return make_error(ErrorCode::kUnsupported, "{} is not for sddmm", to_text(spec.types));
  if (widens(spec)) {
    if (target.has_feature(target.vector_bits == 512 ? "avx512bw" : "avx2")) return {};
    return make_error(ErrorCode::kUnsupported, "{} has no instruction for {} (VPMADDWD)",
                      target.name, to_text(spec.types));
  }
  if (spec.op != Op::kSpmm)
    return make_error(ErrorCode::kUnsupported, "{} of {} is for spmm only", to_text(spec.format),
                      to_text(spec.types));
  // Groups widened to words for each product would be no faster than words that are packed.
  if (spec.schedule.strategy == Strategy::kMatrixTile || multiplies_groups(spec.types, target))
    return {};
  return make_error(ErrorCode::kUnsupported, "{} has no instruction for {} of {} (VPDPBUSD)",
                    target.name, to_text(spec.format), to_text(spec.types));
}

// Widened bytes are multiplied by one instruction and added by another.
bool multiplies_apart(const KernelSpec& spec, const Target& target) {
  return widens(spec) && are_integers(spec.types) && !multiplies_groups(spec.types, target);
}

// Accumulators, one register per vector operand and one for the broadcast scalar. A scalar that meets a single vector
// is folded into the FMA by AVX-512; without it, LLVM makes the scalar's register the new accumulator, so that twice
// the accumulators are live (seen as spills from 8 x 1 tiles on with 16 registers).
// Narrow elements that the target cannot multiply are widened first: two registers for one, of vectors and of the
// scalar, and a mask.
int registers_needed(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const bool wide = target.has_feature("avx512f");
  if (widens_products(spec, target)) return s.mr * s.nv * (wide ? 1 : 2) + 2 * s.nv + 4;
  // With 16 registers, LLVM holds products of several sums (seen as spills of 4 x 2 and 2 x 4 tiles).
  const int products = !multiplies_apart(spec, target) ? 0 : wide ? 1 : 5;
  if (s.nv > 1) return s.mr * s.nv + s.nv + 1 + products;
  // Of pairs, LLVM loads the vectors of two steps at once (seen as spills of 28 x 1 tiles).
  const int ahead = group_of(spec.format) == 1 ? 0 : 2;
  return wide ? s.mr + 1 + ahead + 2 * products : 2 * s.mr + 2 + (products > 0 ? 2 : 0);
}

// Vectors of indices and what they are looked up in, for those of one step; a gather needs its indices and a mask.
int lookup_registers(const KernelSpec& spec, const Target& target) {
  if (!has_codebook(spec.types)) return 0;
  constexpr int kGathered = 2;
  const std::int64_t lanes = target.f32_lanes();
  const bool permutes = permutes_codebook(spec, lanes);
  return spec.schedule.nv +
         (permutes ? static_cast<int>(codebook_entries(spec.types) / lanes) : kGathered);
}

// Values are stored in the groups that the elements are multiplied in, or one by one and widened.
Result<> check_group(const KernelSpec& spec) {
  const std::int32_t group = group_elements(spec.types);
  if (widens(spec)) return {};
  if (group_of(spec.format) != group)
    return make_error(ErrorCode::kInvalidArgument, "{} stores groups of {}, {} needs {}",
                      to_text(spec.format), group_of(spec.format), to_text(spec.types), group);
  if (spec.op == Op::kSpmmTransposed && dims_of(spec).depth % group != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} rows of a block are not a multiple of group {}", dims_of(spec).depth,
                      group);
  return {};
}

Result<> check_chunks(const KernelSpec& spec) {
  const Schedule& s = spec.schedule;
  if (s.kc < 0) return make_error(ErrorCode::kInvalidArgument, "kc {} is negative", s.kc);
  if (s.kc % kMaxBlockDim != 0)
    return make_error(ErrorCode::kInvalidArgument, "kc {} is not a multiple of {}", s.kc,
                      kMaxBlockDim);
  if (!s.pack || s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument, "kc needs pack and loop order po");
  if (stages_values(spec) || shifts_dense(spec))
    return make_error(ErrorCode::kInvalidArgument,
                      "what is made once of a whole panel has no chunks: no kc for {} of {}",
                      to_text(spec.op), to_text(spec.types));
  return {};
}

Result<> check_row_tile(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (is_jammed(spec) && s.ku != 1)
    return make_error(ErrorCode::kInvalidArgument, "jammed rows take ku 1");
  if (gathers_values(spec) && spec.types != ElementTypes::kF32)
    return make_error(ErrorCode::kUnsupported,
                      "spmm_transposed of {} gathers values of f32, not of {}: take the scatter "
                      "strategy",
                      to_text(spec.format), to_text(spec.types));
  if (s.mr > dims_of(spec).height)
    return make_error(ErrorCode::kInvalidArgument, "mr {} exceeds the {} output rows of a block",
                      s.mr, dims_of(spec).height);
  if ((any_col_major(spec) || is_narrow(spec)) && !s.pack)
    return make_error(ErrorCode::kInvalidArgument,
                      "the row strategy needs pack with a column-major operand or narrow elements");
  if (stages_values(spec) && !widens(spec) && s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument,
                      "a panel's values are rearranged once: spmm_transposed of {} needs loop "
                      "order po",
                      to_text(spec.format));
  if (s.kc != 0) LACUNA_TRY_VOID(check_chunks(spec));
  // Of unrolled steps, LLVM holds the products side by side.
  if (multiplies_apart(spec, target) && !target.has_feature("avx512f") && s.ku != 1)
    return make_error(ErrorCode::kInvalidArgument, "the row strategy of {} needs ku 1 on {}",
                      to_text(spec.types), target.name);
  return check_registers(spec, target, registers_needed(spec, target));
}

Result<> check_scatter(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (spec.op != Op::kSpmmTransposed)
    return make_error(ErrorCode::kInvalidArgument, "the scatter strategy is for spmm_transposed");
  if (group_of(spec.format) != 1)
    return make_error(ErrorCode::kUnsupported, "the scatter strategy is not for groups of {}",
                      group_of(spec.format));
  if (s.mr > dims_of(spec).depth)
    return make_error(ErrorCode::kInvalidArgument, "mr {} exceeds the {} rows of a block", s.mr,
                      dims_of(spec).depth);
  if ((any_col_major(spec) || is_narrow(spec)) && !s.pack)
    return make_error(
        ErrorCode::kInvalidArgument,
        "the scatter strategy needs pack with a column-major operand or narrow elements");
  if (s.order != LoopOrder::kTileOuter || s.ku != 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "the scatter strategy needs loop order to and ku 1");
  // mr x nv vectors of B, one row of C (two sums of it with one vector), the scalar and (where it is not folded) its
  // product.
  const bool wide = target.has_feature("avx512f");
  int scalars = wide && !multiplies_apart(spec, target) ? 1 : 2;
  if (!wide && multiplies_apart(spec, target)) scalars = 10;  // products of all rows at once
  return check_registers(spec, target, s.mr * s.nv + std::max(s.nv, 2) + scalars);
}

Result<> check_column_tile(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  const int height = dims_of(spec).height;
  if (spec.op == Op::kSddmm || is_jammed(spec))
    return make_error(ErrorCode::kInvalidArgument,
                      "the col strategy is for blocks, and not for sddmm");
  if (spec.layout_c != Layout::kColMajor || spec.layout_b != Layout::kColMajor)
    return make_error(ErrorCode::kInvalidArgument, "the col strategy needs column-major B and C");
  // It broadcasts elements of B from where they lie, which takes two more instructions for each of bf16.
  if (widens(spec))
    return make_error(ErrorCode::kUnsupported, "the col strategy does not widen {}",
                      to_text(spec.types));
  // A one-row block touches a line of B per token and row of A; packing serves it better.
  const int least_depth = 4 * group_elements(spec.types);
  if (dims_of(spec).depth < least_depth)
    return make_error(ErrorCode::kInvalidArgument, "the col strategy needs blocks {} deep, not {}",
                      least_depth, dims_of(spec).depth);
  if (height % (s.nv * target.f32_lanes()) != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} output rows of a block are not a multiple of nv {} x {} lanes",
                      height, s.nv, target.f32_lanes());
  const bool in_squares = spec.op == Op::kSpmmTransposed && group_elements(spec.types) == 1;
  if (in_squares && dims_of(spec).depth % target.f32_lanes() != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} rows of a block are not a multiple of {} lanes", dims_of(spec).depth,
                      target.f32_lanes());
  if (s.pack) return make_error(ErrorCode::kInvalidArgument, "the col strategy does not pack");
  // Tokens are the unsigned operand of VPDPBUSD, which is not the one that it takes from memory: LLVM loads those of all
  // unrolled steps into registers first.
  if (are_integers(spec.types)) {
    if (s.ku != 1)
      return make_error(ErrorCode::kInvalidArgument, "the col strategy of bytes needs ku 1");
    return check_registers(spec, target, s.mr * s.nv + s.nv + s.mr);
  }
  // With 16 registers, LLVM loads the scalars of so many steps ahead of the products, beside an address for each token of
  // the last tile, and spills (8 x 8 blocks).
  constexpr int kMostSteps = 2;
  if (!target.has_feature("avx512f") && !finishes_in_registers(spec.epilogue) && s.ku > kMostSteps)
    return make_error(ErrorCode::kInvalidArgument,
                      "the col strategy with epilogue {} needs ku {} or less on {}",
                      to_text(spec.epilogue), kMostSteps, target.name);
  if (spec.op == Op::kSpmmTransposed && s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument,
                      "the col strategy transposes a panel once: it needs loop order po");
  if (has_codebook(spec.types) && spec.op == Op::kSpmmTransposed)
    return make_error(ErrorCode::kUnsupported,
                      "the col strategy of spmm_transposed has no codebooks, not {}",
                      to_text(spec.types));
  return check_registers(spec, target,
                         registers_needed(spec, target) + lookup_registers(spec, target));
}

// Jammed rows: r rows of B, ku sums for each, in whole vectors along n.
Result<> check_jam_sddmm(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (s.nv != 1 || s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument, "sddmm of jammed rows needs nv 1 and order po");
  if (s.pack != (any_col_major(spec) || is_narrow(spec)))
    return make_error(
        ErrorCode::kInvalidArgument,
        "sddmm of jammed rows packs column-major operands and narrow elements, and no others");
  return check_registers(spec, target, s.mr * s.ku + 2);
}

Result<> check_sddmm_tile(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (spec.op != Op::kSddmm)
    return make_error(ErrorCode::kInvalidArgument, "the dot strategy is for sddmm");
  if (is_jammed(spec)) return check_jam_sddmm(spec, target);
  const Bsr& bsr = std::get<Bsr>(spec.format);
  if (s.nv > (bsr.r + target.f32_lanes() - 1) / target.f32_lanes())
    return make_error(ErrorCode::kInvalidArgument, "nv {} exceeds the {} rows of a block", s.nv,
                      bsr.r);
  const int group = group_of(spec.format);
  if (!s.pack && (spec.layout_b == Layout::kRowMajor || is_narrow(spec)))
    return make_error(ErrorCode::kInvalidArgument,
                      "the dot strategy needs pack with a row-major B or narrow elements");
  if (s.mr % group != 0)
    return make_error(ErrorCode::kInvalidArgument, "mr {} is not a multiple of group {}", s.mr,
                      group);
  if (bsr.c > 1 && s.mr > bsr.c)
    return make_error(ErrorCode::kInvalidArgument, "mr {} exceeds the {} columns of a block", s.mr,
                      bsr.c);
  if (s.order != LoopOrder::kPanelOuter)
    return make_error(ErrorCode::kInvalidArgument, "sddmm needs loop order po");
  // LLVM would gather the broadcasts of all unrolled columns before the first FMA, and spill.
  if (!s.pack && bsr.c == 1 && s.nv > 1 && s.ku > 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "one-column blocks without pack need ku 1 with {} vectors", s.nv);
  // The vectors of ku columns are held at once.
  const int scalars = target.has_feature("avx512f") ? 1 : 3;
  const int grouped = groups_columns(spec) ? (s.mr + s.ku) * s.nv + scalars : 0;
  return check_registers(spec, target, std::max(registers_needed(spec, target), grouped));
}

}  // namespace

Result<> check_registers(const KernelSpec& spec, const Target& target, int needed) {
  // LLVM's allocator needs some slack to place every value without a spill.
  const int usable = target.vector_registers - target.vector_registers / 16;
  if (needed <= usable) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "mr {} x nv {} needs {} vector registers, {} has {} to use", spec.schedule.mr,
                    spec.schedule.nv, needed, target.name, usable);
}

Result<> check_schedule(const KernelSpec& spec, const Target& target) {
  const Schedule& s = spec.schedule;
  if (target.f32_lanes() != 8 && target.f32_lanes() != 16)
    return make_error(ErrorCode::kUnsupported, "no kernels for {} vectors of {} bits", target.name,
                      target.vector_bits);
  for (const auto& [name, value, high] :
       {std::tuple{"mr", s.mr, 64}, {"nv", s.nv, 16}, {"ku", s.ku, 64}})
    if (value < 1 || value > high)
      return make_error(ErrorCode::kInvalidArgument, "{} {} is outside [1, {}]", name, value, high);
  if (spec.op == Op::kSddmm && !spec.epilogue.is_none())
    return make_error(ErrorCode::kInvalidArgument, "sddmm has no epilogue");
  if (s.kc != 0 && s.strategy != Strategy::kRowTile)
    return make_error(ErrorCode::kInvalidArgument, "kc is for the row strategy");
  LACUNA_TRY_VOID(check_epilogue(spec.epilogue, spec.types));
  LACUNA_TRY_VOID(check_format(spec.format));
  if (spec.epilogue.glu) LACUNA_TRY_VOID(check_glu(spec));
  if (are_integers(spec.types)) LACUNA_TRY_VOID(check_integers(spec, target));
  if (is_baked(spec)) return check_baked(spec, target);
  LACUNA_TRY_VOID(check_operation(spec.op, spec.types, spec.format));
  if (has_codebook(spec.types) && spec.op == Op::kSddmm)
    return make_error(ErrorCode::kUnsupported, "{} is not for sddmm", to_text(spec.types));
  LACUNA_TRY_VOID(check_group(spec));
  // Vector code of other strategies: LLVM would widen the vectors of all unrolled steps before the first FMA, and spill.
  if (widens_products(spec, target) && s.ku != 1)
    return make_error(ErrorCode::kInvalidArgument, "{} is widened on {}, which needs ku 1",
                      to_text(spec.types), target.name);
  if (is_jammed(spec)) LACUNA_TRY_VOID(check_jammed(spec));
  if (is_nm(spec) != (s.strategy == Strategy::kPermute))
    return make_error(ErrorCode::kInvalidArgument, "format {} does not go with the {} strategy",
                      to_text(spec.format), to_text(s.strategy));
  switch (s.strategy) {
    case Strategy::kRowTile:
      if (spec.op == Op::kSddmm)
        return make_error(ErrorCode::kInvalidArgument, "the row strategy is not for sddmm");
      return check_row_tile(spec, target);
    case Strategy::kScatter:
      return check_scatter(spec, target);
    case Strategy::kColumnTile:
      return check_column_tile(spec, target);
    case Strategy::kMatrixTile:
      return check_matrix_tile(spec, target);
    case Strategy::kSddmmTile:
      return check_sddmm_tile(spec, target);
    case Strategy::kPermute:
      return check_permute(spec, target);
    case Strategy::kInnerTile:
      return check_inner(spec, target);
    case Strategy::kStream:
      return check_stream(spec, target);
  }
  return {};
}

}  // namespace lacuna
