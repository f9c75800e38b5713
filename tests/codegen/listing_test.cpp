// SPDX-License-Identifier: Apache-2.0
//
// What the generated code looks like: the instructions that the templates count on are there, vectors never spill in an
// inner loop, and kernels stay small.
#include "codegen/llvm/listing.h"

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

CodeGenerator& generator() {
  static CodeGenerator* const kLoaded = load_code_generator().value();
  return *kLoaded;
}

KernelListing list(const std::string& name, const std::string& target_name) {
  const ParsedKernelName parsed = parse_kernel_name(name).value();
  auto listing = generator().list(parsed.spec, find_target(target_name).value());
  EXPECT_TRUE(listing) << (listing ? "" : listing.error().message);
  return listing ? *listing : KernelListing{};
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size()))
    ++n;
  return n;
}

TEST(Listing, SingleVectorTilesFoldTheBroadcastIntoTheFma) {
  const auto listing = list("spmm_bsr16x1_f32_brow_crow_zen4_row_mr16nv1ku1_po", "zen4");
  EXPECT_GE(count(listing.assembly, "{1to16}"), 16U);
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, WideTilesBroadcastOnceForAllVectors) {
  const auto listing = list("spmm_bsr16x1_f32_brow_crow_zen4_row_mr8nv3ku1_po", "zen4");
  // One body of 8 x 3, one of 8 x 2, one of 8 x 1 (masked) FMAs.
  EXPECT_EQ(count(listing.assembly, "vfmadd"), 8U * (3 + 2 + 1));
  EXPECT_EQ(count(listing.assembly, "vbroadcastss\tzmm"), 8U * 2);
}

TEST(Listing, PairsAreMultipliedWithTheBroadcastFolded) {
  const auto row = list("spmm_bsr16x2g2_bf16_brow_crow_zen4_row_mr16nv1ku1_po_pack", "zen4");
  EXPECT_GE(count(row.assembly, "{1to16}"), count(row.assembly, "vdpbf16ps"));
  EXPECT_GE(count(row.assembly, "vdpbf16ps"), 16U);
  EXPECT_EQ(count(row.assembly, "vfmadd"), 0U);
  EXPECT_EQ(row.spilled_vectors_in_loops, 0);
  const auto column = list("spmm_bsr16x16g2_bf16f32_bcol_ccol_zen4_col_mr12nv1ku1_po", "zen4");
  EXPECT_GE(count(column.assembly, "vdpbf16ps"), 12U);
  EXPECT_EQ(column.spilled_vectors_in_loops, 0);
}

// The FMAs are those of f32, with the broadcast folded; only packing and storing convert.
TEST(Listing, WidenedBf16IsMultipliedAsF32) {
  for (const char* const format : {"bsr16x1", "jam4"}) {
    const std::string shape = std::string(format) == "jam4" ? "mr4nv2" : "mr16nv1";
    const auto listing =
        list(fmt::format("spmm_{}_bf16_brow_crow_sapphire_rapids_row_{}ku1_to_pack", format, shape),
             "sapphire-rapids");
    EXPECT_EQ(count(listing.assembly, "vdpbf16ps"), 0U);
    EXPECT_GE(count(listing.assembly, "vfmadd"), 16U);
    EXPECT_LE(count(listing.assembly, "vpmovzxwd"), 4U);
    EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
  }
}

TEST(Listing, BytesAreMultipliedWithTheBroadcastFolded) {
  const auto listing = list("spmm_bsr16x4g4_s8u8f32_brow_crow_zen4_row_mr16nv1ku1_po_pack", "zen4");
  EXPECT_GE(count(listing.assembly, "vpdpbusd"), 16U);
  EXPECT_GE(count(listing.assembly, "{1to16}"), 16U);
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, TheMatrixUnitMultipliesWholeTiles) {
  const auto listing =
      list("spmm_bsr32x64g2_bf16f32_bcol_ccol_sapphire_rapids_amx_mr2nv2ku1_po", "sapphire-rapids");
  // Two steps of a block, for pairs of token tiles, single ones and the last: 4 + 2 + 2 products each.
  EXPECT_EQ(count(listing.assembly, "tdpbf16ps"), 2U * (4 + 2 + 2));
  EXPECT_EQ(count(listing.assembly, "ldtilecfg"), 2U);
  EXPECT_EQ(count(listing.assembly, "tilerelease"), 1U);
}

