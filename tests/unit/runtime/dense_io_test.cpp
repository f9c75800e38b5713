// SPDX-License-Identifier: Apache-2.0
#include "runtime/dense_io.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "tests/unit/runtime/archive_builder.h"

namespace lacuna {
namespace {

Result<DenseMatrix> parse(std::string_view file) {
  return parse_dense_npy(bytes_of(file), "w.npy");
}

std::vector<float> data_of(std::string_view file) {
  auto dense = parse(file);
  EXPECT_TRUE(dense) << dense.error().message;
  return dense ? dense->data : std::vector<float>{};
}

template <class T>
std::string matrix(std::string_view descr, const std::vector<T>& values) {
  return npy(descr, "(2, 3)", raw(values));
}

TEST(DenseNpy, ReadsEveryElementType) {
  const std::vector<float> expected = {0, 1, 2, 3, 4, 100};
  EXPECT_EQ(data_of(matrix<float>("<f4", {0, 1, 2, 3, 4, 100})), expected);
  EXPECT_EQ(data_of(matrix<double>("<f8", {0, 1, 2, 3, 4, 100})), expected);
  EXPECT_EQ(data_of(matrix<std::uint8_t>("|u1", {0, 1, 2, 3, 4, 100})), expected);
  EXPECT_EQ(data_of(matrix<std::int64_t>("<i8", {0, 1, 2, 3, 4, 100})), expected);
  EXPECT_EQ(data_of(matrix<std::int8_t>("|i1", {0, -1, 2, -3, 4, -128})),
            (std::vector<float>{0, -1, 2, -3, 4, -128}));
  EXPECT_EQ(data_of(matrix<std::uint16_t>(">u2", {0, 256, 512, 768, 1024, 25600})), expected);
  EXPECT_EQ(data_of(matrix<std::uint8_t>("|b1", {0, 1, 0, 1, 0, 1})),
            (std::vector<float>{0, 1, 0, 1, 0, 1}));
}

TEST(DenseNpy, ReadsHalves) {
  // Zero, the smallest subnormal, -1.5, the largest, infinity, a NaN.
  const auto data =
      data_of(matrix<std::uint16_t>("<f2", {0x8000, 0x0001, 0xBE00, 0x7BFF, 0xFC00, 0x7E00}));
  EXPECT_TRUE(data[0] == 0 && std::signbit(data[0]));
  EXPECT_EQ(data[1], std::ldexp(1.0F, -24));
  EXPECT_EQ(data[2], -1.5F);
  EXPECT_EQ(data[3], 65504.0F);
  EXPECT_EQ(data[4], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(data[5]));
  EXPECT_EQ(data_of(npy("<f2", "(1, 1)", raw(std::vector<std::uint16_t>{0x0400}))),
            (std::vector<float>{std::ldexp(1.0F, -14)}));
}

TEST(DenseNpy, ReadsFortranOrderByRows) {
  const auto dense =
      parse(npy("<f4", "(2, 3)", raw(std::vector<float>{1, 4, 2, 5, 3, 6}), true)).value();
  EXPECT_EQ(dense.m, 2);
  EXPECT_EQ(dense.k, 3);
  EXPECT_EQ(dense.data, (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(DenseNpy, EmptyArraysAreLegal) {
  for (const char* const shape : {"(0, 3)", "(3, 0)", "(0, 0)", "(0, 9000000000)"})
    EXPECT_TRUE(data_of(npy("<f4", shape, "")).empty()) << shape;
}

TEST(DenseNpy, ErrorsSayWhatIsWrong) {
  const auto expect_error = [](std::string_view file, ErrorCode code, const std::string& message) {
    const auto dense = parse(file);
    ASSERT_FALSE(dense);
    EXPECT_EQ(dense.error().code, code);
    EXPECT_EQ(dense.error().message, message);
  };
  expect_error(npy("<f4", "(6,)", std::string(24, '\0')), ErrorCode::kInvalidFile,
               "w.npy: expected a 2-D array, found 1 dimensions");
  expect_error(npy("|S3", "(1, 2)", "abcdef"), ErrorCode::kInvalidFile, "w.npy: expected numbers");
  expect_error(npy("<f4", "(2, 3)", std::string(23, '\0')), ErrorCode::kInvalidFile,
               "w.npy: 23 bytes of data, shape (2, 3) of '<f4' needs 24");
  EXPECT_EQ(parse("hello").error().code, ErrorCode::kInvalidFile);
  EXPECT_EQ(load_dense_npy("/nowhere/w.npy").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lacuna
