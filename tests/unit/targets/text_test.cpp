// SPDX-License-Identifier: Apache-2.0
#include "targets/base/text.h"

#include <string_view>

#include <gtest/gtest.h>

#include "targets/target.h"

namespace lacuna {
namespace {

TEST(Text, ParsesOnlyCanonicalDigits) {
  EXPECT_EQ(parse_digits("0"), 0);
  EXPECT_EQ(parse_digits("42"), 42);
  EXPECT_EQ(parse_digits("9223372036854775807"), 9223372036854775807);
  for (const char* bad :
       {"", "-1", "+1", "01", " 1", "1 ", "1x", "x", "0x10", "1.0", "9223372036854775808"})
    EXPECT_FALSE(parse_digits(bad)) << bad;
}

TEST(Text, CutsOnlyWhatMatches) {
  std::string_view text = "mr12nv2";
  EXPECT_FALSE(cut_prefix(text, "nv"));
  EXPECT_TRUE(cut_prefix(text, "mr"));
  EXPECT_EQ(cut_digits(text), "12");
  EXPECT_EQ(cut_digits(text), "");
  EXPECT_FALSE(cut_suffix(text, "3"));
  EXPECT_TRUE(cut_suffix(text, "2"));
  EXPECT_EQ(text, "nv");
}

TEST(Text, JoinsEnumNames) {
  EXPECT_EQ(join_names<Isa>(", "), "x86_64, aarch64, cuda");
}

}  // namespace
}  // namespace lacuna
