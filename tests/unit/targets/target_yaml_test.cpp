// SPDX-License-Identifier: Apache-2.0
#include "targets/target_yaml.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

constexpr const char* kMinimal =
    "schema: 1\n"
    "name: my-cpu_2\n"
    "isa: x86_64\n"
    "vector_bits: 256\n"
    "llvm_cpu: x86-64-v3\n"
    "features: [fma, avx2, avx]\n";  // line 6

TEST(TargetYaml, MinimalFileKeepsDefaultsAndSortsFeatures) {
  const auto target = parse_target(kMinimal, "f.yaml");
  ASSERT_TRUE(target) << target.error().message;
  Target expected;
  expected.name = "my-cpu_2";
  expected.llvm_cpu = "x86-64-v3";
  expected.features = {"avx", "avx2", "fma"};
  EXPECT_EQ(*target, expected);
}

TEST(TargetYaml, ReadsEveryField) {
  const auto target = parse_target(
      "schema: 1\nname: big\nisa: cuda\nvector_bits: 128\nvector_registers: 255\ncode_limit_bytes: "
      "128K\n"
      "pipes: {fma_per_cycle: 2.5, dot_bf16_per_cycle: 0.25, load_per_cycle: 1e0, "
      "broadcast_per_cycle: 3, store_per_cycle: "
      "0.5, fma_latency: 6}\n"
      "caches: {l1d_bytes: 48K, l2_bytes: 2M, l3_bytes: 1G, line_bytes: 128}\n"
      "gpu:\n  compute_capability: 90\n  sm_count: 132\n  shared_bytes_per_sm: 233472\n"
      "  registers_per_sm: 65536\n  max_threads_per_sm: 2048\n",
      "f.yaml");
  ASSERT_TRUE(target) << target.error().message;
  Target expected;
  expected.name = "big";
  expected.isa = Isa::kCuda;
  expected.vector_bits = 128;
  expected.vector_registers = 255;
  expected.code_limit_bytes = 128 << 10;
  expected.pipes = {.fma_per_cycle = 2.5,
                    .dot_bf16_per_cycle = 0.25,
                    .load_per_cycle = 1,
                    .broadcast_per_cycle = 3,
                    .store_per_cycle = 0.5,
                    .fma_latency = 6};
  expected.caches = {
      .l1d_bytes = 48 << 10, .l2_bytes = 2 << 20, .l3_bytes = 1 << 30, .line_bytes = 128};
  expected.gpu = {.compute_capability = 90,
                  .sm_count = 132,
                  .shared_bytes_per_sm = 228 << 10,
                  .registers_per_sm = 65536,
                  .max_threads_per_sm = 2048};
  EXPECT_EQ(*target, expected);
}

class ShippedTargets : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedTargets, Parse) {
  const auto path =
      std::filesystem::path(LACUNA_TEST_MACHINES) / (std::string(GetParam()) + ".yaml");
  const auto target = load_target(path);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->name, GetParam()) << "a file is found by its target's name";
}

INSTANTIATE_TEST_SUITE_P(All, ShippedTargets,
                         ::testing::Values("zen4", "zen5", "sapphire-rapids",
                                           "sapphire-rapids-noamx", "skylake-x", "x86-64-v3",
                                           "neoverse-v1", "neoverse-v2", "sm_80", "sm_90a"));

struct Fault {
  const char* name;
  std::string yaml;
  const char* message;
};

std::string with(const char* line) {
  return std::string(kMinimal) + line + "\n";
}
std::string without(const std::string& key) {
  std::string text = kMinimal;
  const auto begin = text.find(key + ":");
  return text.erase(begin, text.find('\n', begin) + 1 - begin);
}
std::string replaced(const std::string& key, const std::string& value) {
  std::string text = kMinimal;
  const auto begin = text.find(key + ":");
  return text.replace(begin, text.find('\n', begin) - begin, key + ": " + value);
}

class TargetYamlFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(TargetYamlFaults, NameFileLineKeyAndWhatIsAllowed) {
  const auto target = parse_target(GetParam().yaml, "f.yaml");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(target.error().message, GetParam().message);
}

const char* const kAarch64 = "schema: 1\nname: a\nisa: aarch64\nllvm_cpu: generic\n";
const char* const kCuda = "schema: 1\nname: a\nisa: cuda\nvector_bits: 128\n";