TEST(Listing, SumsOfBytesAreStoredAsTheyAre) {
  const auto row = list("spmm_bsr16x4g4_s8u8s32_brow_crow_zen4_row_mr16nv1ku1_po_pack", "zen4");
  EXPECT_GE(count(row.assembly, "vpdpbusd"), 16U);
  EXPECT_EQ(count(row.assembly, "vcvtdq2ps"), 0U);
  const auto tiles =
      list("spmm_bsr32x64g4_s8s8s32_bcol_ccol_sapphire_rapids_amx_mr2nv2ku1_po", "sapphire-rapids");
  EXPECT_GE(count(tiles.assembly, "tdpbssd"), 4U);
  EXPECT_EQ(count(tiles.assembly, "vcvtdq2ps"), 0U);
  EXPECT_GT(count(tiles.assembly, "tilestored"), 0U);
}

TEST(Listing, BytesOneByOneAreMultipliedAsWords) {
  const auto dot = list("spmm_jam4_s8u8s32_brow_crow_zen4_row_mr4nv4ku1_po_pack", "zen4");
  EXPECT_GE(count(dot.assembly, "vpdpwssd"), 32U * (4 + 2 + 1));
  const auto apart =
      list("spmm_bsr8x1_s8s8s32_bcol_ccol_skylake_x_row_mr8nv2ku1_po_pack", "skylake-x");
  EXPECT_GE(count(apart.assembly, "vpmaddwd"), 8U * (2 + 1));
  EXPECT_EQ(count(apart.assembly, "vpdp"), 0U);
  for (const auto* listing : {&dot, &apart})
    EXPECT_EQ(listing->spilled_vectors_in_loops, 0);
}

TEST(Listing, ScalesOfRowsAndColumnsAreOneFactor) {
  // 8 x 3, 8 x 2 and 8 x 1 sums: a product of scales and a scaled sum each.
  const auto listing =
      list("spmm_bsr16x1_f32_brow_crow_zen4_row_mr8nv3ku1_po_scale_rows_columns", "zen4");
  EXPECT_EQ(count(listing.assembly, "vmulps"), 2 * 8U * (3 + 2 + 1));
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, ValuesOfATransposeAreGatheredBeforeTheTilesAreComputed) {
  const auto listing = list("spmm_transposed_jam4_f32_brow_crow_zen4_row_mr4nv4ku1_po", "zen4");
  EXPECT_EQ(count(listing.assembly, "vgatherdps"), 2U);  // whole vectors, and what is left
  EXPECT_GE(count(listing.assembly, "vfmadd"), 32U * (4 + 2 + 1));
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, WeightsOfACodebookAreFoldedIntoTheFma) {
  const auto row = list("spmm_bsr16x1_c8f32_brow_crow_zen4_row_mr16nv1ku1_po", "zen4");
  EXPECT_GE(count(row.assembly, "{1to16}"), 16U);
  EXPECT_GE(count(row.assembly, "movzx"), 16U);  // the indices
  EXPECT_EQ(row.spilled_vectors_in_loops, 0);
}

TEST(Listing, VectorsOfIndicesArePermutedOrGathered) {
  const auto vectors = [](const char* types) {
    return list(std::string("spmm_bsr16x16_") + types + "_bcol_ccol_zen4_col_mr12nv1ku1_po",
                "zen4");
  };
  const auto four = vectors("c4f32"), five = vectors("c5f32"), six = vectors("c6f32");
  EXPECT_GT(count(four.assembly, "vpermps") + count(four.assembly, "vpermd"), 0U);
  EXPECT_GT(count(five.assembly, "vpermi2ps") + count(five.assembly, "vpermt2ps"), 0U);
  EXPECT_GT(count(six.assembly, "vgatherdps"), 0U);
  for (const auto* listing : {&four, &five, &six}) {
    EXPECT_GT(count(listing->assembly, "vpmovzxbd"), 0U);
    EXPECT_EQ(listing->spilled_vectors_in_loops, 0);
  }
  EXPECT_EQ(count(four.assembly, "vgatherdps") + count(five.assembly, "vgatherdps"), 0U);
}

// Values are loaded as they lie; what differs is how B's elements come to the lanes: broadcast, permuted for the rows of
// low blocks, put together from several blocks under masks, gathered for single weights.
TEST(Listing, ValuesOfBlocksAreStreamed) {
  const auto tall = list("spmm_bsr16x16_f32_brow_crow_zen4_stream_mr2nv1ku4_po", "zen4");
  EXPECT_GE(count(tall.assembly, "{1to16}"), 2U * 4);
  const auto low = list("spmm_bsr4x4_f32_bcol_ccol_zen4_stream_mr2nv1ku4_po", "zen4");
  EXPECT_GE(count(low.assembly, "vpermps") + count(low.assembly, "vpermpd") +
                count(low.assembly, "vpermilps"),
            2U * 4);
  const auto small = list("spmm_bsr4x1_f32_bcol_ccol_zen4_stream_mr1nv1ku4_po", "zen4");
  EXPECT_GE(count(small.assembly, "{k"), 2U * 4);
  EXPECT_EQ(count(small.assembly, "vgatherdps"), 0U);
  const auto single = list("spmm_bsr1x1_f32_bcol_ccol_zen4_stream_mr1nv1ku4_po", "zen4");
  EXPECT_EQ(count(single.assembly, "vgatherdps"), 4U + 1 + 1);  // the last for what is left
  for (const auto* listing : {&tall, &low, &small, &single}) {
    EXPECT_EQ(listing->spilled_vectors_in_loops, 0);
    EXPECT_GE(count(listing->assembly, "vfmadd"), 4U);
  }
}

