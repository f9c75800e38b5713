// SPDX-License-Identifier: Apache-2.0
//
// Parts of the command that need no process: text, tables, options. The verbs are run in tests/errors.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/cli/assembly.h"
#include "tuner/cli/kernel_choice.h"
#include "tuner/cli/kernel_header.h"
#include "tuner/cli/output.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

TEST(ExitCode, IsStable) {
  EXPECT_EQ(exit_code(ErrorCode::kOk), 0);
  EXPECT_EQ(exit_code(ErrorCode::kInternal), 1);
  EXPECT_EQ(exit_code(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_code(ErrorCode::kInvalidFile), 2);
  EXPECT_EQ(exit_code(ErrorCode::kNotFound), 3);
  EXPECT_EQ(exit_code(ErrorCode::kIo), 4);
  EXPECT_EQ(exit_code(ErrorCode::kUnsupported), 5);
  EXPECT_EQ(exit_code(ErrorCode::kCompile), 6);
  EXPECT_EQ(exit_code(ErrorCode::kInterrupted), 130);
}

// The command lines in a verb's help, without the leading "lacuna".
std::vector<std::string> examples_of(const CLI::App& verb) {
  std::istringstream text(verb.get_footer());
  std::vector<std::string> examples;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("  lacuna ")) examples.push_back(line.substr(9));
  return examples;
}

TEST(Verbs, HaveExamplesThatParse) {
  CLI::App listed;
  Registry registry(listed);
  add_all_verbs(registry);
  const auto verbs = listed.get_subcommands(nullptr);
  EXPECT_EQ(verbs.size(), 11U);
  for (const CLI::App* const verb : verbs) {
    const auto examples = examples_of(*verb);
    EXPECT_FALSE(examples.empty()) << verb->get_name();
    for (const std::string& example : examples) {
      CLI::App app;
      Registry fresh(app);
      add_all_verbs(fresh);
      EXPECT_NO_THROW(app.parse(example)) << example;
      EXPECT_EQ(fresh.chosen_name(), verb->get_name()) << example;
    }
  }
}

TEST(Table, AlignsColumns) {
  Table table({"name", "time"});
  table.add({"a", "1.0 us"});
  table.add({"longer", "10.0 us"});
  EXPECT_EQ(table.to_text(), "name    time\na        1.0 us\nlonger  10.0 us");
}

TEST(Units, AreReadable) {
  EXPECT_EQ(seconds_text(3.21e-8), "32.1 ns");
  EXPECT_EQ(seconds_text(3.21e-5), "32.1 us");
  EXPECT_EQ(seconds_text(3.21e-3), "3.21 ms");
  EXPECT_EQ(seconds_text(3.21), "3.21 s");
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(48 * 1024), "48 KiB");
  EXPECT_EQ(bytes_text(2 * 1024 * 1024), "2.0 MiB");
}

TEST(RandomMask, IsParsed) {
  const auto mask = make_random_mask("64x128:16x8:0.25:7");
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(mask->m(), 64);
  EXPECT_EQ(mask->k(), 128);
  EXPECT_DOUBLE_EQ(mask->density(), 0.25);
  EXPECT_EQ(*mask, make_random_block_mask(64, 128, 16, 8, 0.25, 7).value());
}

TEST(RandomMask, OfNOfMIsParsed) {
  EXPECT_EQ(make_random_mask("8x64:2of4").value(), make_random_nm_mask(8, 64, 2, 4, 1).value());
  EXPECT_EQ(make_random_mask("8x64:1of16:9").value(), make_random_nm_mask(8, 64, 1, 16, 9).value());
  EXPECT_EQ(make_random_mask("8x64:2of4x4").value(),
            make_random_nm_mask(8, 64, 2, 4, 1, 4).value());
  EXPECT_EQ(make_random_mask("8x64:2of8x2:3").value(),
            make_random_nm_mask(8, 64, 2, 8, 3, 2).value());
}

TEST(MaskText, NamesAPatternThatEveryGroupHas) {
  EXPECT_EQ(mask_text(make_random_mask("64x64:2of4").value()),
            "64 x 64, 2048 nonzeros, density 0.5, 2:4");
  EXPECT_EQ(mask_text(make_random_mask("64x64:1of8x16").value()),
            "64 x 64, 512 nonzeros, density 0.125, 1:8 by 16 rows");
  EXPECT_EQ(mask_text(make_random_mask("64x64:8x8:0.5").value()),
            "64 x 64, 2048 nonzeros, density 0.5");
}

