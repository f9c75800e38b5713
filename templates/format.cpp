// SPDX-License-Identifier: Apache-2.0
#include "templates/format.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "targets/base/result.h"
#include "targets/base/text.h"

namespace lacuna {
namespace {

struct FormatText {
  std::string operator()(const Bsr& bsr) const {
    const std::string group = bsr.group == 1 ? "" : fmt::format("g{}", bsr.group);
    return fmt::format("bsr{}x{}{}", bsr.r, bsr.c, group);
  }
  std::string operator()(const Jam& jam) const { return fmt::format("jam{}", jam.r); }
  std::string operator()(const NofM& nm) const { return fmt::format("nm{}of{}", nm.n, nm.m); }
  std::string operator()(const Baked& baked) const { return fmt::format("baked{}", baked.r); }
};

Result<> check_group(const Bsr& bsr) {
  if (bsr.group != 1 && bsr.group != 2 && bsr.group != kMaxGroup)
    return make_error(ErrorCode::kInvalidArgument, "group {} is not 1, 2 or {}", bsr.group,
                      kMaxGroup);
  if (bsr.c % bsr.group != 0)
    return make_error(ErrorCode::kInvalidArgument,
                      "the {} columns of a block are not a multiple of group {}", bsr.c, bsr.group);
  return {};
}

Result<Format> parse_bsr(std::string_view dims, std::string_view text) {
  const auto r = parse_digits(cut_digits(dims));
  const bool separated = cut_prefix(dims, "x");
  const auto c = parse_digits(cut_digits(dims));
  const bool grouped = cut_prefix(dims, "g");
  const auto group = grouped ? parse_digits(dims) : dims.empty() ? 1 : parse_digits("");
  if (!r || !separated || !c || !group || (grouped && *group == 1))
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}' is not bsr<r>x<c>, for example bsr32x1, or bsr<r>x<c>g<group>",
                      text);
  const auto legal = [](std::int64_t dim) { return dim >= 1 && dim <= kMaxBlockDim; };
  if (!legal(*r) || !legal(*c))
    return make_error(ErrorCode::kInvalidArgument, "format '{}': block dimensions are from 1 to {}",
                      text, kMaxBlockDim);
  const Bsr bsr{static_cast<std::int32_t>(*r), static_cast<std::int32_t>(*c),
                static_cast<std::int32_t>(std::min<std::int64_t>(*group, kMaxBlockDim))};
  if (auto legal_group = check_group(bsr); !legal_group)
    return add_context(fmt::format("format '{}'", text), std::move(legal_group).error());
  return bsr;
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

Result<Format> parse_nm(std::string_view dims, std::string_view text) {
  const auto n = parse_digits(cut_digits(dims));
  const bool separated = cut_prefix(dims, "of");
  const auto m = parse_digits(dims);
  if (!n || !separated || !m)
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}' is not nm<n>of<m>, for example nm2of4", text);
  if (*m < 2 || *m > kMaxNmGroup || *n < 1 || *n >= *m)
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}': groups are from 2 to {} columns, of which at least one and not "
                      "all are kept",
                      text, kMaxNmGroup);
  return NofM{.n = static_cast<std::int32_t>(*n), .m = static_cast<std::int32_t>(*m)};
}

Result<Format> parse_baked(std::string_view rows, std::string_view text) {
  const auto r = parse_digits(rows);
  if (!r)
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}' is not baked<r>, for example baked24", text);
  if (*r < 1 || *r > kMaxBaked)
    return make_error(ErrorCode::kInvalidArgument,
                      "format '{}': rows of a baked panel are from 1 to {}", text, kMaxBaked);
  return Baked{.r = static_cast<std::int32_t>(*r)};
}

std::int32_t clamp_dim(std::int32_t dim, std::int64_t extent) {
  return static_cast<std::int32_t>(std::min<std::int64_t>(dim, extent));
}

}  // namespace

std::int32_t group_of(const Format& format) {
  return std::visit(
      PerFormat{[](const Bsr& bsr) { return bsr.group; }, [](const auto&) { return 1; }}, format);
}

Bsr counted_as(const Format& format) {
  return std::visit(
      PerFormat{[](const Bsr& bsr) { return bsr; }, [](const Jam& jam) { return Bsr{jam.r, 1}; },
                [](const NofM& nm) { return Bsr{kNmPanelRows, nm.m}; },
                [](const Baked& baked) { return Bsr{baked.r, 1}; }},
      format);
}

Bsr clamped_to(const Bsr& format, std::int64_t m, std::int64_t k) {
  const auto extent = [&](std::int64_t given) { return given == 0 ? format.group : given; };
  return {clamp_dim(format.r, extent(m)), clamp_dim(format.c, extent(k)), format.group};
}

Jam clamped_to(const Jam& format, std::int64_t m, std::int64_t /*k*/) {
  return {clamp_dim(format.r, std::max<std::int64_t>(m, 1))};
}

Baked clamped_to(const Baked& format, std::int64_t m, std::int64_t /*k*/) {
  return {clamp_dim(format.r, std::max<std::int64_t>(m, 1))};
}

NofM clamped_to(const NofM& format, std::int64_t /*m*/, std::int64_t /*k*/) {
  return format;  // groups are padded, never cut
}

Format clamped_to(const Format& format, std::int64_t m, std::int64_t k) {
  return std::visit([&](const auto& one) -> Format { return clamped_to(one, m, k); }, format);
}

Result<> check_format(const Format& format) {
  return std::visit(
      PerFormat{
          [](const Bsr& bsr) -> Result<> {
            const auto legal = [](std::int32_t dim) { return dim >= 1 && dim <= kMaxBlockDim; };
            if (legal(bsr.r) && legal(bsr.c)) return check_group(bsr);
            return make_error(ErrorCode::kInvalidArgument,
                              "block shape {}x{} is outside 1x1 to {}x{}", bsr.r, bsr.c,
                              kMaxBlockDim, kMaxBlockDim);
          },
          [](const Jam& jam) -> Result<> {
            if (jam.r >= 1 && jam.r <= kMaxJam) return {};
            return make_error(ErrorCode::kInvalidArgument, "{} jammed rows are outside 1 to {}",
                              jam.r, kMaxJam);
          },
          [](const NofM& nm) -> Result<> {
            if (nm.m >= 2 && nm.m <= kMaxNmGroup && nm.n >= 1 && nm.n < nm.m) return {};
            return make_error(ErrorCode::kInvalidArgument,
                              "{} of {} columns is not N of M with 1 <= N < M "
                              "<= {}",
                              nm.n, nm.m, kMaxNmGroup);
          },
          [](const Baked& baked) -> Result<> {
            if (baked.r >= 1 && baked.r <= kMaxBaked) return {};
            return make_error(ErrorCode::kInvalidArgument,
                              "{} rows of a baked panel are outside 1 to {}", baked.r, kMaxBaked);
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
  if (cut_prefix(rest, "nm")) return parse_nm(rest, text);
  if (cut_prefix(rest, "baked")) return parse_baked(rest, text);
  return make_error(
      ErrorCode::kInvalidArgument,
      "format '{}' is not known, known are bsr<r>x<c>, jam<r>, nm<n>of<m> and baked<r>", text);
}

}  // namespace lacuna
