// SPDX-License-Identifier: Apache-2.0
//
// Without the code generator, or with a wrong one. Each case in a child: the plugin is looked for once a process.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdlib.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/engine.h"
#include "targets/base/env.h"
#include "targets/base/file.h"
#include "targets/host.h"
#include "tests/errors/child_process.h"
#include "tests/errors/multiply.h"
#include "tests/unit/codegen/temp_cache.h"

namespace lacuna::test {
namespace {

std::string multiply_with_plugin(const std::string& plugin, const std::filesystem::path& cache,
                                 const std::optional<Target>& target = std::nullopt) {
  return text_of_child([&] {
    setenv("LACUNA_CODEGEN_PLUGIN", plugin.c_str(), 1);
    return multiply_in(cache, target);
  });
}

std::string real_plugin() {
  return read_env("LACUNA_CODEGEN_PLUGIN").value_or("");
}

TEST(PluginFault, AMissingPluginSaysHowToGetIt) {
  const TempCache temp;
  EXPECT_EQ(
      multiply_with_plugin("/nowhere/plugin.so", temp.path()),
      "no code generator: liblacuna_codegen_llvm.so not found in /nowhere/plugin.so; install the "
      "lacuna-codegen-llvm component, or run `lacuna generate` on a machine that has it");
}

TEST(PluginFault, WithoutTheVariableThePlacesAreListed) {
  const std::string text = text_of_child([] {
    unsetenv("LACUNA_CODEGEN_PLUGIN");
    return multiply_in("");
  });
  EXPECT_EQ(text.rfind("no code generator: liblacuna_codegen_llvm.so not found in /", 0), 0U)
      << text;
  EXPECT_NE(text.find("/lacuna/liblacuna_codegen_llvm.so, "), std::string::npos) << text;
  EXPECT_NE(text.find("; install the lacuna-codegen-llvm component"), std::string::npos) << text;
}

TEST(PluginFault, ACachedKernelNeedsNoPlugin) {
  const TempCache temp;
  ASSERT_EQ(multiply_with_plugin(real_plugin(), temp.path()), "right, compiled 1, cache hits 0");
  EXPECT_EQ(multiply_with_plugin("/nowhere/plugin.so", temp.path()),
            "right, compiled 0, cache hits 1");
}

// ---- kernels that the code generator rejects ----

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder,
                                            const std::string& extension) {
  std::vector<std::filesystem::path> files;
  for (const auto& item : std::filesystem::directory_iterator(folder))
    if (item.path().extension() == extension) files.push_back(item.path());
  return files;
}

// This machine with a code limit that the planner's first choice for multiply_in just exceeds.
Target target_that_rejects_the_first_choice() {
  const TempCache temp;
  EXPECT_EQ(multiply_with_plugin(real_plugin(), temp.path()), "right, compiled 1, cache hits 0");
  auto host = describe_host();
  EXPECT_TRUE(host) << host.error().message;
  constexpr std::int64_t kHeaderBytes = 48;
  const auto objects = files_in(temp.path(), ".lko");
  EXPECT_EQ(objects.size(), 1U);
  host->target.code_limit_bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(objects.front())) - kHeaderBytes - 1;
  return host->target;
}

TEST(RejectedKernel, IsReplacedAndRemembered) {
  const TempCache temp;
  const Target target = target_that_rejects_the_first_choice();
  EXPECT_EQ(multiply_with_plugin(real_plugin(), temp.path(), target),
            "right, compiled 1, cache hits 0");
  EXPECT_GE(files_in(temp.path(), ".lkr").size(), 1U);
  EXPECT_EQ(files_in(temp.path(), ".lko").size(), 1U);
  EXPECT_EQ(multiply_with_plugin("/nowhere/plugin.so", temp.path(), target),
            "right, compiled 0, cache hits 1");
}

TEST(RejectedKernel, IsReplacedByACachedOneWithoutPlugin) {
  const TempCache temp;
  const Target target = target_that_rejects_the_first_choice();
  ASSERT_EQ(multiply_with_plugin(real_plugin(), temp.path(), target),
            "right, compiled 1, cache hits 0");
  for (const auto& rejection : files_in(temp.path(), ".lkr"))
    std::filesystem::remove(rejection);
  EXPECT_EQ(multiply_with_plugin("/nowhere/plugin.so", temp.path(), target),
            "right, compiled 0, cache hits 1");
}