TEST(RandomMask, MakesRowsOfUnequalLength) {
  ZipfMask wanted{64, 128, 16, 8, 0.25, 1.5, 7};
  EXPECT_EQ(make_random_mask("64x128:16x8:0.25:zipf1.5:7").value(),
            make_random_zipf_mask(wanted).value());
  wanted.seed = 1;
  EXPECT_EQ(make_random_mask("64x128:16x8:0.25:zipf1.5").value(),
            make_random_zipf_mask(wanted).value());
}

TEST(RandomMask, BadTextIsNamed) {
  for (const char* const text : {"64x64:2of",
                                 "64x64:2o4",
                                 "64x64:of4",
                                 "64x64:2of4:",
                                 "64x64:2of4:1:2",
                                 "64x64:2of4x",
                                 "64x64:2of4x:1",
                                 "",
                                 "64",
                                 "64x64",
                                 "64x64:8x8",
                                 "64x64:8x8:",
                                 "64x64:8x8:0.1:",
                                 "64x64:8x8:0.1:x",
                                 "64x64:8x8:0.1:1:2",
                                 "ax64:8x8:0.1",
                                 "64x64:8x8:0.1:zipf",
                                 "64x64:8x8:0.1:zipf1:",
                                 "64x64:8x8:0.1:1:zipf1",
                                 "64x64::zipf1",
                                 "64x64:2of4:zipf1"}) {
    const auto mask = make_random_mask(text);
    ASSERT_FALSE(mask) << text;
    EXPECT_EQ(
        mask.error().message,
        fmt::format("--random '{}' is neither MxK:RxC:DENSITY[:zipfEXPONENT][:SEED], for example "
                    "1024x1024:16x16:0.1, nor MxK:NofM[xV][:SEED], for example 1024x1024:2of4",
                    text));
  }
}

TEST(MakeProblems, GivesTheEpilogueToTheFirstOperation) {
  RequestOptions options;
  options.ops = {"spmm", "sddmm"};
  options.epilogue = "bias";
  options.layout_c = "col";
  const auto problems = make_problems(options, 10, 20);
  ASSERT_TRUE(problems) << problems.error().message;
  ASSERT_EQ(problems->size(), 2U);
  EXPECT_EQ(problems->at(0).epilogue, (Epilogue{.bias = true}));
  EXPECT_EQ(problems->at(1).epilogue, Epilogue{});
  EXPECT_EQ(problems->at(1).layout_c, Layout::kColMajor);
}

TEST(RequestOptions, AMaskMayFollowTheOperations) {
  CLI::App app;
  RequestOptions options;
  add_request_options(app, options);
  app.parse("--op spmm,sddmm weights.npz --n 8");
  EXPECT_EQ(options.ops, (std::vector<std::string>{"spmm", "sddmm"}));
  EXPECT_EQ(options.mask_path, "weights.npz");
}

TEST(MakeProblems, NamesTheBadOption) {
  const auto message = [](auto change) {
    RequestOptions options;
    change(options);
    const auto problems = make_problems(options, 1, 1);
    return problems ? "no error" : problems.error().message;
  };
  EXPECT_EQ(message([](RequestOptions& o) { o.ops = {"spmv"}; }),
            "--op: 'spmv' is not one of: spmm, spmm_transposed, sddmm");
  EXPECT_EQ(message([](RequestOptions& o) { o.layout_b = "diag"; }),
            "--layout-b 'diag' is not one of: row, col");
  EXPECT_EQ(message([](RequestOptions& o) { o.epilogue = "gelu"; }),
            "--epilogue: 'gelu' is not none, nor parts in this order, joined by _: one of "
            "scale, scale_rows, scale_columns, scale_rows_columns, bias, one of relu, gelu_erf, "
            "gelu_tanh, silu (with a d before it its "
            "derivative), glu or gate, residual");
  EXPECT_EQ(message([](RequestOptions& o) { o.n = -1; }), "--n -1 is not in [0, 2147483648]");
}

TEST(ProblemText, NamesTypesOtherThanF32) {
  Problem problem{.m = 8, .k = 8, .n = 64};
  EXPECT_EQ(problem_text(problem), "spmm n 64, B row-major, C row-major");
  problem.types = ElementTypes::kS8U8Bf16;
  problem.layout_c = Layout::kColMajor;
  EXPECT_EQ(problem_text(problem), "spmm of s8u8bf16, n 64, B row-major, C col-major");
}