INSTANTIATE_TEST_SUITE_P(
    Keys, TargetYamlFaults,
    ::testing::Values(
        Fault{"NoSchema", without("schema"), "f.yaml:1: schema: required key is missing"},
        Fault{"NoName", without("name"), "f.yaml:1: name: required key is missing"},
        Fault{"NoIsa", without("isa"), "f.yaml:1: isa: required key is missing"},
        Fault{"NoVectorBits", without("vector_bits"),
              "f.yaml:1: vector_bits: required key is missing"},
        Fault{"OtherSchema", replaced("schema", "2"), "f.yaml:1: schema: must be 1"},
        Fault{"SchemaList", replaced("schema", "[1]"), "f.yaml:1: schema: must be 1"},
        Fault{"UnknownKey", with("vector_bit: 3"),
              "f.yaml:7: vector_bit: unknown key, allowed are: schema, name, isa, llvm_cpu, "
              "features, vector_bits, "
              "vector_registers, pipes, caches, code_limit_bytes, gpu"},
        Fault{"UnknownNestedKey", with("caches:\n  l1d_bytes: 32K\n  l4_bytes: 1"),
              "f.yaml:9: caches.l4_bytes: unknown key, allowed are: l1d_bytes, l2_bytes, l3_bytes, "
              "line_bytes"},
        Fault{
            "NestedSchema", with("pipes: {schema: 1}"),
            "f.yaml:7: pipes.schema: unknown key, allowed are: fma_per_cycle, dot_bf16_per_cycle, "
            "load_per_cycle, broadcast_per_cycle, "
            "store_per_cycle, fma_latency"},
        Fault{"Twice", with("isa: x86_64"), "f.yaml:7: isa: is given twice"},
        Fault{"ListAsKey", with("? [a]\n: 1"), "f.yaml:7: a key must be a plain word"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Types, TargetYamlFaults,
    ::testing::Values(
        Fault{"NameIsList", replaced("name", "[a]"), "f.yaml:2: name: expected a string"},
        Fault{"NameIsEmpty", replaced("name", ""), "f.yaml:2: name: expected a string"},
        Fault{"IsaUnknown", replaced("isa", "riscv"),
              "f.yaml:3: isa: 'riscv' is not one of: x86_64, aarch64, cuda"},
        Fault{"IsaIsMap", replaced("isa", "{a: 1}"), "f.yaml:3: isa: expected one word"},
        Fault{"BitsAreWords", replaced("vector_bits", "wide"),
              "f.yaml:4: vector_bits: 'wide': expected an integer"},
        Fault{"BitsAreQuoted", replaced("vector_bits", "\"256\""),
              "f.yaml:4: vector_bits: expected an integer"},
        Fault{"BitsAreFraction", replaced("vector_bits", "256.0"),
              "f.yaml:4: vector_bits: '256.0': expected an integer"},
        Fault{"BitsOverflow", replaced("vector_bits", "99999999999999999999"),
              "f.yaml:4: vector_bits: '99999999999999999999': expected an integer"},
        Fault{"FeaturesAreWord", replaced("features", "avx2"),
              "f.yaml:6: features: expected a list, as in [avx2, fma]"},
        Fault{"FeatureIsList", replaced("features", "[[avx]]"),
              "f.yaml:6: features: expected a string"},
        Fault{"PipesAreNumber", with("pipes: 3"), "f.yaml:7: pipes: expected keys and values"},
        Fault{"RateIsWord", with("pipes: {fma_per_cycle: two}"),
              "f.yaml:7: pipes.fma_per_cycle: 'two': expected a number"},
        Fault{"SizeUnit", with("caches: {l2_bytes: 2X}"),
              "f.yaml:7: caches.l2_bytes: '2X': expected a size, as in 48K, 2M or 32768"},
        Fault{"SizeFraction", with("caches: {l2_bytes: 1.5M}"),
              "f.yaml:7: caches.l2_bytes: '1.5M': expected a size, as in 48K, 2M or 32768"},
        Fault{"SizeOverflow", with("caches: {l2_bytes: 9223372036854775807G}"),
              "f.yaml:7: caches.l2_bytes: '9223372036854775807G': expected a size, as in 48K, 2M "
              "or 32768"},
        Fault{"SizeUnitOnly", with("caches: {l2_bytes: K}"),
              "f.yaml:7: caches.l2_bytes: 'K': expected a size, as in 48K, 2M or 32768"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Ranges, TargetYamlFaults,
    ::testing::Values(
        Fault{"Bits", replaced("vector_bits", "1024"),
              "f.yaml:4: vector_bits: 1024 is not from 0 to 512"},
        Fault{"BitsNegative", replaced("vector_bits", "-1"),
              "f.yaml:4: vector_bits: -1 is not from 0 to 512"},
        Fault{"BitsOdd", replaced("vector_bits", "384"),
              "f.yaml:4: vector_bits: 384 is not one of, for x86_64: 256, 512"},
        Fault{"Latency", with("\npipes:\n  fma_latency: 0"),
              "f.yaml:9: pipes.fma_latency: 0 is not from 1 to 64"},
        Fault{"RateInfinite", with("pipes: {load_per_cycle: inf}"),
              "f.yaml:7: pipes.load_per_cycle: inf is not from 0.125 to 16"},
        Fault{"RateNan", with("pipes: {load_per_cycle: nan}"),
              "f.yaml:7: pipes.load_per_cycle: nan is not from 0.125 to 16"},
        Fault{"Cache", with("caches:\n  l1d_bytes: 1K"),
              "f.yaml:8: caches.l1d_bytes: 1024 is not from 4K to 4M"},
        Fault{"Line", with("caches:\n  line_bytes: 96"),
              "f.yaml:8: caches.line_bytes: 96 is not a power of two"},
        Fault{"CodeLimit", with("code_limit_bytes: 1G"),
              "f.yaml:7: code_limit_bytes: 1073741824 is not from 4K to 16M"},
        Fault{"Registers", with("vector_registers: 32"),
              "f.yaml:7: vector_registers: 32 is not from 8 to 16 with 256-bit vectors"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rules, TargetYamlFaults,
    ::testing::Values(
        Fault{"NameLetters", replaced("name", "Zen 4"),
              "f.yaml:2: name: 'Zen 4' is not 1 to 64 characters of a-z, 0-9, _ and -"},
        Fault{"NameHost", replaced("name", "host"),
              "f.yaml:2: name: 'host' is the name of the probed machine"},
        Fault{"NoCpu", without("llvm_cpu"),
              "f.yaml:1: llvm_cpu: must name LLVM's processor, for example x86-64-v3"},
        Fault{"CpuLetters", replaced("llvm_cpu", "zen 4"),
              "f.yaml:5: llvm_cpu: 'zen 4' is not of a-z, 0-9, _, . and -"},
        Fault{"NoFeatures", without("features"), "f.yaml:1: features: vector_bits 256 needs avx"},
        Fault{"WideNeedsAvx512", replaced("vector_bits", "512"),
              "f.yaml:6: features: vector_bits 512 needs avx512bw"},
        Fault{"FeatureUnknown", replaced("features", "[avx, avx2, fma, avx3]"),
              "f.yaml:6: features: 'avx3' is not one of: amx-bf16, amx-int8, amx-tile, avx, avx2, "
              "avx512bf16, avx512bw, "
              "avx512cd, avx512dq, avx512f, "
              "avx512fp16, avx512vbmi, avx512vl, avx512vnni, avxvnni, bmi, bmi2, f16c, fma"},
        Fault{"FeatureTwice", replaced("features", "[avx, avx, avx2, fma]"),
              "f.yaml:6: features: 'avx' is listed twice"},
        Fault{"GpuOnCpu", with("gpu: {sm_count: 3}"),
              "f.yaml:7: gpu: only CUDA targets have it, not x86_64"},
        Fault{"SveNeedsSve", std::string(kAarch64) + "vector_registers: 32\nvector_bits: 0\n",
              "f.yaml:1: features: vector_bits 0 needs sve"},
        Fault{"Aarch64Registers", std::string(kAarch64) + "vector_bits: 128\n",
              "f.yaml:1: vector_registers: 16: aarch64 has 32"},
        Fault{"Aarch64Bits", std::string(kAarch64) + "vector_bits: 256\n",
              "f.yaml:5: vector_bits: 256 is not one of, for aarch64: 0, 128"},
        Fault{"CudaBits", "schema: 1\nname: a\nisa: cuda\nvector_bits: 256\n",
              "f.yaml:4: vector_bits: 256 is not one of, for cuda: 128"},
        Fault{"CudaNeedsGpu", kCuda, "f.yaml:1: gpu.compute_capability: 0 is not from 50 to 999"},
        Fault{"CudaNeedsSms", std::string(kCuda) + "gpu:\n  compute_capability: 80\n",
              "f.yaml:5: gpu.sm_count: 0 is not allowed on a CUDA target"},
        Fault{"CudaCpu", std::string(kCuda) + "llvm_cpu: x\n",
              "f.yaml:5: llvm_cpu: CUDA targets have none"},
        Fault{"CudaFeatures", std::string(kCuda) + "features: [fma]\n",
              "f.yaml:5: features: 'fma': cuda targets have none"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Syntax, TargetYamlFaults,
    ::testing::Values(
        Fault{"Empty", "", "f.yaml:1: the file is empty"},
        Fault{"TwoDocuments", std::string(kMinimal) + "---\n" + kMinimal,
              "f.yaml:6: the YAML document ends here, but more follows"},
        Fault{"Rest", std::string(kMinimal) + "...\nrest: 1\n",
              "f.yaml:6: the YAML document ends here, but more follows"},
        Fault{"Scalar", "\nword", "f.yaml:2: expected keys and values, as in `name: zen4`"},
        Fault{"List", "[1, 2]", "f.yaml:1: expected keys and values, as in `name: zen4`"},
        Fault{"Unclosed", "schema: 1\nname: [a",
              "f.yaml:2: not valid YAML: end of sequence flow not found"},
        Fault{"BadIndent", "schema: 1\n  name: a\n",
              "f.yaml:2: not valid YAML: illegal map value"}),
    [](const auto& test) { return test.param.name; });

TEST(TargetYaml, DeepNestingIsAnErrorNotACrash) {
  const auto target = parse_target(std::string(100000, '['), "f.yaml");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code, ErrorCode::kInvalidFile);
}

TEST(TargetYaml, LoadNamesTheFile) {
  const testing::TempFolder folder;
  const auto path = folder / "bad.yaml";
  ASSERT_TRUE(write_file_atomic(path, "schema: 3"));
  const auto target = load_target(path);
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().message, path.string() + ":1: name: required key is missing");
  EXPECT_EQ(load_target(folder / "none.yaml").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lacuna
