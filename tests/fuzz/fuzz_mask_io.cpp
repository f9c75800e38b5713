// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/bsr_structure.h"
#include "runtime/dense_io.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/nm_pattern.h"
#include "runtime/nm_structure.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/unit/runtime/archive_builder.h"
#include "tests/unit/runtime/numpy_fixtures.h"

namespace {

using lacuna::Mask;
using lacuna::Result;

void require(bool condition) {
  if (!condition) std::abort();
}

// What every mask promises, and that the structures made of it agree with themselves.
void check_mask(const Mask& mask) {
  constexpr std::int64_t kSmall = 1 << 16;
  if (mask.m() * mask.words_per_row() > kSmall || mask.m() > kSmall || mask.k() > kSmall) return;
  std::int64_t nnz = 0;
  for (std::int64_t i = 0; i < mask.m(); ++i) {
    const auto words = mask.row_words(i);
    for (const std::uint64_t word : words)
      nnz += std::popcount(word);
    if (mask.k() % 64 != 0) require((words.back() >> (mask.k() % 64)) == 0);
  }
  require(nnz == mask.nnz());
  const lacuna::Bsr shape{3, 5};
  const auto structure = lacuna::make_bsr_structure(mask, shape);
  require(structure.has_value());
  require(structure->nnz_blocks() == lacuna::count_blocks(mask, std::span(&shape, 1)).front());
  require(lacuna::is_exact(*structure, mask) == lacuna::is_exact(mask, shape));
  const auto jammed = lacuna::make_jam_structure(mask, lacuna::Jam{4});
  require(jammed.has_value() && jammed->values_count() == mask.nnz());
  std::int64_t weights = 0;
  lacuna::for_each_weight(*jammed, [&](std::int64_t row, std::int64_t col, std::int64_t index) {
    require(mask.at(row, col) && index == weights++);
  });
  require(weights == mask.nnz());
  const auto packed = lacuna::make_nm_structure(mask, {31, 32});
  require(packed.has_value() == lacuna::check_conforms(mask, {31, 32}).has_value());
  if (!packed) return;
  weights = 0;
  lacuna::for_each_weight(*packed, [&](std::int64_t row, std::int64_t col, std::int64_t) {
    require(mask.at(row, col));
    ++weights;
  });
  require(weights == mask.nnz());
}

void check(const Result<Mask>& mask) {
  if (mask) return check_mask(*mask);
  require(!mask.error().message.empty() && mask.error().code != lacuna::ErrorCode::kOk);
}

// A mutated archive nearly always fails its checksum. This frame gets behind it: 'Z', then members as name length (1
// byte), name, content length (2 bytes), content; the archive is made here.
std::string archive_of(std::string_view frame) {
  std::vector<lacuna::MemberSpec> members;
  const auto take = [&](std::size_t count) {
    const std::string_view taken = frame.substr(0, count);
    frame.remove_prefix(taken.size());
    return std::string(taken);
  };
  const auto take_length = [&](std::size_t width) {
    std::size_t length = 0;
    for (const char c : take(width))
      length = length << 8 | static_cast<unsigned char>(c);
    return length;
  };
  while (!frame.empty()) {
    lacuna::MemberSpec member;
    member.name = take(take_length(1));
    member.content = take(take_length(2));
    member.deflated = member.content.size() % 2 == 0;
    members.push_back(std::move(member));
  }
  return lacuna::zip(members);
}

std::string frame_of(const std::vector<lacuna::MemberSpec>& members) {
  std::string frame = "Z";
  for (const auto& member : members) {
    frame += static_cast<char>(member.name.size());
    frame += member.name;
    frame += static_cast<char>(member.content.size() >> 8);
    frame += static_cast<char>(member.content.size() & 0xff);
    frame += member.content;
  }
  return frame;
}

std::string frame_of_scipy(const char* format, const std::string& data, std::size_t stored) {
  const std::vector<std::int64_t> indptr = {0, 2, 3};
  const std::vector<std::int64_t> shape = {4, 6};
  const std::vector<std::int64_t> low = {0, 1, 0};
  using lacuna::npy_vector;
  return frame_of({{"format.npy", lacuna::npy("|S3", "()", format)},
                   {"shape.npy", npy_vector("<i8", shape)},
                   {"indptr.npy", npy_vector("<i8", indptr)},
                   {"indices.npy", npy_vector("<i8", low)},
                   {"row.npy", npy_vector("<i8", indptr)},
                   {"col.npy", npy_vector("<i8", low)},
                   {"data.npy", lacuna::npy("|u1", data, std::string(stored, '\1'))}});
}

template <std::size_t kSize>
std::string text_of(const unsigned char (&bytes)[kSize]) {
  return {reinterpret_cast<const char*>(bytes), kSize};
}

}  // namespace

// The bytes are tried as every kind of mask file: a mask that keeps its promises, or an error with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(data, size));
  check(lacuna::parse_npy_mask(bytes, "x"));
  check(lacuna::parse_npz_mask(bytes, "x"));
  if (const auto dense = lacuna::parse_dense_npy(bytes, "x"))
    require(std::cmp_equal(dense->data.size(), dense->data.empty() ? 0 : dense->m * dense->k));
  else
    require(!dense.error().message.empty());
  check(lacuna::parse_matrix_market_mask(text, "x"));
  check(lacuna::parse_smtx_mask(text, "x"));
  if (text.starts_with('Z')) {
    const std::string archive = archive_of(text.substr(1));
    check(lacuna::parse_npz_mask(lacuna::bytes_of(archive), "x"));
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {text_of(lacuna::kNumpyFloat32),
          text_of(lacuna::kNumpyBoolFortran),
          text_of(lacuna::kScipyCsrDeflated),
          text_of(lacuna::kScipyCsrStored),
          text_of(lacuna::kScipyMatrixMarket),
          "%%MatrixMarket matrix coordinate pattern symmetric\n% x\n3 3 2\n2 1\n3 3\n",
          "%%MatrixMarket matrix array real general\n2 2\n1\n0\n-2e1\n4\n",
          "3, 4, 3\n0 2 2 3\n1 3 0\n",
          frame_of_scipy("csr", "(3,)", 3),
          frame_of_scipy("csc", "(3,)", 3),
          frame_of_scipy("coo", "(3,)", 3),
          frame_of_scipy("bsr", "(3, 2, 3)", 18)};
}
