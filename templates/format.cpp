// SPDX-License-Identifier: Apache-2.0
#include "templates/format.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <variant>

#include "targets/base/result.h"
#include "targets/base/text.h"

namespace lacuna {
namespace {

struct FormatText {
  std::string operator()(const Bsr& bsr) const { return fmt::format("bsr{}x{}", bsr.r, bsr.c); }
  std::string operator()(const Jam& jam) const { return fmt::format("jam{}", jam.r); }
};

Result<Format> parse_bsr(std::string_view dims, std::string_view text) {
  const auto r = parse_digits(cut_digits(dims));
  const bool separated = cut_prefix(dims, "x");
  const auto c = parse_digits(dims);
  if (!r || !separated || !c)
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}' is not bsr<r>x<c>, for example bsr32x1", text);
  const auto legal = [](std::int64_t dim) { return dim >= 1 && dim <= kMaxBlockDim; };
  if (!legal(*r) || !legal(*c))
    return make_error(ErrorCode::kInvalidArgument, "format '{}': block dimensions are from 1 to {}",
                      text, kMaxBlockDim);
  return Bsr{.r = static_cast<std::int32_t>(*r), .c = static_cast<std::int32_t>(*c)};
}

Result<Format> parse_jam(std::string_view rows, std::string_view text) {
  const auto r = parse_digits(rows);
  if (!r)
    return make_error(ErrorCode::kInvalidArgument, "format '{}' is not jam<r>, for example jam4",
                      text);
  if (*r < 1 || *r > kMaxJam)
    return make_error(ErrorCode::kInvalidArgument, "format '{}': jammed rows are from 1 to {}",
                      text, kMaxJam);
  return Jam{.r = static_cast<std::int32_t>(*r)};
}

}  // namespace

Bsr counted_as(const Format& format) {
  return std::visit(
      PerFormat{[](const Bsr& bsr) { return bsr; }, [](const Jam& jam) { return Bsr{jam.r, 1}; }},
      format);
}

Result<> check_format(const Format& format) {
  return std::visit(PerFormat{[](const Bsr& bsr) -> Result<> {
                                const auto legal = [](std::int32_t dim) {
                                  return dim >= 1 && dim <= kMaxBlockDim;
                                };
                                if (legal(bsr.r) && legal(bsr.c)) return {};
                                return make_error(ErrorCode::kInvalidArgument,
                                                  "block shape {}x{} is outside 1x1 to {}x{}",
                                                  bsr.r, bsr.c, kMaxBlockDim, kMaxBlockDim);
                              },
                              [](const Jam& jam) -> Result<> {
                                if (jam.r >= 1 && jam.r <= kMaxJam) return {};
                                return make_error(ErrorCode::kInvalidArgument,
                                                  "{} jammed rows are outside 1 to {}", jam.r,
                                                  kMaxJam);
                              }},
                    format);
}

std::string to_text(const Format& format) {
  return std::visit(FormatText{}, format);
}

Result<Format> parse_format(std::string_view text) {
  std::string_view rest = text;
  if (cut_prefix(rest, "bsr")) return parse_bsr(rest, text);
  if (cut_prefix(rest, "jam")) return parse_jam(rest, text);
  return make_error(ErrorCode::kInvalidArgument,
                    "format '{}' is not known, known are bsr<r>x<c> and jam<r>", text);
}

}  // namespace lacuna
