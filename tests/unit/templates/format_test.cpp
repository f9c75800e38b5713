// SPDX-License-Identifier: Apache-2.0
#include "templates/format.h"

#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

TEST(Format, EveryBlockShapeParsesBack) {
  for (std::int32_t r = 1; r <= kMaxBlockDim; ++r)
    for (std::int32_t c = 1; c <= kMaxBlockDim; ++c) {
      const Format format = Bsr{.r = r, .c = c};
      const auto parsed = parse_format(to_text(format));
      ASSERT_TRUE(parsed) << parsed.error().message;
      ASSERT_EQ(*parsed, format);
    }
}

TEST(Format, PrintsTheCanonicalName) {
  EXPECT_EQ(to_text(Bsr{.r = 32, .c = 1}), "bsr32x1");
}

TEST(Format, GroupsParseBack) {
  for (const std::int32_t group : {2, 4}) {
    const Format format = Bsr{.r = 16, .c = 8, .group = group};
    const auto parsed = parse_format(to_text(format));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, format);
    EXPECT_EQ(group_of(*parsed), group);
  }
  EXPECT_EQ(to_text(Bsr{.r = 16, .c = 8, .group = 2}), "bsr16x8g2");
  EXPECT_EQ(group_of(Jam{4}), 1);
}

TEST(Format, RefusesGroupsThatCannotBe) {
  EXPECT_EQ(parse_format("bsr16x8g3").error().message,
            "format 'bsr16x8g3': group 3 is not 1, 2 or 4");
  EXPECT_EQ(parse_format("bsr16x6g4").error().message,
            "format 'bsr16x6g4': the 6 columns of a block are not a multiple of group 4");
  EXPECT_EQ(check_format(Bsr{.r = 4, .c = 3, .group = 2}).error().message,
            "the 3 columns of a block are not a multiple of group 2");
}

TEST(Format, IsClampedToTheMatrix) {
  EXPECT_EQ(clamped_to(Bsr{16, 8}, 100, 100), (Bsr{16, 8}));
  EXPECT_EQ(clamped_to(Bsr{16, 8}, 5, 3), (Bsr{5, 3}));
  EXPECT_EQ(clamped_to(Format{Jam{4}}, 3, 1), (Format{Jam{3}}));
  EXPECT_EQ(clamped_to(Format{Jam{4}}, 0, 1), (Format{Jam{1}}));
}

TEST(Format, OfAMatrixWithoutRowsOrColumnsHasAWholeGroup) {
  EXPECT_EQ(clamped_to(Bsr{16, 8}, 0, 0), (Bsr{1, 1}));
  EXPECT_EQ(clamped_to(Bsr{16, 8, 2}, 0, 64), (Bsr{2, 8, 2}));
  EXPECT_EQ(clamped_to(Bsr{16, 8, 2}, 64, 0), (Bsr{16, 2, 2}));
  EXPECT_EQ(clamped_to(Bsr{16, 8, 4}, 3, 0),
            (Bsr{3, 4, 4}));  // M need not be whole groups of bytes
  EXPECT_EQ(clamped_to(Bsr{1, 2, 2}, 0, 64), (Bsr{1, 2, 2}));
}

TEST(Format, RefusesWhatItDoesNotPrint) {
  for (const std::string text :
       {"bsr", "bsr32", "bsr32x", "bsrx1", "bsr032x1", "bsr32x01", "bsr-1x1", "bsr32X1", "bsr32x1 ",
        "bsr32x1x1", "bsr1x99999999999999999999", "bsr32x2g", "bsr32x2g1", "bsr32x2g02"}) {
    const auto parsed = parse_format(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(
        parsed.error().message,
        "format '" + text + "' is not bsr<r>x<c>, for example bsr32x1, or bsr<r>x<c>g<group>");
  }
}

TEST(Format, RefusesBlocksOutOfRange) {
  for (const std::string text : {"bsr0x1", "bsr1x0", "bsr65x1", "bsr1x65"}) {
    const auto parsed = parse_format(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message, "format '" + text + "': block dimensions are from 1 to 64");
  }
}

TEST(Format, UnknownFormatNamesTheKnown) {
  for (const std::string text : {"", "csr", "BSR32x1"})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text +
                  "' is not known, known are bsr<r>x<c>, jam<r>, nm<n>of<m> and baked<r>");
}

TEST(Format, JammedRowsParseBack) {
  for (std::int32_t r = 1; r <= kMaxJam; ++r) {
    const auto parsed = parse_format(to_text(Jam{.r = r}));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, Format{Jam{.r = r}});
  }
  EXPECT_EQ(to_text(Jam{.r = 4}), "jam4");
}

TEST(Format, BakedPanelsParseBack) {
  for (std::int32_t r = 1; r <= kMaxBaked; ++r) {
    const auto parsed = parse_format(to_text(Baked{.r = r}));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, Format{Baked{.r = r}});
  }
  EXPECT_EQ(to_text(Baked{.r = 24}), "baked24");
  EXPECT_EQ(group_of(Baked{24}), 1);
  EXPECT_EQ(counted_as(Baked{24}), (Bsr{24, 1}));
}

TEST(Format, RefusesOtherBakedPanels) {
  for (const std::string text : {"baked", "baked04", "baked4x1", "baked 4"})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text + "' is not baked<r>, for example baked24");
  for (const std::string text : {"baked0", "baked29"})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text + "': rows of a baked panel are from 1 to 28");
}

TEST(Format, RefusesOtherJammedRows) {
  for (const std::string text : {"jam", "jam04", "jam4x1", "jam-1", "jam4 "})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text + "' is not jam<r>, for example jam4");
  for (const std::string text : {"jam0", "jam7"})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text + "': jammed rows are from 1 to 6");
}

TEST(Format, EveryNOfMParsesBack) {
  for (std::int32_t m = 2; m <= kMaxNmGroup; ++m)
    for (std::int32_t n = 1; n < m; ++n) {
      const auto parsed = parse_format(to_text(NofM{.n = n, .m = m}));
      ASSERT_TRUE(parsed) << parsed.error().message;
      ASSERT_EQ(*parsed, (Format{NofM{.n = n, .m = m}}));
    }
  EXPECT_EQ(to_text(NofM{.n = 2, .m = 4}), "nm2of4");
}

TEST(Format, RefusesOtherNOfM) {
  for (const std::string text :
       {"nm", "nm2", "nm2of", "nmof4", "nm02of4", "nm2of04", "nm2x4", "nm-2of4", "nm2of4 "})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text + "' is not nm<n>of<m>, for example nm2of4");
  for (const std::string text : {"nm0of4", "nm4of4", "nm5of4", "nm1of1", "nm1of33"})
    EXPECT_EQ(parse_format(text).error().message,
              "format '" + text +
                  "': groups are from 2 to 32 columns, of which at least one and not all are kept");
}

TEST(Format, IndicesOfNOfMTakeTwoFourOrEightBits) {
  for (const auto& [m, bits] : {std::pair{2, 2}, std::pair{4, 2}, std::pair{5, 4}, std::pair{16, 4},
                                std::pair{17, 8}, std::pair{32, 8}}) {
    const NofM nm{.n = 1, .m = m};
    EXPECT_EQ(nm.index_bits(), bits) << m;
    EXPECT_EQ(nm.index_words() * 32, bits * 16) << m;
  }
}

}  // namespace
}  // namespace lacuna