// With a row-major C the weights come first, transposed into scratch, and B is packed.
TEST(Listing, TheMatrixUnitTakesRowMajorOperands) {
  const auto listing = list(
      "spmm_bsr32x32g2_bf16f32_brow_crow_sapphire_rapids_amx_mr2nv2ku1_po_pack", "sapphire-rapids");
  EXPECT_EQ(count(listing.assembly, "tdpbf16ps"), 4U + 2 + 2);
  EXPECT_EQ(count(listing.assembly, "ldtilecfg"), 1U);
  const auto bytes = list("spmm_bsr32x64g4_s8u8f32_brow_crow_sapphire_rapids_amx_mr2nv2ku1_po_pack",
                          "sapphire-rapids");
  EXPECT_EQ(count(bytes.assembly, "tdpbsud"), 4U + 2 + 2);
  const auto transposed =
      list("spmm_transposed_bsr32x32g2_bf16_bcol_ccol_sapphire_rapids_amx_mr2nv2ku1_po_pack",
           "sapphire-rapids");
  EXPECT_EQ(count(transposed.assembly, "tdpbf16ps"), 4U + 2 + 2);
}

TEST(Listing, PairsAreWidenedWhereTheTargetCannotMultiplyThem) {
  const auto listing =
      list("spmm_bsr16x2g2_bf16_brow_crow_skylake_x_row_mr4nv2ku1_po_pack", "skylake-x");
  EXPECT_EQ(count(listing.assembly, "vdpbf16ps"), 0U);
  EXPECT_GE(count(listing.assembly, "vfmadd"), 2U * 4 * 2);
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, AKernelThatSpillsVectorsIsRejected) {
  Target boastful = find_target("zen4").value();
  boastful.vector_registers = 64;
  const auto parsed = parse_kernel_name("spmm_bsr32x32_f32_brow_crow_zen4_row_mr14nv3ku4_po");
  const auto kernel = generator().compile(parsed.value().spec, boastful);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().code, ErrorCode::kCompile);
  EXPECT_NE(kernel.error().message.find("vector registers in an inner loop"), std::string::npos);
}

TEST(Listing, TailsAreMaskedNotPadded) {
  const auto listing = list("spmm_bsr16x1_f32_brow_crow_zen4_row_mr8nv2ku1_po", "zen4");
  EXPECT_GT(count(listing.assembly, "{k1} {z}"), 0U);
}

TEST(Listing, A256BitTargetUsesNoWideRegister) {
  const auto listing = list("spmm_bsr16x16_f32_brow_crow_x86_64_v3_row_mr4nv2ku2_po", "x86-64-v3");
  EXPECT_EQ(count(listing.assembly, "zmm"), 0U);
  EXPECT_EQ(count(listing.assembly, "{k1}"), 0U);
  EXPECT_GT(count(listing.assembly, "vfmadd"), 0U);
  EXPECT_LE(listing.vector_registers_used, 16);
  EXPECT_EQ(listing.spilled_vectors_in_loops, 0);
}

TEST(Listing, NamesTheKernelInEveryText) {
  const std::string name = "sddmm_bsr32x32_f32_brow_crow_zen4_dot_mr8nv2ku4_po_pack";
  const auto listing = list(name, "zen4");
  EXPECT_EQ(listing.kernel.name, name);
  EXPECT_NE(listing.ir.find("@" + name), std::string::npos);
  EXPECT_NE(listing.assembly.find(name + ":"), std::string::npos);
  EXPECT_FALSE(listing.kernel.object.empty());
  EXPECT_GT(listing.compile_seconds, 0);
}