TEST(CountInstructions, SortsIntelSyntax) {
  const InstructionMix mix = count_instructions(
      "\t.text\nkernel:  # @kernel\n# %bb.0:\n\tpush\trbx\n.LBB0_1:\n\tvmovups\tzmm0, zmmword ptr "
      "[rdi]\n"
      "\tvbroadcastss\tzmm1, dword ptr [rsi]\n\tvfmadd231ps\tzmm2, zmm1, zmm0\n"
      "\tvfmadd231ps\tzmm3, zmm0, dword ptr [rsi + 4]{1to16}\n\tvmovups\tzmmword ptr [rdx], zmm2\n"
      "\tvmovaps\tzmm4, zmm3\n\tvshufps\tzmm4, zmm4, zmm4, 1\n\tjne\t.LBB0_1\n\tret\n");
  EXPECT_EQ(mix.instructions, 10);
  EXPECT_EQ(mix.by_class.at("fma"), 1);
  EXPECT_EQ(mix.by_class.at("fma with broadcast"), 1);
  EXPECT_EQ(mix.by_class.at("broadcast"), 1);
  EXPECT_EQ(mix.by_class.at("vector load"), 1);
  EXPECT_EQ(mix.by_class.at("vector store"), 1);
  EXPECT_EQ(mix.by_class.at("vector copy"), 1);
  EXPECT_EQ(mix.by_class.at("shuffle"), 1);
  EXPECT_EQ(mix.by_class.at("branch"), 1);
  EXPECT_EQ(mix.by_class.at("scalar"), 2);
  EXPECT_EQ(mix.by_mnemonic.at("vmovups"), 2);
}

TEST(ChooseKernel, NamesAndOptionsMeet) {
  RequestOptions options;
  options.format = "bsr16x4";
  const auto choices = choose_by_options(options, "sapphire-rapids");
  ASSERT_TRUE(choices) << choices.error().message;
  ASSERT_FALSE(choices->empty());
  const std::string name = kernel_name(choices->front().spec, choices->front().target.name);
  const auto again = choose_by_name(name, "");  // the '-' of the target's name is found again
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->spec, choices->front().spec);
  EXPECT_EQ(again->target, choices->front().target);
}

TEST(ChooseKernel, HasKernelsForAllTypesInTheDefaultAndInNamedFormats) {
  for (const auto& [types, name] : EnumNames<ElementTypes>::kNames)
    for (const char* const format : {"", "bsr32x8"}) {
      RequestOptions options;
      options.types = std::string(name);
      options.format = format;
      const auto choices = choose_by_options(options, "zen4");
      ASSERT_TRUE(choices) << name << ": " << choices.error().message;
      for (const Format& stored : stored_as(Bsr{32, 8}, types))
        EXPECT_TRUE(std::ranges::any_of(*choices, [&](const KernelChoice& choice) {
          return group_of(choice.spec.format) == group_of(stored);
        })) << name;
    }
}

