// SPDX-License-Identifier: Apache-2.0
//
// The code of baked panels: its instructions, its size, and what is refused.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "targets/base/result.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/pattern_code.h"

namespace lacuna {
namespace {

CodeGenerator& generator() {
  static CodeGenerator* const kLoaded = load_code_generator().value();
  return *kLoaded;
}

// A mask in which weight (i, j) is there where a hash of both says so, once in `sparsity` times.
struct OwnedPattern {
  std::vector<std::int64_t> ptr{0};
  std::vector<std::int32_t> column;
  std::vector<std::uint32_t> rows;
  Pattern pattern;

  OwnedPattern(std::int64_t size, std::int32_t r, std::uint64_t sparsity) {
    for (std::int64_t first = 0; first < size; first += r) {
      for (std::int64_t j = 0; j < size; ++j) {
        std::uint32_t set = 0;
        for (std::int64_t i = first; i < std::min(first + r, size); ++i)
          if (is_weight(i * size + j, sparsity)) set |= 1U << (i - first);
        if (set == 0) continue;
        column.push_back(static_cast<std::int32_t>(j));
        rows.push_back(set);
      }
      ptr.push_back(static_cast<std::int64_t>(column.size()));
    }
    pattern = {
        .format = Baked{r}, .m = size, .k = size, .ptr = ptr, .column = column, .rows = rows};
  }
  static bool is_weight(std::int64_t number, std::uint64_t sparsity) {
    const std::uint64_t mixed = static_cast<std::uint64_t>(number + 1) * 0x9E3779B97F4A7C15U;
    return (mixed >> 40) % sparsity == 0;
  }
};

TEST(Pattern, BecomesShortInstructions) {
  const std::vector<std::int64_t> ptr{0, 9};
  const std::vector<std::int32_t> column{0, 1, 2, 3, 4, 5, 6, 7, 50};
  const std::vector<std::uint32_t> rows{3, 1, 1, 1, 1, 1, 1, 2, 2};
  const Pattern pattern{
      .format = Baked{28}, .m = 2, .k = 60, .ptr = ptr, .column = column, .rows = rows};
  const auto text = generator().list(pattern, 0, find_target("zen4").value());
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, R"(	kmovw	k1, r9d
	lea	r10, [rdx + 2*rdx]
	lea	r11, [rdx + 4*rdx]
	lea	r9, [r10 + 4*rdx]
	add	rdi, 512
	vpxord	zmm0, zmm0, zmm0
	vpxord	zmm1, zmm1, zmm1
	vmovups	zmm28 {k1} {z}, zmmword ptr [rsi]
	vfmadd231ps	zmm0, zmm28, dword ptr [rdi - 512]{1to16}
	vfmadd231ps	zmm1, zmm28, dword ptr [rdi - 508]{1to16}
	vmovups	zmm29 {k1} {z}, zmmword ptr [rsi + rdx]
	vfmadd231ps	zmm0, zmm29, dword ptr [rdi - 504]{1to16}
	vmovups	zmm30 {k1} {z}, zmmword ptr [rsi + 2*rdx]
	vfmadd231ps	zmm0, zmm30, dword ptr [rdi - 500]{1to16}
	vmovups	zmm31 {k1} {z}, zmmword ptr [rsi + r10]
	vfmadd231ps	zmm0, zmm31, dword ptr [rdi - 496]{1to16}
	vmovups	zmm28 {k1} {z}, zmmword ptr [rsi + 4*rdx]
	vfmadd231ps	zmm0, zmm28, dword ptr [rdi - 492]{1to16}
	vmovups	zmm29 {k1} {z}, zmmword ptr [rsi + r11]
	vfmadd231ps	zmm0, zmm29, dword ptr [rdi - 488]{1to16}
	vmovups	zmm30 {k1} {z}, zmmword ptr [rsi + 2*r10]
	vfmadd231ps	zmm0, zmm30, dword ptr [rdi - 484]{1to16}
	vmovups	zmm31 {k1} {z}, zmmword ptr [rsi + r9]
	vfmadd231ps	zmm1, zmm31, dword ptr [rdi - 480]{1to16}
	imul	rax, rdx, 48
	add	rsi, rax
	vmovups	zmm28 {k1} {z}, zmmword ptr [rsi + 2*rdx]
	vfmadd231ps	zmm1, zmm28, dword ptr [rdi - 476]{1to16}
	vmovups	zmmword ptr [rcx] {k1}, zmm0
	add	rcx, r8
	vmovups	zmmword ptr [rcx] {k1}, zmm1
	vzeroupper
	ret
)");
}

// 1024 x 1024 of density 0.1: the mask that must compile within 0.3 s, which is a matter of how many instructions there
// are (about 0.3 microseconds each).
TEST(Pattern, OfAMillionPlacesIsAboutNineBytesAWeight) {
  const OwnedPattern mask(1024, 28, 10);
  const auto object = generator().compile(mask.pattern, find_target("zen4").value());
  ASSERT_TRUE(object) << object.error().message;
  const BlockCounts counts = counts_of(mask.pattern);
  EXPECT_NEAR(static_cast<double>(counts.weights), 104857, 5000);
  std::size_t instructions = 0;
  std::vector<PatternInstruction> code;
  for (std::int64_t panel = 0; panel < mask.pattern.panels(); ++panel) {
    make_panel_code(mask.pattern, panel, code);
    instructions += code.size();
  }
  EXPECT_LT(instructions, 160000U);
  const auto loaded = LoadedKernel::load(*object);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto most = static_cast<double>(pattern_bytes(Baked{28}, counts));
  EXPECT_LE(static_cast<double>(loaded->code_bytes()), most + 4096);  // whole pages
  EXPECT_GE(static_cast<double>(loaded->code_bytes()), 0.9 * most);
  EXPECT_LE(most, 11.0 * static_cast<double>(counts.weights));
}

TEST(Pattern, IsReproducibleAndNamedByItsMask) {
  const Target target = find_target("zen4").value();
  const OwnedPattern mask(64, 16, 3), other(64, 16, 4);
  const auto first = generator().compile(mask.pattern, target);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*first, generator().compile(mask.pattern, target).value());
  EXPECT_EQ(first->name, pattern_name(mask.pattern, "zen4"));
  EXPECT_NE(first->name, generator().compile(other.pattern, target)->name);
}

TEST(Pattern, WithoutPanelsLoadsToo) {
  const OwnedPattern mask(0, 4, 2);
  const auto object = generator().compile(mask.pattern, find_target("zen4").value());
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(LoadedKernel::load(*object));
}

TEST(Pattern, IsRefusedAboveTheLimitBeforeItIsCompiled) {
  const OwnedPattern mask(1024, 24, 3);
  const auto object = generator().compile(mask.pattern, find_target("zen4").value());
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(object.error().message.find("bytes, the limit is 2097152"), std::string::npos)
      << object.error().message;
}

TEST(Pattern, IsRefusedWithoutAvx512) {
  const OwnedPattern mask(8, 4, 2);
  const auto object = generator().compile(mask.pattern, find_target("x86-64-v3").value());
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().message,
            "baked panels are for spmm and spmm_transposed of f32 with AVX-512, not for spmm of "
            "f32 on x86-64-v3");
}

}  // namespace
}  // namespace lacuna
