// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <string_view>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "tests/unit/runtime/mask_io_cases.h"

namespace lacuna {
namespace {

// ---- Matrix Market ----------------------------------------------------------------------------------------

constexpr std::string_view kPattern =
    "%%MatrixMarket matrix coordinate pattern general\n% a comment\n\n3 4 3\n1 1\n3 4\n  2 3\n";

TEST(MaskIoMatrixMarket, ReadsCoordinate) {
  const Mask expected = mask_of(3, 4, {{0, 0}, {2, 3}, {1, 2}});
  EXPECT_EQ(*parse_mtx_text(kPattern), expected);
  EXPECT_EQ(*parse_mtx_text("%%matrixmarket MATRIX Coordinate Real General\r\n3 4 3\r\n1 1 +1.5\r\n"
                            "3 4 0\r\n2\t3 -1e-3\r\n\n% end\n"),
            expected);
}

TEST(MaskIoMatrixMarket, ReadsSymmetricAndArray) {
  EXPECT_EQ(
      *parse_mtx_text("%%MatrixMarket matrix coordinate integer symmetric\n3 3 2\n2 2 1\n3 1 7\n"),
      mask_of(3, 3, {{1, 1}, {2, 0}, {0, 2}}));
  EXPECT_EQ(*parse_mtx_text("%%MatrixMarket matrix array real general\n2 2\n1\n0\n-0.0\n4e2\n"),
            mask_of(2, 2, {{0, 0}, {1, 1}}));
  EXPECT_EQ(*parse_mtx_text("%%MatrixMarket matrix array real symmetric\n2 2\n0\n5\n0\n"),
            mask_of(2, 2, {{1, 0}, {0, 1}}));
  EXPECT_EQ(*parse_mtx_text("%%MatrixMarket matrix coordinate real general\n0 9 0\n"),
            mask_of(0, 9, {}));
}

TEST(MaskIoMatrixMarket, EveryPrefixIsAnError) {
  expect_prefixes_fail(parse_mtx_text, kPattern, kPattern.size());
}

struct BadText {
  std::string_view text;
  const char* message;
};

class MatrixMarketBad : public testing::TestWithParam<BadText> {};

TEST_P(MatrixMarketBad, IsAnErrorWithItsLine) {
  EXPECT_EQ(error_of(parse_mtx_text(GetParam().text)), GetParam().message);
}

#define LACUNA_TEST_BANNER "%%MatrixMarket matrix coordinate real general\n"

INSTANTIATE_TEST_SUITE_P(
    MaskIoMatrixMarket, MatrixMarketBad,
    testing::Values(
        BadText{"", "a.mtx:1: expected '%%MatrixMarket matrix ...'"},
        BadText{"%%MatrixMarket vector coordinate real general\n",
                "a.mtx:1: expected '%%MatrixMarket matrix ...'"},
        BadText{"%%MatrixMarket matrix sparse real general\n",
                "a.mtx:1: storage 'sparse' is not coordinate or array"},
        BadText{"%%MatrixMarket matrix coordinate complex general\n",
                "a.mtx:1: field 'complex' of coordinate is not real, integer or pattern (of "
                "coordinate)"},
        BadText{
            "%%MatrixMarket matrix array pattern general\n",
            "a.mtx:1: field 'pattern' of array is not real, integer or pattern (of coordinate)"},
        BadText{"%%MatrixMarket matrix coordinate real hermitian\n",
                "a.mtx:1: symmetry 'hermitian' is not general or symmetric"},
        BadText{LACUNA_TEST_BANNER "% only a comment\n",
                "a.mtx:2: the size line is missing: truncated?"},
        BadText{LACUNA_TEST_BANNER "3 3\n", "a.mtx:2: 2 sizes, expected 3"},
        BadText{LACUNA_TEST_BANNER "3 x 1\n", "a.mtx:2: 'x' is not an integer"},
        BadText{LACUNA_TEST_BANNER "3 3 -1\n", "a.mtx:2: -1 entries"},
        BadText{LACUNA_TEST_BANNER "-3 3 1\n", "a.mtx:2: m -3 is outside [0, 134217728]"},
        BadText{LACUNA_TEST_BANNER "3 3 99999999999999999999\n",
                "a.mtx:2: '99999999999999999999' is not an integer"},
        BadText{LACUNA_TEST_BANNER "3 3 2\n1 1 1\n", "a.mtx:3: the file ends after 1 of 2 entries"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 1\n2 2 2\n",
                "a.mtx:4: '2 2 2' follows the last entry"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n0 1 1\n", "a.mtx:3: (0, 1) is outside (1, 1) to (3, 3)"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 4 1\n", "a.mtx:3: (1, 4) is outside (1, 1) to (3, 3)"},
        BadText{LACUNA_TEST_BANNER "3 3 2\n1 1 1\n1 1 2\n", "a.mtx:4: (1, 1) is a duplicate"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1\n", "a.mtx:3: '' is not a number"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 one\n", "a.mtx:3: 'one' is not a number"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 nan\n", "a.mtx:3: 'nan' is not finite"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 -inf\n", "a.mtx:3: '-inf' is not finite"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 1e999\n", "a.mtx:3: '1e999' is out of range"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 1 1\n", "a.mtx:3: '1' follows the entry"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1.5 1\n",
                "a.mtx:3: expected row and column, found '1 1.5 1'"},
        BadText{LACUNA_TEST_BANNER "3 3 1\n1 1 1",
                "a.mtx:3: the last line has no newline: truncated?"},
        BadText{"%%MatrixMarket matrix coordinate real symmetric\n3 2 0\n",
                "a.mtx:2: a symmetric matrix of 3 x 2"},
        BadText{"%%MatrixMarket matrix coordinate real symmetric\n3 3 1\n1 2 1\n",
                "a.mtx:3: (1, 2) is above the diagonal of a symmetric matrix"},
        BadText{"%%MatrixMarket matrix array real general\n1 2\n1\n",
                "a.mtx:3: the file ends before element (1, 2)"},
        BadText{"%%MatrixMarket matrix array real general\n1 1\n1 2\n",
                "a.mtx:3: '2' follows the value"}));

// ---- .smtx ------------------------------------------------------------------------------------------------

constexpr std::string_view kSmtx = "3, 4, 3\n0 2 2 3\n1 3 0\n";

TEST(MaskIoSmtx, ReadsWithAndWithoutFinalNewline) {
  const Mask expected = mask_of(3, 4, {{0, 1}, {0, 3}, {2, 0}});
  EXPECT_EQ(*parse_smtx_text(kSmtx), expected);
  EXPECT_EQ(*parse_smtx_text(kSmtx.substr(0, kSmtx.size() - 1)), expected);
  EXPECT_EQ(*parse_smtx_text("3 4 3 \r\n0 2 2 3 \r\n1 3 0 \r\n\r\n"), expected);
}

TEST(MaskIoSmtx, EmptyMasksAreLegal) {
  EXPECT_EQ(*parse_smtx_text("2, 4, 0\n0 0 0\n\n"), mask_of(2, 4, {}));
  EXPECT_EQ(*parse_smtx_text("2, 4, 0\n0 0 0\n"), mask_of(2, 4, {}));
  EXPECT_EQ(*parse_smtx_text("0, 4, 0\n0\n"), mask_of(0, 4, {}));
}

TEST(MaskIoSmtx, EveryPrefixIsAnError) {
  expect_prefixes_fail(parse_smtx_text, kSmtx, kSmtx.size() - 1);  // the newline may be missing
}

class SmtxBad : public testing::TestWithParam<BadText> {};

TEST_P(SmtxBad, IsAnErrorWithItsLine) {
  EXPECT_EQ(error_of(parse_smtx_text(GetParam().text)), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    MaskIoSmtx, SmtxBad,
    testing::Values(
        BadText{"", "a.smtx:1: expected 'rows, columns, nonzeros'"},
        BadText{"3, 4\n", "a.smtx:1: expected 'rows, columns, nonzeros'"},
        BadText{"3, 4, -1\n", "a.smtx:1: expected 'rows, columns, nonzeros'"},
        BadText{"3, four, 1\n", "a.smtx:1: 'four' is not an integer"},
        BadText{"3, 4, 3\n", "a.smtx:1: the row offsets are missing: truncated?"},
        BadText{"3, 4, 3\n0 2 3\n1 3 0\n", "a.smtx:2: 3 row offsets, 3 rows need one more"},
        BadText{"3, 4, 3\n0 2 2 4\n1 3 0\n",
                "a.smtx:2: the last row offset is 4, not the 3 nonzeros"},
        BadText{"3, 4, 3\n0 2 2 3\n", "a.smtx:2: the column indices are missing: truncated?"},
        BadText{"3, 4, 3\n0 2 2 3\n1 3\n", "a.smtx:3: 2 column indices for 3 nonzeros"},
        BadText{"3, 4, 3\n0 2 2 3\n3 1 0\n",
                "a.smtx:3: row 0, position 1: column index 1 follows 3: indices are unsorted"},
        BadText{"3, 4, 3\n0 2 2 3\n1 1 0\n",
                "a.smtx:3: row 0, position 1: column index 1 is a duplicate"},
        BadText{"3, 4, 3\n0 2 2 3\n1 4 0\n",
                "a.smtx:3: row 0, position 1: column index 4 is outside [0, 4)"},
        BadText{"-1, 4, 0\n\n", "a.smtx:2: m -1 is outside [0, 134217728]"},
        BadText{"3, 4, 3\n0 2 2 3\n1 3 0\nmore\n", "a.smtx:4: 'more' follows the column indices"}));

}  // namespace
}  // namespace lacuna
