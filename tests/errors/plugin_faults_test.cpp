// SPDX-License-Identifier: Apache-2.0
//
// Without the code generator, or with a wrong one. Each case in a child: the plugin is looked for once a process.
#include <cstdlib>
#include <filesystem>
#include <stdlib.h>
#include <string>

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

std::string multiply_with_plugin(const std::string& plugin, const std::filesystem::path& cache) {
  return text_of_child([&] {
    setenv("LACUNA_CODEGEN_PLUGIN", plugin.c_str(), 1);
    return multiply_in(cache);
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