TEST(ChooseKernel, ReportsUnknownNames) {
  EXPECT_EQ(choose_by_name("nonsense", "").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(choose_by_options({}, "z80").error().code, ErrorCode::kNotFound);
}

TEST(KernelHeader, DeclaresTheKernel) {
  RequestOptions options;
  options.epilogue = "bias_relu";
  options.layout_b = "col";
  const auto choices = choose_by_options(options, "zen4");
  ASSERT_TRUE(choices) << choices.error().message;
  const std::string header = kernel_header(choices->front());
  const std::string name = kernel_name(choices->front().spec, "zen4");
  EXPECT_NE(header.find("void " + name + "(const lacuna_kernel_args* args);"), std::string::npos)
      << header;
  EXPECT_NE(header.find("C[M,N] = relu(A[M,K] * B[K,N] + bias[row])"), std::string::npos) << header;
  EXPECT_NE(header.find("B: column-major"), std::string::npos);
  EXPECT_NE(header.find("extern \"C\""), std::string::npos);
}

TEST(KernelHeader, TellsOfBothHalves) {
  RequestOptions options;
  options.epilogue = "scale_rows_bias_silu_glu_residual";
  const auto choices = choose_by_options(options, "zen4");
  ASSERT_TRUE(choices) << choices.error().message;
  const std::string header = kernel_header(choices->front());
  EXPECT_NE(header.find("C[M,N] = silu(G) * U + residual, where [G; U] = "
                        "scale[row] * (A[2M,K] * B[K,N]) + bias[row]"),
            std::string::npos)
      << header;
}

std::string header_of(const RequestOptions& options, Strategy strategy) {
  const auto choices = choose_by_options(options, "sapphire-rapids");
  EXPECT_TRUE(choices) << choices.error().message;
  for (const KernelChoice& choice : *choices)
    if (choice.spec.schedule.strategy == strategy) return kernel_header(choice);
  return "no kernel of this strategy";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(KernelHeader, NamesTypesAndGroups) {
  RequestOptions options;
  const std::string plain = header_of(options, Strategy::kRowTile);
  EXPECT_TRUE(holds(plain, "Elements: values float, B float, C float.")) << plain;
  EXPECT_TRUE(holds(plain, "values[q * 256 + j * 16 + i]")) << plain;
  EXPECT_FALSE(holds(plain, "a multiple of")) << plain;
  options.types = "bf16f32";
  const std::string pairs = header_of(options, Strategy::kRowTile);
  const std::string bf16 = "bf16 (the upper half of a float)";
  EXPECT_TRUE(holds(pairs, "Elements: values " + bf16 + ", B " + bf16 + ", C float.")) << pairs;
  EXPECT_TRUE(holds(pairs, "values[q * 256 + j / 2 * 32 + i * 2 + j % 2]")) << pairs;
  EXPECT_TRUE(holds(pairs, "K is a multiple of 2.")) << pairs;
  EXPECT_TRUE(holds(pairs, "const void* b;")) << pairs;
  options.ops = {"spmm_transposed"};
  const std::string transposed = header_of(options, Strategy::kRowTile);
  EXPECT_TRUE(holds(transposed, "M and K are a multiple of 2.")) << transposed;
  options.ops = {"sddmm"};
  const std::string gradient = header_of(options, Strategy::kSddmmTile);
  EXPECT_TRUE(holds(gradient, "Elements: values float, B " + bf16 + ", C " + bf16 + "."))
      << gradient;
  options.ops = {"spmm"};
  options.types = "s8u8bf16";
  const std::string bytes = header_of(options, Strategy::kRowTile);
  EXPECT_TRUE(holds(bytes, "Elements: values int8_t, B uint8_t, C " + bf16 + ".")) << bytes;
  EXPECT_TRUE(holds(bytes, "values[q * 256 + j / 4 * 64 + i * 4 + j % 4]")) << bytes;
  EXPECT_TRUE(holds(bytes, "K is a multiple of 4.")) << bytes;
}

TEST(KernelHeader, SaysWhatTheMatrixUnitNeeds) {
  RequestOptions options;
  options.types = "bf16";
  options.layout_b = options.layout_c = "col";
  EXPECT_TRUE(holds(header_of(options, Strategy::kMatrixTile), "SYS_arch_prctl, 0x1023, 18"));
  EXPECT_FALSE(holds(header_of(options, Strategy::kRowTile), "SYS_arch_prctl"));
}

TEST(KernelHeader, SaysHowJammedRowsAreStored) {
  RequestOptions options;
  options.format = "jam3";
  const auto choices = choose_by_options(options, "zen4");
  ASSERT_TRUE(choices) << choices.error().message;
  const std::string header = kernel_header(choices->front());
  EXPECT_NE(header.find("panels of 3. Group g of a panel, 1 <= g <= 7"), std::string::npos)
      << header;
  EXPECT_NE(header.find("const int64_t* first_value;"), std::string::npos);
}

TEST(KernelHeader, SaysHowNOfMIsStored) {
  RequestOptions options;
  options.format = "nm2of8";
  const auto choices = choose_by_options(options, "zen4");
  ASSERT_TRUE(choices) << choices.error().message;
  const std::string header = kernel_header(choices->front());
  EXPECT_NE(header.find("A: 2 of every 8 columns, panels of 16 rows; groups = ceil(K / 8)."),
            std::string::npos)
      << header;
  EXPECT_NE(header.find("4 * (i / 2) on, 4 of them, of origin[((p * groups + g) * 2 + s) * 2 + i % "
                        "2]."),
            std::string::npos)
      << header;
  EXPECT_EQ(header.find("the origin of an entry"), std::string::npos);
}

}  // namespace
}  // namespace lacuna::cli
