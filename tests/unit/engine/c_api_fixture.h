// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the C interface share: a context with a cache of its own, a small mask, plain operands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lacuna/lacuna.h"
#include "tests/unit/codegen/temp_cache.h"

#define EXPECT_FAULT(call, status, message)     \
  do {                                          \
    EXPECT_EQ(call, status);                    \
    EXPECT_STREQ(lacuna_last_error(), message); \
  } while (false)

namespace lacuna::test {

inline constexpr std::int64_t kM = 24, kK = 16, kN = 10;

// Row-major operands without padding.
inline lacuna_operands make_operands(std::vector<float>& values, const std::vector<float>& b,
                                     std::vector<float>& c, std::int64_t n) {
  lacuna_operands operands = LACUNA_OPERANDS_INIT;
  operands.values = values.data();
  operands.b = b.data();
  operands.c = c.data();
  operands.ldb = operands.ldc = operands.n = n;
  return operands;
}

// A context and a mask of 8 x 8 blocks: the diagonal ones and one more.
class CApi : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = cache_.path().string();
    lacuna_context_options options{};
    options.struct_size = sizeof options;
    options.cache_folder = folder.c_str();
    ASSERT_EQ(lacuna_context_create(&options, &context_), LACUNA_OK) << lacuna_last_error();
    const std::vector<std::uint8_t> flags = {1, 0, 0, 1, 1, 0};
    ASSERT_EQ(lacuna_mask_from_blocks(kM, kK, 8, 8, flags.data(), &mask_), LACUNA_OK)
        << lacuna_last_error();
  }
  void TearDown() override {
    lacuna_mask_destroy(mask_);
    lacuna_context_destroy(context_);
  }

  TempCache cache_;
  lacuna_context* context_ = nullptr;
  lacuna_mask* mask_ = nullptr;
};

}  // namespace lacuna::test
