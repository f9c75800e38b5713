// SPDX-License-Identifier: Apache-2.0
#include "targets/target_check.h"

#include <cmath>
#include <set>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

#include "targets/base/fields.h"
#include "targets/target.h"

namespace lacuna {
namespace {

template <class T>
void collect_numbers(const std::string& prefix, const T& value, std::set<std::string>& keys) {
  T::for_each_field(value, [&](const char* name, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (HasFields<Field>)
      collect_numbers(prefix + name + ".", field, keys);
    else if constexpr (std::is_arithmetic_v<Field>)
      keys.insert(prefix + name);
  });
}

std::string range_fault(const std::string& key, double value) {
  const auto fault = check_range(key, value);
  return fault ? fault->message : "none";
}

TEST(TargetCheck, EveryNumberHasARange) {
  std::set<std::string> fields;
  collect_numbers("", Target{}, fields);
  std::set<std::string> ranges;
  for (const FieldRange& range : target_ranges()) {
    EXPECT_LT(range.min, range.max) << range.key;
    EXPECT_TRUE(ranges.emplace(range.key).second) << range.key;
  }
  EXPECT_EQ(fields, ranges);
}

TEST(TargetCheck, EndsOfRangesAreLegalAndBeyondIsNot) {
  for (const FieldRange& range : target_ranges()) {
    const std::string key(range.key);
    EXPECT_FALSE(check_range(key, range.min)) << key;
    EXPECT_FALSE(check_range(key, range.max)) << key;
    EXPECT_TRUE(check_range(key, std::nextafter(range.min, -1e300))) << key;
    EXPECT_TRUE(check_range(key, std::nextafter(range.max, 1e300))) << key;
    EXPECT_TRUE(check_range(key, std::nan(""))) << key;
  }
  EXPECT_EQ(range_fault("caches.l1d_bytes", 1), "1 is not from 4K to 4M");
  EXPECT_EQ(range_fault("caches.l3_bytes", 1e12), "1000000000000 is not from 0 to 16G");
  EXPECT_EQ(range_fault("pipes.fma_latency", 0), "0 is not from 1 to 64");
}

TEST(TargetCheck, ChecksRangesOfNestedFields) {
  Target target;
  target.name = "x";
  target.llvm_cpu = "x86-64-v3";
  target.features = {"avx", "avx2", "fma"};
  EXPECT_FALSE(check_target(target));
  target.pipes.fma_latency = 65;
  const auto fault = check_target(target);
  EXPECT_EQ(fault ? fault->key : "none", "pipes.fma_latency");
}

}  // namespace
}  // namespace lacuna