TEST(RejectedKernel, IsToldWithoutCompilingItAgain) {
  const TempCache temp;
  auto host = describe_host();
  ASSERT_TRUE(host) << host.error().message;
  host->target.code_limit_bytes = 100;
  const auto ask = [&](const std::string& plugin) {
    return text_of_child([&]() -> std::string {
      setenv("LACUNA_CODEGEN_PLUGIN", plugin.c_str(), 1);
      EngineOptions options;
      options.target = host->target;
      options.cache_folder = temp.path();
      const auto engine = Engine::create(options);
      if (!engine) return engine.error().message;
      KernelSpec spec;
      spec.format = Bsr{4, 4};
      spec.schedule = enumerate_schedules(spec, host->target).front();
      const auto kernel = (*engine)->kernel(spec);
      return kernel ? "accepted" : kernel.error().message;
    });
  };
  const std::string first = ask(real_plugin());
  EXPECT_NE(first.find("bytes, the limit of host is 100"), std::string::npos) << first;
  EXPECT_EQ(ask("/nowhere/plugin.so"), first);
  const auto rejections = files_in(temp.path(), ".lkr");
  ASSERT_EQ(rejections.size(), 1U);
  std::filesystem::resize_file(rejections.front(), 60);  // damaged: not known any more
  EXPECT_EQ(ask("/nowhere/plugin.so").rfind("no code generator", 0), 0U);
}

TEST(PluginFault, ABundledKernelNeedsNoPlugin) {
  const TempCache bundle, empty;
  ASSERT_EQ(multiply_with_plugin(real_plugin(), bundle.path()), "right, compiled 1, cache hits 0");
  const std::string text = text_of_child([&] {
    setenv("LACUNA_BUNDLE", (empty.path().string() + ":" + bundle.path().string()).c_str(), 1);
    setenv("LACUNA_CODEGEN_PLUGIN", "/nowhere/plugin.so", 1);
    return multiply_in(empty.path());
  });
  EXPECT_EQ(text, "right, compiled 0, cache hits 0");
}

TEST(PluginFault, AFileThatIsNoLibraryIsReported) {
  const TempCache temp;
  const std::string path = (temp.path() / "plugin.so").string();
  ASSERT_TRUE(write_file_atomic(path, "not a library"));
  const std::string text = multiply_with_plugin(path, "");
  EXPECT_NE(text.find(path), std::string::npos) << text;
  EXPECT_EQ(text.find("right"), std::string::npos) << text;
}

TEST(PluginFault, APluginOfAnotherVersionIsRefused) {
  EXPECT_EQ(multiply_with_plugin(OLD_PLUGIN, ""), std::string("the code generator ") + OLD_PLUGIN +
                                                      " is of version 0.0.9, this library of " +
                                                      LACUNA_VERSION);
}

// A kernel of baked panels serves any mask, their code one: without the plugin a cached mask works, another does not.
TEST(PluginFault, BakedPanelsOfAnotherMaskNeedThePlugin) {
  const TempCache temp;
  const auto plan_for = [&](const std::string& plugin, std::uint64_t seed) {
    return text_of_child([&]() -> std::string {
      setenv("LACUNA_CODEGEN_PLUGIN", plugin.c_str(), 1);
      EngineOptions options;
      options.cache_folder = temp.path();
      const auto engine = Engine::create(options);
      const auto mask = make_random_block_mask(40, 30, 1, 1, 0.5, seed);
      if (!engine || !mask) return "no engine or mask";
      PlanRequest request;
      request.mask = &*mask;
      request.problems.resize(1);
      request.problems[0].m = 40;
      request.problems[0].k = 30;
      request.pinned_format = Baked{16};
      request.target = (*engine)->target();
      const auto plan = ExecutablePlan::create(**engine, request);
      return plan ? "made" : plan.error().message;
    });
  };
  const std::string first = plan_for(real_plugin(), 3);
  if (first.find("with AVX-512") != std::string::npos) GTEST_SKIP() << first;
  EXPECT_EQ(first, "made");
  EXPECT_EQ(plan_for("/nowhere/plugin.so", 3), "made");
  EXPECT_EQ(plan_for("/nowhere/plugin.so", 4).rfind("no code generator: ", 0), 0U);
}

TEST(PluginFault, ALibraryWithoutThePluginsFunctionsIsRefused) {
  const std::string text = multiply_with_plugin(OTHER_LIBRARY, "");
  EXPECT_NE(text.find("lacuna_codegen_plugin_version"), std::string::npos) << text;
  EXPECT_NE(text.find(OTHER_LIBRARY), std::string::npos) << text;
}

TEST(NoAvx512, FallsToAvx2AndSaysSo) {
  const auto host = describe_host();
  ASSERT_TRUE(host) << host.error().message;
  const std::string text = text_of_child([] {
    setenv("LACUNA_MAX_VECTOR_BITS", "256", 1);
    EngineOptions options;
    options.cache_folder = "";
    const auto engine = Engine::create(options);
    if (!engine) return engine.error().message;
    return fmt::format("{}; {} bits; {}", (*engine)->note(), (*engine)->target().vector_bits,
                       multiply_with(**engine));
  });
  const bool hidden = host->target.vector_bits == 512;
  EXPECT_EQ(text,
            std::string(hidden ? "AVX-512 switched off by LACUNA_MAX_VECTOR_BITS=256: using AVX2"
                               : "no AVX-512: using AVX2") +
                "; 256 bits; right");
}

}  // namespace
}  // namespace lacuna::test
