// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "targets/base/result.h"
#include "tests/unit/runtime/archive_builder.h"
#include "tests/unit/runtime/mask_io_cases.h"

namespace lacuna {
namespace {

using Indices = std::vector<std::int64_t>;

// The members of save_npz for the csr matrix [[0 a b] [0 0 0] [c 0 0]].
std::vector<MemberSpec> csr_members() {
  return {{"indices.npy", npy_vector("<i4", std::vector<std::int32_t>{1, 2, 0})},
          {"indptr.npy", npy_vector("<i4", std::vector<std::int32_t>{0, 2, 2, 3})},
          {"format.npy", npy("|S3", "()", "csr")},
          {"shape.npy", npy_vector("<i8", Indices{3, 3})},
          {"data.npy", npy_vector("<f4", std::vector<float>{1, 0, 3})}};
}

MemberSpec& member(std::vector<MemberSpec>& members, std::string_view name) {
  for (MemberSpec& spec : members) {
    if (spec.name == name) return spec;
  }
  return members.emplace_back(MemberSpec{std::string(name), ""});
}

// The csr archive with some members' content replaced.
std::string csr_with(const std::vector<std::pair<std::string, std::string>>& changes) {
  auto members = csr_members();
  for (const auto& [name, content] : changes)
    member(members, name).content = content;
  return zip(members);
}

TEST(MaskIoNpz, StoredZerosCount) {
  const auto mask = parse_npz_text(zip(csr_members()));
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(*mask, mask_of(3, 3, {{0, 1}, {0, 2}, {2, 0}}));
}

void expect_reads(bool deflated, bool zip64, bool zip64_end) {
  SCOPED_TRACE(testing::Message() << "deflated " << deflated << ", zip64 " << zip64
                                  << ", zip64 end " << zip64_end);
  auto members = csr_members();
  for (MemberSpec& spec : members) {
    spec.deflated = deflated;
    spec.zip64 = zip64;
  }
  const std::string file = zip(members, {.zip64_end = zip64_end, .comment = "made by a test"});
  const auto mask = parse_npz_text(file);
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(*mask, parse_npz_text(zip(csr_members())).value());
  expect_prefixes_fail(parse_npz_text, file, file.size());
}

TEST(MaskIoNpz, ReadsEveryWayToPack) {
  for (const bool deflated : {false, true})
    for (const bool zip64 : {false, true})
      for (const bool zip64_end : {false, true})
        expect_reads(deflated, zip64, zip64_end);
}

TEST(MaskIoNpz, ReadsFormatNameInUnicodeAndCoordinatesInOneArray) {
  const std::string coo("c\0\0\0o\0\0\0o\0\0\0", 12);
  for (const bool fortran : {false, true}) {
    const Indices at = fortran ? Indices{2, 0, 0, 1, 1, 1} : Indices{2, 0, 1, 0, 1, 1};
    const std::string file = zip({{"format.npy", npy("<U3", "()", coo)},
                                  {"shape.npy", npy_vector("<i8", Indices{3, 2})},
                                  {"coords.npy", npy("<i8", "(2, 3)", raw(at), fortran)},
                                  {"data.npy", npy_vector("<f4", std::vector<float>{1, 2, 3})}});
    const auto mask = parse_npz_text(file);
    ASSERT_TRUE(mask) << mask.error().message;
    EXPECT_EQ(*mask, mask_of(3, 2, {{2, 0}, {0, 1}, {1, 1}}));
  }
}

TEST(MaskIoNpz, EmptyMatrixIsLegal) {
  const auto mask =
      parse_npz_text(csr_with({{"indices.npy", npy_vector("<i4", Indices{})},
                               {"indptr.npy", npy_vector("<i8", Indices{0, 0})},
                               {"shape.npy", npy_vector("<i8", Indices{1, 7})},
                               {"data.npy", npy_vector("<f4", std::vector<float>{})}}));
  ASSERT_TRUE(mask) << mask.error().message;
  EXPECT_EQ(*mask, mask_of(1, 7, {}));
}

struct BadArchive {
  std::string file;
  const char* message;
  ErrorCode code = ErrorCode::kInvalidFile;
};

class NpzBadContent : public testing::TestWithParam<BadArchive> {};

TEST_P(NpzBadContent, IsAnErrorThatNamesTheMember) {
  EXPECT_EQ(error_of(parse_npz_text(GetParam().file), GetParam().code), GetParam().message);
}

std::string csc_with_duplicate() {
  return csr_with({{"format.npy", npy("|S3", "()", "csc")},
                   {"indices.npy", npy_vector("<i4", std::vector<std::int32_t>{1, 1, 0})}});
}

std::string coo(const Indices& rows, const Indices& cols) {
  return zip({{"format.npy", npy("|S3", "()", "coo")},
              {"shape.npy", npy_vector("<i8", Indices{3, 2})},
              {"row.npy", npy_vector("<i8", rows)},
              {"col.npy", npy_vector("<i8", cols)},
              {"data.npy", npy_vector("<f4", std::vector<float>(rows.size(), 1))}});
}

INSTANTIATE_TEST_SUITE_P(
    MaskIoNpz, NpzBadContent,
    testing::Values(
        BadArchive{csr_with({{"indices.npy", npy_vector("<i8", Indices{2, 1, 0})}}),
                   "a.npz: row 0, position 1: column index 1 follows 2: indices are unsorted"},
        BadArchive{csr_with({{"indices.npy", npy_vector("<i8", Indices{1, 1, 0})}}),
                   "a.npz: row 0, position 1: column index 1 is a duplicate"},
        BadArchive{csr_with({{"indices.npy", npy_vector("<i8", Indices{1, 3, 0})}}),
                   "a.npz: row 0, position 1: column index 3 is outside [0, 3)"},
        BadArchive{csr_with({{"indptr.npy", npy_vector("<i8", Indices{0, 2, 3})}}),
                   "a.npz: row_ptr has 3 entries, 3 rows need 4"},
        BadArchive{csr_with({{"indptr.npy", npy_vector("<i8", Indices{0, 2, 2, 2})}}),
                   "a.npz: indptr.npy ends with 2, indices.npy holds 3"},
        BadArchive{csr_with({{"data.npy", npy_vector("<f4", std::vector<float>{1})}}),
                   "a.npz: data.npy holds 1 values for 3 indices"},
        BadArchive{csr_with({{"data.npy", npy("<f2", "(3,)", std::string("\0\0\0\x7c\0\0", 6))}}),
                   "a.npz: data.npy: element 1 is not finite"},
        BadArchive{csr_with({{"data.npy", npy("<f4", "()", "1234")}}),
                   "a.npz: data.npy: expected numbers in 1 dimensions"},
        BadArchive{csr_with({{"shape.npy", npy_vector("<i8", Indices{3, 3, 3})}}),
                   "a.npz: shape.npy: 3 dimensions, a mask has 2"},
        BadArchive{csr_with({{"shape.npy", npy_vector("<i8", Indices{-3, 3})}}),
                   "a.npz: m -3 is outside [0, 134217728]"},
        BadArchive{csr_with({{"shape.npy", npy_vector("<f8", std::vector<double>{3, 3})}}),
                   "a.npz: shape.npy: expected integers"},
        BadArchive{csr_with({{"indices.npy", npy("<i4", "(1, 3)", std::string(12, '\0'))}}),
                   "a.npz: indices.npy: expected 1 dimension, found 2"},
        BadArchive{
            csr_with({{"indices.npy", npy_vector("<u8", std::vector<std::uint64_t>{1, ~0ULL, 0})}}),
            "a.npz: indices.npy: element 1 is 18446744073709551615, beyond 2^63 - 1"},
        BadArchive{csr_with({{"format.npy", npy("|S3", "()", "dia")}}),
                   "a.npz: sparse format 'dia' is not one of: csr, csc, bsr, coo",
                   ErrorCode::kUnsupported},
        BadArchive{csr_with({{"format.npy", npy("<i4", "()", "1234")}}),
                   "a.npz: sparse format '' is not one of: csr, csc, bsr, coo",
                   ErrorCode::kUnsupported},
        BadArchive{csr_with({{"data.npy", "garbage"}}),
                   "a.npz: data.npy: not a .npy file: bad magic bytes"},
        BadArchive{
            csc_with_duplicate(),
            "a.npz: csc, rows are columns here: row 0, position 1: column index 1 is a duplicate"},
        BadArchive{csr_with({{"format.npy", npy("|S3", "()", "bsr")},
                             {"data.npy", npy("|u1", "(3, 2, 2)", std::string(12, '\1'))}}),
                   "a.npz: blocks of 2x2 do not divide 3 x 3"},
        BadArchive{csr_with({{"format.npy", npy("|S3", "()", "bsr")},
                             {"data.npy", npy("|u1", "(4294967296, 4294967296, 0)", "")}}),
                   "a.npz: blocks of 4294967296x0 do not divide 3 x 3"},
        BadArchive{
            csr_with({{"format.npy", npy("|S3", "()", "bsr")},
                      {"shape.npy", npy_vector("<i8", Indices{6, 4})},
                      {"data.npy", npy("|u1", "(3, 2, 2)", std::string(12, '\1'))}}),
            "a.npz: bsr, rows and columns are blocks here: row 0, position 1: column index 2 is "
            "outside [0, 2)"},
        BadArchive{coo({0, 0}, {1, 1}), "a.npz: entry 1: (0, 1) is a duplicate"},
        BadArchive{coo({0, 3}, {1, 1}), "a.npz: entry 1: (3, 1) is outside 3 x 2"},
        BadArchive{coo({0, 1}, {1}), "a.npz: row.npy holds 2 indices, col.npy 1"},
        BadArchive{zip({{"format.npy", npy("|S3", "()", "csr")}}),
                   "a.npz: member 'shape.npy' is missing"},
        BadArchive{zip({{"arr_0.npy", npy("|u1", "(2,)", "ab")}}),
                   "a.npz: arr_0.npy: expected a 2-D array, found 1 dimensions"},
        BadArchive{
            zip({{"a.npy", npy("|u1", "(1, 1)", "a")}, {"b.npy", npy("|u1", "(1, 1)", "a")}}),
            "a.npz: 2 arrays and no 'format.npy': expected scipy.sparse.save_npz or one array"},
        BadArchive{
            zip({}),
            "a.npz: 0 arrays and no 'format.npy': expected scipy.sparse.save_npz or one array"}));

std::string one_member(MemberSpec spec) {
  spec.name = "x.npy";
  if (spec.content.empty()) spec.content = npy("|u1", "(1, 1)", "a");
  return zip({std::move(spec)});
}

class NpzBadZip : public testing::TestWithParam<BadArchive> {};

TEST_P(NpzBadZip, IsAnError) {
  EXPECT_EQ(error_of(parse_npz_text(GetParam().file), GetParam().code), GetParam().message);
}

// Bytes `at` from the end replaced: the end record's fields.
std::string patched_end(std::size_t from_end, std::string_view bytes) {
  std::string file = one_member({});
  return file.replace(file.size() - from_end, bytes.size(), bytes);
}

INSTANTIATE_TEST_SUITE_P(
    MaskIoNpz, NpzBadZip,
    testing::Values(
        BadArchive{"PK\x03\x04", "a.npz: no zip end record: truncated?"},
        BadArchive{one_member({.flags = 1}), "a.npz: x.npy: encrypted", ErrorCode::kUnsupported},
        BadArchive{one_member({.method = 14}),
                   "a.npz: x.npy: compression method 14 is not stored or deflated",
                   ErrorCode::kUnsupported},
        BadArchive{one_member({.size_change = 1}),
                   "a.npz: x.npy: 72 bytes cannot come from 71 packed ones"},
        BadArchive{one_member({.deflated = true, .size_change = 1}),
                   "a.npz: x.npy: the deflated data is corrupt or not 72 bytes"},
        BadArchive{one_member({.deflated = true, .size_change = -1}),
                   "a.npz: x.npy: the deflated data is corrupt or not 70 bytes"},
        BadArchive{
            one_member({.deflated = true, .zip64 = true, .size_change = std::int64_t{1} << 32}),
            "a.npz: the archive unpacks to more than 4294967296 bytes", ErrorCode::kUnsupported},
        BadArchive{zip({{"x.txt", "hello"}}), "a.npz: member 'x.txt' is not a .npy file"},
        BadArchive{zip({{"x.npy", "a"}, {"x.npy", "b"}}),
                   "a.npz: two zip members are named 'x.npy'"},
        BadArchive{zip({}, {.part = 1}), "a.npz: a zip archive in several parts",
                   ErrorCode::kUnsupported},
        BadArchive{patched_end(12, std::string("\2\0", 2)),
                   "a.npz: entry 1 of the zip directory is malformed"},
        BadArchive{patched_end(6, "\xff\xff\xff\x7f"),
                   "a.npz: the zip directory lies outside of the file"}));

TEST(MaskIoNpz, DeflateCannotExpandWithoutLimit) {
  const std::string content = npy("|u1", "(1, 1)", "a");
  EXPECT_EQ(error_of(parse_npz_text(one_member({.deflated = true, .size_change = 1000000}))),
            fmt::format("a.npz: x.npy: {} bytes cannot come from {} packed ones",
                        content.size() + 1000000, deflate_raw(content).size()));
}

TEST(MaskIoNpz, WrongChecksumIsAnError) {
  for (const bool deflated : {false, true}) {
    const std::string message =
        error_of(parse_npz_text(one_member({.deflated = deflated, .wrong_checksum = true})));
    EXPECT_TRUE(message.starts_with("a.npz: x.npy: checksum ")) << message;
    EXPECT_NE(message.find(", the directory says "), std::string::npos) << message;
  }
}

TEST(MaskIoNpz, MembersMayNotUnpackToMoreThanTheLimitTogether) {
  std::vector<MemberSpec> members;
  for (int i = 0; i < 5; ++i) {
    members.push_back(
        {.name = fmt::format("{}.npy", i), .content = "x", .size_change = (1 << 30) - 1});
  }
  EXPECT_EQ(error_of(parse_npz_text(zip(members)), ErrorCode::kUnsupported),
            "a.npz: the archive unpacks to more than 4294967296 bytes");
}

}  // namespace
}  // namespace lacuna
