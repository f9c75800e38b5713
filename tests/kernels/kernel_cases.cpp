// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <ostream>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "targets/base/fields.h"
#include "targets/host.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/activation.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/permute.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "templates/stream.h"
#include "tests/kernels/kernel_case.h"

namespace lacuna::test {
namespace {

constexpr std::array<Bsr, 14> kBlocks = {{{1, 1},
                                          {1, 16},
                                          {2, 2},
                                          {4, 4},
                                          {8, 8},
                                          {16, 1},
                                          {16, 16},
                                          {32, 1},
                                          {32, 32},
                                          {5, 7},
                                          {64, 64},
                                          {3, 1},
                                          {64, 1},
                                          {1, 64}}};

// Every width of index and of table, groups that are no power of two, many weights in a group.
constexpr std::array<NofM, 10> kNofMs = {
    {{1, 2}, {2, 4}, {1, 4}, {4, 8}, {3, 5}, {1, 16}, {2, 11}, {7, 32}, {2, 24}, {2, 3}}};

std::vector<Target> test_targets() {
  std::vector<Target> targets;
  if (auto host = find_target("host"); host) targets.push_back(std::move(*host));
  if (auto narrow = find_target("x86-64-v3"); narrow && check_runs_on_host(*narrow))
    targets.push_back(std::move(*narrow));
  return targets;
}

// Blocks of narrow elements, in groups along k and, for spmm_transposed, along m.
constexpr std::array<Bsr, 9> kGroupedBlocks = {
    {{1, 16}, {2, 2}, {4, 4}, {8, 8}, {16, 4}, {16, 16}, {32, 32}, {6, 10}, {64, 64}}};

std::vector<Format> formats_in_groups(Op op, ElementTypes types) {
  const std::int32_t group = group_elements(types);
  std::vector<Format> formats;
  for (const Bsr& block : kGroupedBlocks)
    if (block.c % group == 0 && (op != Op::kSpmmTransposed || block.r % group == 0) &&
        (op == Op::kSpmm || !are_integers(types)))
      formats.emplace_back(Bsr{block.r, block.c, group});
  return formats;
}

// Of codebooks the code of c4, c5 and c6 differs; the others have its ends tested.
std::vector<Format> formats_of_codebooks(Op op, ElementTypes types) {
  if (op == Op::kSddmm) return {};
  std::vector<Format> formats{Bsr{16, 16}, Jam{4}};
  if (types == ElementTypes::kC4F32 || types == ElementTypes::kC8F32)
    formats.insert(formats.end(), {Bsr{5, 7}, Bsr{1, 1}, Bsr{4, 4}, Bsr{16, 1}, Bsr{32, 32},
                                   Bsr{64, 1}, Jam{1}, Jam{6}});
  return formats;
}

std::vector<Format> formats_one_by_one() {
  std::vector<Format> formats(kBlocks.begin(), kBlocks.end());
  for (std::int32_t r = 1; r <= kMaxJam; ++r)
    formats.emplace_back(Jam{r});
  return formats;
}

// Of narrow elements one by one, whose kernels differ from those of f32 in packing, multiply-add and storing, a few in
// turn for the specification of that number.
std::vector<Format> formats_for(Op op, ElementTypes types, std::size_t number) {
  if (has_codebook(types)) return formats_of_codebooks(op, types);
  std::vector<Format> single = formats_one_by_one();
  if (group_elements(types) == 1) {
    single.insert(single.end(), kNofMs.begin(), kNofMs.end());
    if (op != Op::kSddmm)
      for (const std::int32_t r : {1, 3, 16, 24, kMaxBaked})
        single.emplace_back(Baked{r});
    return single;
  }
  std::vector<Format> formats = formats_in_groups(op, types);
  if (are_integers(types) && op == Op::kSddmm) return formats;
  constexpr std::size_t kInTurn = 5, kStep = 3;
  EXPECT_EQ(std::gcd(kStep, single.size()), 1U);
  for (std::size_t i = 0; i < kInTurn; ++i)
    formats.push_back(single[(number * kInTurn + i) * kStep % single.size()]);
  return formats;
}

// Every combination of the parts that an epilogue is composed of.
std::vector<Epilogue> all_epilogues() {
  constexpr ElementTypes kAnyTypes = ElementTypes::kF32;
  std::vector<Epilogue> epilogues;
  for (const auto& [activation, activation_name] : EnumNames<Activation>::kNames)
    for (const auto& [scale, scale_name] : EnumNames<Scale>::kNames)
      for (int bits = 0; bits < 32; ++bits) {
        const Epilogue epilogue{.scale = scale,
                                .bias = (bits & 1) != 0,
                                .activation = activation,
                                .derivative = (bits & 2) != 0,
                                .glu = (bits & 16) != 0,
                                .gate = (bits & 4) != 0,
                                .residual = (bits & 8) != 0};
        if (check_epilogue(epilogue, kAnyTypes)) epilogues.push_back(epilogue);
      }
  return epilogues;
}

// Those without glu, and those with.
std::pair<std::vector<Epilogue>, std::vector<Epilogue>> split_epilogues() {
  std::vector<Epilogue> whole;
  std::vector<Epilogue> halves;
  for (const Epilogue& epilogue : all_epilogues())
    (epilogue.glu ? halves : whole).push_back(epilogue);
  return {std::move(whole), std::move(halves)};
}

// Whether there are kernels with glu.
bool takes_halves(Op op, ElementTypes types, bool accumulate, const Format& format) {
  const bool stored = std::holds_alternative<Bsr>(format) || std::holds_alternative<Jam>(format);
  const bool widened = group_elements(types) != group_of(format);
  return op == Op::kSpmm && !accumulate && stored && !widened;
}

// Epilogues for the specification of that number: none, the usual ones in turn, and all combinations in turn, where
// there are halves also of those with glu; of narrow
// elements, whose sums take the same way into C, one of these in turn. The
// step has no factor in common with their number, so that neighbours in the loops below get different ones.
std::vector<Epilogue> epilogues_of(Op op, ElementTypes types, bool halves, std::size_t number) {
  if (op == Op::kSddmm || operand_types(types).result == DType::kS32) return {Epilogue{}};
  static const auto [kAll, kHalves] = split_epilogues();
  constexpr std::size_t kStep = 37;
  EXPECT_EQ(std::gcd(kStep, kAll.size()), 1U);
  EXPECT_EQ(std::gcd(kStep, kHalves.size()), 1U);
  const Epilogue usual{.bias = true,
                       .activation = number % 2 == 0 ? Activation::kRelu : Activation::kNone};
  // Bytes are scaled by rows and columns as a rule.
  std::vector<Epilogue> chosen{Epilogue{}, usual};
  if (are_integers(types)) chosen[0].scale = chosen[1].scale = Scale::kRowsColumns;
  const Epilogue& in_turn = kAll[number * kStep % kAll.size()];
  if (std::ranges::find(chosen, in_turn) == chosen.end()) chosen.push_back(in_turn);
  if (halves) chosen.push_back(kHalves[number * kStep % kHalves.size()]);
  if (types != ElementTypes::kF32) return {chosen[number % chosen.size()]};
  return chosen;
}

// Every specification, without schedule.
std::vector<KernelSpec> all_specs() {
  std::vector<KernelSpec> specs;
  std::size_t number = 0, combination = 0;
  for (const auto& [op, op_name] : EnumNames<Op>::kNames)
    for (const auto& [layout_b, b_name] : EnumNames<Layout>::kNames)
      for (const auto& [layout_c, c_name] : EnumNames<Layout>::kNames)
        for (const bool accumulate : {false, true})
          for (const auto& [types, t_name] : EnumNames<ElementTypes>::kNames)
            for (const Format& format : formats_for(op, types, combination++))
              for (const Epilogue& epilogue :
                   epilogues_of(op, types, takes_halves(op, types, accumulate, format), number++))
                specs.push_back({op, types, layout_b, layout_c, epilogue, accumulate, format, {}});
  return specs;
}

using Kind = std::tuple<Strategy, LoopOrder, bool, bool>;

std::map<Kind, std::vector<Schedule>> by_kind(const std::vector<Schedule>& schedules) {
  std::map<Kind, std::vector<Schedule>> kinds;
  for (const Schedule& s : schedules)
    kinds[{s.strategy, s.order, s.pack, s.kc > 0}].push_back(s);
  return kinds;
}

// Dense columns that one pass of the kernel's register tile takes (for sddmm: steps of the reduction).
std::int64_t tile_width(const KernelCase& kernel_case) {
  const Schedule& s = kernel_case.spec.schedule;
  switch (s.strategy) {
    case Strategy::kRowTile:
    case Strategy::kScatter:
      return std::int64_t{s.nv} * kernel_case.target.f32_lanes();
    case Strategy::kColumnTile:
      return s.mr;
    case Strategy::kMatrixTile:
      return s.mr * kMatrixTileRows;
    case Strategy::kSddmmTile:
      if (std::holds_alternative<Jam>(kernel_case.spec.format))
        return std::int64_t{s.ku} * kernel_case.target.f32_lanes();
      return packs_c(kernel_case.spec) ? kPackedColumns : kernel_case.target.f32_lanes();
    case Strategy::kPermute:
    case Strategy::kStream:
      return s.mr;
    case Strategy::kInnerTile:
      return std::int64_t{s.ku} * kernel_case.target.f32_lanes();
  }
  return 1;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const KernelCase& kernel_case) {
  return out << kernel_case.name;
}

std::ostream& operator<<(std::ostream& out, const RunShape& shape) {
  constexpr std::array kMasks = {"random", "empty panels", "full", "empty"};
  return out << "m " << shape.m << " k " << shape.k << " n " << shape.n << " mask "
             << kMasks.at(static_cast<std::size_t>(shape.mask))
             << (shape.numbers == Numbers::kSmallIntegers ? " integers" : " reals") << " padding "
             << shape.padding;
}

// No factor in common with the lengths of the loops of all_specs().
constexpr std::size_t kOneInChunks = 11;

std::vector<KernelCase> make_kernel_cases() {
  std::vector<KernelCase> cases;
  for (const Target& target : test_targets()) {
    std::size_t rotation = 0;
    for (KernelSpec spec : all_specs()) {
      ++rotation;
      for (const auto& [kind, schedules] : by_kind(enumerate_schedules(spec, target))) {
        spec.schedule = schedules[rotation * 7 % schedules.size()];
        if (spec.schedule.kc > 0) {
          if (rotation % kOneInChunks != 0) continue;  // the inner loops are those without chunks
          spec.schedule.kc = kMaxBlockDim;             // several chunks of small masks
        }
        cases.push_back({spec, target, kernel_name(spec, target.name)});
      }
    }
  }
  return cases;
}

std::vector<RunShape> shapes_of(const KernelCase& kernel_case) {
  // Jammed rows: as blocks of 7 columns, so that a panel's columns fall into several groups. N:M: all panels that are
  // taken at once, and as many groups.
  const Schedule& schedule = kernel_case.spec.schedule;
  const auto [r, c, group] = std::visit(
      PerFormat{
          [](const Bsr& bsr) { return bsr; }, [](const auto& rows) { return Bsr{rows.r, 7}; },
          [&](const NofM& nm) { return Bsr{kNmPanelRows * schedule.nv, nm.m * schedule.ku}; }},
      kernel_case.spec.format);
  const std::int64_t w = tile_width(kernel_case);
  const std::int64_t halves = kernel_case.spec.epilogue.halves();
  std::vector<std::int64_t> widths = {1, w - 1, w, w + 1, 2 * w + 3};
  std::erase_if(widths, [](std::int64_t n) { return n < 1; });
  std::vector<RunShape> shapes;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    RunShape shape;
    // Edge blocks in both directions, in one, in none; one block row; one block column.
    shape.m = std::array<std::int64_t, 5>{2 * r + r / 2 + 1, 3 * r, r + 1, 4 * r, r}.at(i % 5);
    shape.k = std::array<std::int64_t, 5>{3 * c + c / 2 + 1, 2 * c + 1, 3 * c, c, 5 * c}.at(i % 5);
    if (kernel_case.spec.op == Op::kSpmmTransposed) shape.m = (shape.m + group - 1) / group * group;
    // Whole panels of both halves: three, one, two, four.
    if (halves == 2) shape.m = 2 * r * std::array<std::int64_t, 5>{3, 1, 2, 4, 1}.at(i % 5);
    shape.k = (shape.k + group - 1) / group * group;
    shape.n = widths[i];
    shape.mask = std::array{MaskKind::kRandom, MaskKind::kEmptyPanels, MaskKind::kFull,
                            MaskKind::kEmpty, MaskKind::kRandom}
                     .at((i + 4 - widths.size() % 2) % 5);
    shape.numbers = i % 2 == 0 ? Numbers::kReal : Numbers::kSmallIntegers;
    shape.padding = i % 3 == 0 ? 0 : 3;
    shapes.push_back(shape);
  }
  if (!std::holds_alternative<Bsr>(kernel_case.spec.format)) {
    // Several columns in most groups; for sddmm the unrolled loop, single vectors and a tail in one call.
    RunShape shape = shapes.front();
    shape.k = 301;
    shape.n = w + kernel_case.target.f32_lanes() + 3;
    shape.mask = MaskKind::kRandom;
    shapes.push_back(shape);
  }
  if (std::holds_alternative<NofM>(kernel_case.spec.format)) {
    // More columns than are packed at a time; fewer rows than a panel, fewer columns than a group.
    RunShape shape = shapes.front();
    shape.n = 2 * permute_shape(kernel_case.spec, kernel_case.target.f32_lanes()).stretch + 1;
    shapes.push_back(shape);
    shape.m = 5;
    shape.k = 1;
    shape.n = 1;
    shapes.push_back(shape);
  }
  if (kernel_case.spec.schedule.strategy == Strategy::kStream) {
    // More columns than are packed at a time, more panels than are collected, blocks that do not fill the last vector.
    RunShape shape = shapes.front();
    const StreamShape stream = stream_shape(kernel_case.spec, kernel_case.target.f32_lanes());
    shape.n = 2 * std::int64_t{stream.stretch} + 1;
    shape.m = (stream.panels + 1) * r + r / 2;
    shape.k = (3 * stream.blocks * stream.together + 2) * c + c / 2;
    shape.mask = MaskKind::kRandom;
    shapes.push_back(shape);
  }
  // More panels than are collected at a time before they are transposed into a column-major C.
  const KernelSpec& spec = kernel_case.spec;
  if (spec.schedule.strategy == Strategy::kRowTile && spec.schedule.pack) {
    RunShape& shape = shapes.back();
    const bool transposed = spec.op == Op::kSpmmTransposed;
    const std::int64_t height = transposed ? c : r;
    const std::int64_t in_group = (panels_per_group(spec) + 1) * height;
    const std::int64_t extent = halves == 2 ? 2 * in_group : in_group + height / 2;
    if (transposed)
      shape.k = (extent + group - 1) / group * group;
    else
      shape.m = extent;
  }
  // Several chunks, blocks that begin in one and end in the next, and a last one of a few rows.
  if (spec.schedule.kc > 0)
    for (RunShape& shape : shapes) {
      const bool transposed = spec.op == Op::kSpmmTransposed;
      std::int64_t& rows_in = transposed ? shape.m : shape.k;
      rows_in += 2 * spec.schedule.kc + group;
    }
  return shapes;
}

}  // namespace lacuna::test
