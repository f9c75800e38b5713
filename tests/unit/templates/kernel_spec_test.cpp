// SPDX-License-Identifier: Apache-2.0
#include "templates/kernel_spec.h"

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/base/text.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr const char* kExample = "spmm_bsr32x1_f32_brow_crow_zen4_row_mr8nv3ku4_po_bias_relu";

// Every combination of the enums of Problem, with `schedule`.
std::vector<KernelSpec> all_specs(const Schedule& schedule) {
  std::vector<KernelSpec> specs;
  for (const auto& [op, op_name] : EnumNames<Op>::kNames)
    for (const auto& [types, types_name] : EnumNames<ElementTypes>::kNames)
      for (const auto& [b, b_name] : EnumNames<Layout>::kNames)
        for (const auto& [c, c_name] : EnumNames<Layout>::kNames)
          for (const char* epilogue :
               {"none", "bias", "bias_relu", "scale", "scale_rows_dgelu_tanh", "silu_gate",
                "scale_columns", "scale_rows_columns_bias", "scale_bias_gelu_erf_gate_residual",
                "drelu", "residual"})
            for (const bool accumulate : {false, true})
              for (const Format& format : {Format{Bsr{.r = 16, .c = 4}}, Format{Jam{.r = 4}},
                                           Format{NofM{.n = 2, .m = 16}}, Format{Baked{.r = 24}}})
                specs.push_back({.op = op,
                                 .types = types,
                                 .layout_b = b,
                                 .layout_c = c,
                                 .epilogue = parse_epilogue(epilogue).value(),
                                 .accumulate = accumulate,
                                 .format = format,
                                 .schedule = schedule});
  return specs;
}

std::vector<Schedule> all_schedules() {
  std::vector<Schedule> schedules;
  for (const auto& [strategy, strategy_name] : EnumNames<Strategy>::kNames)
    for (const auto& [order, order_name] : EnumNames<LoopOrder>::kNames)
      for (const bool pack : {false, true})
        schedules.push_back(
            {.strategy = strategy, .mr = 12, .nv = 2, .ku = 4, .order = order, .pack = pack});
  return schedules;
}

TEST(KernelName, IsTheDocumentedOne) {
  const KernelSpec spec{.epilogue = {.bias = true, .activation = Activation::kRelu},
                        .format = Bsr{.r = 32, .c = 1},
                        .schedule = {.mr = 8, .nv = 3, .ku = 4}};
  EXPECT_EQ(kernel_name(spec, "zen4"), kExample);
}

// Target names that look like parts of the grammar must not confuse the parser.
TEST(KernelName, EveryCombinationParsesBackAndIsUnique) {
  std::set<std::string> names;
  std::size_t count = 0;
  for (const Schedule& schedule : all_schedules())
    for (const KernelSpec& spec : all_specs(schedule))
      for (const char* target :
           {"zen4", "x86_64_v3", "a_row", "bias", "x_mr4nv1ku1_po", "_", "acc"}) {
        const std::string name = kernel_name(spec, target);
        names.insert(name);
        ++count;
        const auto parsed = parse_kernel_name(name);
        ASSERT_TRUE(parsed) << parsed.error().message;
        ASSERT_EQ(*parsed, (ParsedKernelName{.spec = spec, .target_name = target})) << name;
      }
  EXPECT_EQ(names.size(), count);
}

TEST(KernelName, DashesOfTheTargetBecomeUnderscores) {
  const std::string name = kernel_name(KernelSpec{}, "sapphire-rapids");
  EXPECT_EQ(name, "spmm_bsr1x1_f32_brow_crow_sapphire_rapids_row_mr4nv1ku1_po");
  EXPECT_EQ(parse_kernel_name(name).value().target_name, "sapphire_rapids");
}

struct BadName {
  const char* label;
  std::string name;
  std::string reason;
};

class KernelNameFaults : public ::testing::TestWithParam<BadName> {};

TEST_P(KernelNameFaults, QuoteTheNameAndThePart) {
  const auto parsed = parse_kernel_name(GetParam().name);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(parsed.error().message, "kernel name '" + GetParam().name + "': " + GetParam().reason);
}

const std::string kSchedule =
    "' is not "
    "<row|scatter|col|amx|dot|perm|inner|stream>_mr<1-4096>nv<1-4096>ku<1-4096>_<po|to>[_pack][_kc<"
    "1-"
    "1048576>], "
    "for "
    "example "
    "row_mr4nv1ku1_po";