// Two nested loops as the asm printer writes them; only the inner one, .LBB0_2, counts.
TEST(Listing, CountsEverySpillAndReloadOfTheInnermostLoop) {
  const AssemblyFacts facts = read_assembly(R"(
.LBB0_1:                                # =>This Loop Header: Depth=1
                                        #     Child Loop BB0_2 Depth 2
	vmovups	zmmword ptr [rsp], zmm0         # 64-byte Spill
.LBB0_2:                                #   Parent Loop BB0_1 Depth=1
                                        # =>  This Inner Loop Header: Depth=2
	vmovups	zmmword ptr [rsp], zmm1         # 64-byte Spill
	vmovups	zmm2, zmmword ptr [rsp]         # 64-byte Reload
	vaddps	zmm3, zmm3, zmmword ptr [rsp]   # 64-byte Folded Reload
	vextractf32x4	xmmword ptr [rsp], zmm4, 1 # 16-byte Folded Spill
	add	qword ptr [rsp], rax            # 8-byte Folded Spill
	jne	.LBB0_2
# %bb.3:                                #   in Loop: Header=BB0_1 Depth=1
	vmovups	zmm5, zmmword ptr [rsp]         # 64-byte Reload
	jne	.LBB0_1
)");
  EXPECT_EQ(facts.spilled_vectors_in_loops, 4);
  EXPECT_EQ(facts.spills_in_loops, 5);
  EXPECT_EQ(facts.vector_registers_used, 6);
}

TEST(Compile, IsReproducible) {
  const auto spec =
      parse_kernel_name("spmm_bsr8x8_f32_bcol_ccol_zen4_row_mr8nv2ku2_to_pack").value().spec;
  const Target target = find_target("zen4").value();
  EXPECT_EQ(generator().compile(spec, target).value(), generator().compile(spec, target).value());
}

TEST(Compile, RejectsAnIllegalScheduleWithItsRule) {
  const auto spec =
      parse_kernel_name("spmm_bsr32x32_f32_brow_crow_zen4_row_mr24nv2ku1_po").value().spec;
  const auto result = generator().compile(spec, find_target("zen4").value());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "mr 24 x nv 2 needs 51 vector registers, zen4 has 30 to use");
}

TEST(Compile, RejectsATargetWithoutABackEnd) {
  const auto spec =
      parse_kernel_name("spmm_bsr8x8_f32_brow_crow_zen4_row_mr8nv2ku1_po").value().spec;
  Target target = find_target("zen4").value();
  target.llvm_cpu = "no-such-cpu";
  testing::internal::CaptureStderr();
  const auto result = generator().compile(spec, target);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "LLVM does not know the cpu 'no-such-cpu' of target zen4");
}

TEST(Compile, RejectsAKernelBeyondTheTargetsCodeLimit) {
  const auto spec =
      parse_kernel_name("spmm_bsr8x8_f32_brow_crow_zen4_row_mr8nv2ku1_po").value().spec;
  Target target = find_target("zen4").value();
  target.code_limit_bytes = 100;
  const auto result = generator().compile(spec, target);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCompile);
  EXPECT_NE(result.error().message.find("the limit of zen4 is 100"), std::string::npos);
}

// Every template on every x86 target, with sampled schedules: none spills a vector in an inner loop.
class NoSpill : public testing::TestWithParam<const char*> {};

std::vector<KernelSpec> sampled_specs(const Target& target) {
  std::vector<KernelSpec> specs;
  std::size_t turn = 0;
  for (const Op op : {Op::kSpmm, Op::kSpmmTransposed, Op::kSddmm})
    for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor})
      for (const Format& format : {Format{Bsr{32, 32}}, Format{Bsr{16, 1}}, Format{Bsr{8, 8}},
                                   Format{Jam{4}}, Format{Jam{6}}}) {
        const ElementTypes types = turn % 3 == 2 ? ElementTypes::kBf16 : ElementTypes::kF32;
        KernelSpec spec{op, types, layout, layout, Epilogue{}, true, format, {}};
        const auto schedules = enumerate_schedules(spec, target);
        EXPECT_FALSE(schedules.empty());
        for (std::size_t i = turn++ % schedules.size(); i < schedules.size();
             i += schedules.size() / 3 + 1) {
          spec.schedule = schedules[i];
          specs.push_back(spec);
        }
      }
  return specs;
}

TEST_P(NoSpill, InAnyInnerLoop) {
  const Target target = find_target(GetParam()).value();
  for (const KernelSpec& spec : sampled_specs(target)) {
    const auto listing = generator().list(spec, target);
    ASSERT_TRUE(listing) << listing.error().message;
    EXPECT_EQ(listing->spilled_vectors_in_loops, 0) << listing->kernel.name;
    EXPECT_LT(static_cast<std::int64_t>(listing->kernel.object.size()), target.code_limit_bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, NoSpill,
                         testing::Values("zen4", "sapphire-rapids", "skylake-x", "x86-64-v3"));

}  // namespace
}  // namespace lacuna
