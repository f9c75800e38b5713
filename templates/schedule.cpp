// SPDX-License-Identifier: Apache-2.0
#include "templates/schedule.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/base/text.h"

namespace lacuna {
namespace {

// Far above what any register file holds; registry.h decides what is legal on a target.
constexpr std::int64_t kMaxTileDim = 4096;
constexpr std::int64_t kMaxChunk = 1 << 20;
constexpr std::string_view kChunkKey = "_kc";

bool cut_strategy(std::string_view& text, Strategy& strategy) {
  for (const auto& [value, name] : EnumNames<Strategy>::kNames) {
    std::string_view rest = text;
    if (!cut_prefix(rest, name) || !cut_prefix(rest, "_")) continue;
    strategy = value;
    text = rest;
    return true;
  }
  return false;
}

bool cut_dim(std::string_view& text, std::string_view key, std::int32_t& dim) {
  if (!cut_prefix(text, key)) return false;
  const auto value = parse_digits(cut_digits(text));
  if (!value || *value < 1 || *value > kMaxTileDim) return false;
  dim = static_cast<std::int32_t>(*value);
  return true;
}

// Cuts "_kc<digits>" off the end, where it is.
bool cut_chunk(std::string_view& text, std::int32_t& kc) {
  const std::size_t at = text.rfind(kChunkKey);
  if (at == std::string_view::npos) return true;
  std::string_view digits = text.substr(at + kChunkKey.size());
  const auto value = parse_digits(cut_digits(digits));
  if (!digits.empty() || !value || *value < 1 || *value > kMaxChunk) return false;
  kc = static_cast<std::int32_t>(*value);
  text = text.substr(0, at);
  return true;
}

bool parse_whole(std::string_view text, Schedule& schedule) {
  if (!cut_chunk(text, schedule.kc)) return false;
  schedule.pack = cut_suffix(text, "_pack");
  if (!cut_strategy(text, schedule.strategy)) return false;
  if (!cut_dim(text, "mr", schedule.mr) || !cut_dim(text, "nv", schedule.nv) ||
      !cut_dim(text, "ku", schedule.ku) || !cut_prefix(text, "_"))
    return false;
  const auto order = parse_enum<LoopOrder>(text);
  if (order) schedule.order = *order;
  return order.has_value();
}

}  // namespace

std::string to_text(const Schedule& schedule) {
  const std::string chunk = schedule.kc > 0 ? fmt::format("{}{}", kChunkKey, schedule.kc) : "";
  return fmt::format("{}_mr{}nv{}ku{}_{}{}{}", to_text(schedule.strategy), schedule.mr, schedule.nv,
                     schedule.ku, to_text(schedule.order), schedule.pack ? "_pack" : "", chunk);
}

Result<Schedule> parse_schedule(std::string_view text) {
  Schedule schedule;
  if (parse_whole(text, schedule)) return schedule;
  return make_error(
      ErrorCode::kInvalidArgument,
      "schedule '{}' is not <{}>_mr<1-{}>nv<1-{}>ku<1-{}>_<{}>[_pack][_kc<1-{}>], for example {}",
      text, join_names<Strategy>("|"), kMaxTileDim, kMaxTileDim, kMaxTileDim,
      join_names<LoopOrder>("|"), kMaxChunk, to_text(Schedule{}));
}

}  // namespace lacuna