INSTANTIATE_TEST_SUITE_P(
    All, KernelNameFaults,
    ::testing::Values(
        BadName{"Empty", "", "does not begin with one of: spmm, spmm_transposed, sddmm"},
        BadName{"Op", "gemm_bsr1x1_f32",
                "does not begin with one of: spmm, spmm_transposed, sddmm"},
        BadName{"OpOnly", "spmm", "does not begin with one of: spmm, spmm_transposed, sddmm"},
        BadName{"Format", "spmm_csr_f32_brow_crow_zen4_row_mr4nv1ku1_po",
                "format 'csr' is not known, known are bsr<r>x<c>, jam<r>, nm<n>of<m> and baked<r>"},
        BadName{"Block", "spmm_bsr1x65_f32_brow_crow_zen4_row_mr4nv1ku1_po",
                "format 'bsr1x65': block dimensions are from 1 to 64"},
        BadName{"Dtype", "spmm_bsr1x1_f99_brow_crow_zen4_row_mr4nv1ku1_po",
                "types 'f99' is not one of: " + join_names<ElementTypes>(", ")},
        BadName{"LayoutB", "spmm_bsr1x1_f32_crow_crow_zen4_row_mr4nv1ku1_po",
                "layout of b 'crow' is not one of: brow, bcol"},
        BadName{"LayoutC", "spmm_bsr1x1_f32_brow_c_zen4_row_mr4nv1ku1_po",
                "layout of c 'c' is not one of: crow, ccol"},
        BadName{"NoTail", "spmm_bsr1x1_f32_brow_crow", "no target and schedule in ''"},
        BadName{"NoSchedule", "spmm_bsr1x1_f32_brow_crow_zen4", "no target and schedule in 'zen4'"},
        BadName{"NoTarget", "spmm_bsr1x1_f32_brow_crow_row_mr4nv1ku1_po",
                "no target and schedule in 'row_mr4nv1ku1_po'"},
        BadName{"EmptyTarget", "spmm_bsr1x1_f32_brow_crow__row_mr4nv1ku1_po",
                "target '' is not of a-z, 0-9 and _"},
        BadName{"TargetLetters", "spmm_bsr1x1_f32_brow_crow_Zen-4_row_mr4nv1ku1_po",
                "target 'Zen-4' is not of a-z, 0-9 and _"},
        BadName{"Schedule", "spmm_bsr1x1_f32_brow_crow_zen4_row_mr0nv1ku1_po",
                "schedule 'row_mr0nv1ku1_po" + kSchedule},
        BadName{"Strategy", "spmm_bsr1x1_f32_brow_crow_zen4_tile_mr4nv1ku1_po",
                "schedule 'tile_mr4nv1ku1_po" + kSchedule},
        BadName{"NoneSpelledOut", "spmm_bsr1x1_f32_brow_crow_zen4_row_mr4nv1ku1_po_none",
                "schedule 'row_mr4nv1ku1_po_none" + kSchedule},
        BadName{"WrongOrder", "spmm_bsr1x1_f32_brow_crow_zen4_row_mr4nv1ku1_po_acc_bias",
                "schedule 'row_mr4nv1ku1_po_acc" + kSchedule}),
    [](const auto& test) { return test.param.label; });

TEST(KernelName, EveryTruncationIsRefusedOrAnotherName) {
  const std::string whole = kExample;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string name = whole.substr(0, size);
    const auto parsed = parse_kernel_name(name);
    if (!parsed) continue;
    EXPECT_EQ(kernel_name(parsed->spec, parsed->target_name), name);
  }
}

TEST(KernelSpec, TakesTheProblemsFieldsButNotItsSizes) {
  const Problem problem{.op = Op::kSpmmTransposed,
                        .m = 10,
                        .k = 20,
                        .n = 30,
                        .types = ElementTypes::kF32,
                        .layout_b = Layout::kColMajor,
                        .layout_c = Layout::kColMajor,
                        .epilogue = {.bias = true},
                        .accumulate = true};
  const Schedule schedule{.mr = 2};
  const KernelSpec spec = make_kernel_spec(problem, Bsr{.r = 4, .c = 2}, schedule);
  EXPECT_EQ(kernel_name(spec, "t"),
            "spmm_transposed_bsr4x2_f32_bcol_ccol_t_row_mr2nv1ku1_po_bias_acc");
  Problem resized = problem;
  resized.m = 11;
  EXPECT_EQ(make_kernel_spec(resized, Bsr{.r = 4, .c = 2}, schedule), spec);
}

}  // namespace
}  // namespace lacuna
