// SPDX-License-Identifier: Apache-2.0
#include "targets/host.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_check.h"
#include "tests/unit/targets/temp_folder.h"

namespace lacuna {
namespace {

using testing::ScopedEnv;

class Host : public ::testing::Test {
 protected:
  void SetUp() override {
    const ScopedEnv unlimited("LACUNA_MAX_VECTOR_BITS", nullptr);
    const auto host = describe_host();
    if (!host) GTEST_SKIP() << host.error().message;
    host_ = *host;
  }
  HostDescription host_;
};

TEST_F(Host, IsAConsistentTarget) {
  EXPECT_EQ(host_.target.name, "host");
  EXPECT_GE(host_.cores, 1);
  EXPECT_TRUE(std::ranges::is_sorted(host_.target.features));
  Target renamed = host_.target;
  renamed.name = "probed";
  const auto fault = check_target(renamed);
  EXPECT_FALSE(fault) << (fault ? fault->key + ": " + fault->message : "");
}

TEST_F(Host, DescriptionAndFingerprintAreStable) {
  const ScopedEnv unlimited("LACUNA_MAX_VECTOR_BITS", nullptr);
  const auto again = describe_host();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->target, host_.target);
  EXPECT_EQ(host_fingerprint(*again), host_fingerprint(host_));
  EXPECT_EQ(host_fingerprint(host_).find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(Host, VectorLimitHidesAvx512) {
  const ScopedEnv limit("LACUNA_MAX_VECTOR_BITS", "256");
  const auto narrow = describe_host();
  ASSERT_TRUE(narrow) << narrow.error().message;
  EXPECT_EQ(narrow->target.vector_bits, 256);
  EXPECT_EQ(narrow->target.vector_registers, 16);
  EXPECT_FALSE(narrow->target.has_feature("avx512f"));
  if (host_.target.vector_bits == 512) {
    EXPECT_EQ(narrow->note, "AVX-512 switched off by LACUNA_MAX_VECTOR_BITS=256: using AVX2");
    EXPECT_NE(host_fingerprint(*narrow), host_fingerprint(host_));
    EXPECT_FALSE(check_runs_on_host(host_.target));
  }
}

TEST_F(Host, WideLimitChangesNothing) {
  const ScopedEnv limit("LACUNA_MAX_VECTOR_BITS", "512");
  EXPECT_EQ(describe_host().value().target, host_.target);
}

TEST_F(Host, BadVectorLimitIsAnError) {
  const ScopedEnv limit("LACUNA_MAX_VECTOR_BITS", "128");
  const auto host = describe_host();
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(host.error().message, "LACUNA_MAX_VECTOR_BITS is '128', allowed are 256 and 512");
}

TEST_F(Host, RunsItsOwnCodeButNotAnotherIsa) {
  const ScopedEnv unlimited("LACUNA_MAX_VECTOR_BITS", nullptr);
  EXPECT_TRUE(check_runs_on_host(host_.target));
  Target arm;
  arm.name = "neoverse-v1";
  arm.isa = Isa::kAarch64;
  const auto status = check_runs_on_host(arm);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(status.error().message, "target neoverse-v1 is for aarch64, this machine is x86_64");
}

}  // namespace
}  // namespace lacuna
