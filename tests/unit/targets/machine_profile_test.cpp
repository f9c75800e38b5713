// SPDX-License-Identifier: Apache-2.0
#include "targets/machine_profile.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include <gtest/gtest.h>

#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

using testing::ScopedEnv;
using testing::TempFolder;

const std::string kFingerprint = "0123456789abcdef0123456789abcdef";

MachineProfile sample_profile() {
  MachineProfile profile;
  profile.fingerprint = kFingerprint;
  profile.model_name = "Some Processor";
  profile.measured_at = "2026-01-02T03:04:05Z";
  profile.fma_f32_gflops = 116.5;
  profile.clock_ghz = 3.64;
  profile.l1_read_gbps = 212;
  profile.parallel_efficiency = 0.97;
  profile.cores = 2;
  return profile;
}

TEST(MachineProfile, StoresAndLoads) {
  const TempFolder folder;
  const auto path = folder.path() / kFingerprint / "profile.json";
  ASSERT_TRUE(store_profile(path, sample_profile()));
  const auto loaded = load_profile(path);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(*loaded, sample_profile());
}

TEST(MachineProfile, PathFollowsTheCacheFolder) {
  const ScopedEnv home("LACUNA_HOME", "/l");
  EXPECT_EQ(profile_path("abc"), "/l/v1/abc/profile.json");
}

TEST(MachineProfile, ModelNameNeedNotBeUtf8) {
  const TempFolder folder;
  auto profile = sample_profile();
  profile.model_name = "bad \xff byte";
  ASSERT_TRUE(store_profile(folder / "p.json", profile));
  EXPECT_TRUE(load_profile(folder / "p.json"));
}

TEST(MachineProfile, MissingFileIsNotFound) {
  const TempFolder folder;
  EXPECT_EQ(load_profile(folder / "none.json").error().code, ErrorCode::kNotFound);
}

struct BadProfile {
  const char* name;
  std::function<void(nlohmann::json&)> edit;
  const char* message;
};

class MachineProfileFaults : public ::testing::TestWithParam<BadProfile> {};

TEST_P(MachineProfileFaults, AreInvalidFiles) {
  const TempFolder folder;
  auto json = to_json_value(sample_profile());
  GetParam().edit(json);
  const auto path = folder / "profile.json";
  ASSERT_TRUE(write_file_atomic(path, json.dump()));
  const auto loaded = load_profile(path);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(loaded.error().message, "machine profile " + path.string() + ": " + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, MachineProfileFaults,
    ::testing::Values(
        BadProfile{"OtherSchema", [](auto& j) { j["schema"] = 2; },
                   "schema 2 is not 1: run `lacuna probe` again"},
        BadProfile{"NoSchema", [](auto& j) { j.erase("schema"); }, "missing field 'schema'"},
        BadProfile{"NoPeak", [](auto& j) { j.erase("fma_f32_gflops"); },
                   "missing field 'fma_f32_gflops'"},
        BadProfile{"ZeroPeak", [](auto& j) { j["fma_f32_gflops"] = 0; },
                   "fma_f32_gflops is 0: nothing was measured"},
        BadProfile{"Fingerprint", [](auto& j) { j["fingerprint"] = "xyz"; },
                   "fingerprint 'xyz' is not 32 hexadecimal digits"},
        BadProfile{"Negative", [](auto& j) { j["l2_read_gbps"] = -1; },
                   "l2_read_gbps -1 is not a finite number of at least 0"},
        BadProfile{"Cores", [](auto& j) { j["cores"] = 0; }, "cores 0 is less than 1"},
        BadProfile{"WrongType", [](auto& j) { j["clock_ghz"] = "fast"; },
                   "clock_ghz: expected a number"},
        BadProfile{"Unknown", [](auto& j) { j["extra"] = 1; }, "unknown field 'extra'"},
        BadProfile{"NotAnObject", [](auto& j) { j = nlohmann::json::array(); },
                   "expected an object"}),
    [](const auto& test) { return test.param.name; });

TEST(MachineProfile, EveryTruncationIsInvalid) {
  const TempFolder folder;
  const std::string whole = to_json_value(sample_profile()).dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_TRUE(write_file_atomic(folder / "p.json", whole.substr(0, size)));
    const auto loaded = load_profile(folder / "p.json");
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidFile);
    EXPECT_NE(loaded.error().message.find("not valid JSON"), std::string::npos);
  }
}

TEST(MachineProfile, ProfileOfAnotherMachineIsRefused) {
  const TempFolder folder;
  const auto path = folder.path() / std::string(32, 'f') / "profile.json";
  ASSERT_TRUE(store_profile(path, sample_profile()));
  const auto loaded = load_profile(path);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message, "machine profile " + path.string() + ": fingerprint " +
                                        kFingerprint + " is of another machine");
}

TEST(MachineProfile, RefusesToStoreNonsense) {
  const TempFolder folder;
  auto profile = sample_profile();
  profile.dram_read_gbps = std::numeric_limits<double>::quiet_NaN();
  const auto status = store_profile(folder / "p.json", profile);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status.error().message,
            "machine profile: dram_read_gbps nan is not a finite number of at least 0");
  EXPECT_FALSE(std::filesystem::exists(folder / "p.json"));
}

}  // namespace
}  // namespace lacuna
