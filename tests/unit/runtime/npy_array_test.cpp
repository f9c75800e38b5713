// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "tests/unit/runtime/archive_builder.h"
#include "tests/unit/runtime/mask_io_cases.h"

namespace lacuna {
namespace {

TEST(MaskIoNpy, ReadsEveryElementType) {
  const Mask expected = mask_of(1, 3, {{0, 1}, {0, 2}});
  const auto check = [&](std::string_view descr, const auto& values) {
    const auto mask = parse_npy_text(npy(descr, "(1, 3)", raw(values)));
    ASSERT_TRUE(mask) << mask.error().message;
    EXPECT_EQ(*mask, expected) << descr;
  };
  check("|b1", std::vector<std::uint8_t>{0, 1, 1});
  check("|i1", std::vector<std::int8_t>{0, -1, 1});
  check("|u1", std::vector<std::uint8_t>{0, 255, 1});
  check("<i2", std::vector<std::int16_t>{0, -1, 256});
  check("<u4", std::vector<std::uint32_t>{0, 1U << 31, 1});
  check(">i8", std::vector<std::int64_t>{0, 1, -1});
  check("<f2", std::vector<std::uint16_t>{0x8000, 0x0001, 0x3c00});  // -0, the smallest denormal, 1
  check("<f4", std::vector<float>{-0.0F, 1e-45F, 1});
  check("<f8", std::vector<double>{-0.0, 5e-324, 1});
}

TEST(MaskIoNpy, ReadsVersionsTwoAndThree) {
  for (const int major : {1, 2, 3}) {
    const auto mask = parse_npy_text(
        npy_with_header("{\"shape\":(1,2),\"descr\":\"|u1\",\"fortran_order\":False}",
                        std::string("\0\1", 2), major));
    ASSERT_TRUE(mask) << mask.error().message;
    EXPECT_EQ(*mask, mask_of(1, 2, {{0, 1}}));
  }
}

TEST(MaskIoNpy, EmptyArraysAreLegal) {
  EXPECT_EQ(*parse_npy_text(npy("<f4", "(0, 5)", "")), mask_of(0, 5, {}));
  EXPECT_EQ(*parse_npy_text(npy("<f4", "(5, 0)", "")), mask_of(5, 0, {}));
}

TEST(MaskIoNpy, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(error_of(parse_npy_text("NUMPY")), "a.npy: not a .npy file: bad magic bytes");
  EXPECT_EQ(error_of(parse_npy_text("\x93NUMPY\x01")), "a.npy: the .npy header is truncated");
  EXPECT_EQ(error_of(parse_npy_text(npy_with_header("{}", "", 9)), ErrorCode::kUnsupported),
            "a.npy: .npy version 9.0 is not 1.0, 2.0 or 3.0");
  EXPECT_EQ(error_of(parse_npy_text(npy("<f4", "(2, 2)", "123"))),
            "a.npy: 3 bytes of data, shape (2, 2) of '<f4' needs 16");
  EXPECT_EQ(error_of(parse_npy_text(npy("<f4", "(9000000000, 9000000000)", ""))),
            "a.npy: 0 bytes of data, shape (9000000000, 9000000000) of '<f4' needs more than 2^63");
  EXPECT_EQ(error_of(parse_npy_text(npy("|u1", "(4,)", "1234"))),
            "a.npy: expected a 2-D array, found 1 dimensions");
  EXPECT_EQ(error_of(parse_npy_text(npy("|S1", "(1, 1)", "x"))), "a.npy: expected numbers");
  EXPECT_EQ(error_of(parse_npy_text(npy("<f4", "(0, 900000000000)", ""))),
            "a.npy: k 900000000000 is outside [0, 134217728]");
}

TEST(MaskIoNpy, RefusesNanAndInfinityOfEveryWidth) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(error_of(parse_npy_text(npy("<f8", "(1, 2)", raw(std::vector<double>{1, -kInf})))),
            "a.npy: the element at row 0, column 1 is not finite");
  EXPECT_EQ(
      error_of(parse_npy_text(npy(
          "<f4", "(2, 1)", raw(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()})))),
      "a.npy: the element at row 1, column 0 is not finite");
  EXPECT_EQ(error_of(parse_npy_text(npy(">f2", "(1, 1)", "\x7c\x01"))),
            "a.npy: the element at row 0, column 0 is not finite");
}

class NpyBadHeader : public testing::TestWithParam<const char*> {};

TEST_P(NpyBadHeader, IsAnErrorThatShowsIt) {
  EXPECT_EQ(error_of(parse_npy_text(npy_with_header(GetParam(), "x"))),
            fmt::format("a.npy: malformed .npy header: {}", GetParam()));
}

INSTANTIATE_TEST_SUITE_P(
    MaskIoNpy, NpyBadHeader,
    testing::Values("", "{", "{}", "garbage", "{'descr': '|u1', 'fortran_order': False}",
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)} x",
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1), 'more': 1}",
                    "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)}",
                    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}",
                    "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1, 1)}",
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, -1)}",
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 99999999999999999999)}",
                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1)",
                    "{'descr': '|u1, 'fortran_order': False, 'shape': (1, 1)}",
                    "{'descr': '|u1' 'fortran_order': False, 'shape': (1, 1)}"));

class NpyBadType : public testing::TestWithParam<const char*> {};

TEST_P(NpyBadType, IsUnsupported) {
  EXPECT_EQ(error_of(parse_npy_text(npy(GetParam(), "(1, 1)", "x")), ErrorCode::kUnsupported),
            fmt::format("a.npy: element type '{}' is not a bool, integer or float of up to 8 bytes",
                        GetParam()));
}

INSTANTIATE_TEST_SUITE_P(MaskIoNpy, NpyBadType,
                         testing::Values("<c8", "<f16", "<f1", "|O", "|V4", "f4", "<f", "<f4x",
                                         "|b2", "", "<i3", "|S0", "|S99", "|S99999999999"));

}  // namespace
}  // namespace lacuna
