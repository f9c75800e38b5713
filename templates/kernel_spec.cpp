// SPDX-License-Identifier: Apache-2.0
#include "templates/kernel_spec.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/problem.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

std::string_view short_name(Layout layout) {
  switch (layout) {
    case Layout::kRowMajor:
      return "row";
    case Layout::kColMajor:
      return "col";
  }
  return "?";
}

template <class... Args>
tl::unexpected<Error> bad_name(std::string_view name, fmt::format_string<Args...> format,
                               Args&&... args) {
  return add_context(
      fmt::format("kernel name '{}'", name),
      Error{ErrorCode::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...)});
}

// The longest enumerator that `text` begins with (followed by '_'), cut off; "spmm_transposed" is not "spmm".
std::optional<Op> cut_op(std::string_view& text) {
  std::optional<Op> found;
  std::string_view rest = text;
  std::size_t longest = 0;
  for (const auto& [op, name] : EnumNames<Op>::kNames) {
    std::string_view after = text;
    if (name.size() < longest || !cut_prefix(after, name) || !cut_prefix(after, "_")) continue;
    found = op;
    rest = after;
    longest = name.size();
  }
  text = rest;
  return found;
}

std::string_view cut_word(std::string_view& text) {
  const auto end = text.find('_');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

std::optional<Layout> parse_layout(std::string_view word, char operand) {
  for (const Layout layout : {Layout::kRowMajor, Layout::kColMajor})
    if (word == fmt::format("{}{}", operand, short_name(layout))) return layout;
  return std::nullopt;
}

bool legal_target_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// <target>_<schedule>: the schedule's "_mr" is the last one, and the word before it the strategy.
Result<> parse_tail(std::string_view name, std::string_view text, ParsedKernelName& parsed) {
  const auto mr = text.rfind("_mr");
  const auto strategy = mr == std::string_view::npos || mr == 0 ? mr : text.rfind('_', mr - 1);
  if (mr == std::string_view::npos || strategy == std::string_view::npos)
    return bad_name(name, "no target and schedule in '{}'", text);
  parsed.target_name = std::string(text.substr(0, strategy));
  if (!legal_target_name(parsed.target_name))
    return bad_name(name, "target '{}' is not of a-z, 0-9 and _", parsed.target_name);
  auto schedule = parse_schedule(text.substr(strategy + 1));
  if (!schedule) return bad_name(name, "{}", schedule.error().message);
  parsed.spec.schedule = *schedule;
  return {};
}

// <format>_<types>_b<layout>_c<layout>_, cut off the front of `text`.
Result<> parse_operands(std::string_view name, std::string_view& text, KernelSpec& spec) {
  auto format = parse_format(cut_word(text));
  if (!format) return bad_name(name, "{}", format.error().message);
  spec.format = *format;
  auto types = parse_enum<ElementTypes>(cut_word(text));
  if (!types) return bad_name(name, "types {}", types.error().message);
  spec.types = *types;
  const std::string_view b = cut_word(text);
  const auto layout_b = parse_layout(b, 'b');
  if (!layout_b) return bad_name(name, "layout of b '{}' is not one of: brow, bcol", b);
  const std::string_view c = cut_word(text);
  const auto layout_c = parse_layout(c, 'c');
  if (!layout_c) return bad_name(name, "layout of c '{}' is not one of: crow, ccol", c);
  spec.layout_b = *layout_b;
  spec.layout_c = *layout_c;
  return {};
}

}  // namespace

KernelSpec make_kernel_spec(const Problem& problem, const Format& format,
                            const Schedule& schedule) {
  return {.op = problem.op,
          .types = problem.types,
          .layout_b = problem.layout_b,
          .layout_c = problem.layout_c,
          .epilogue = problem.epilogue,
          .accumulate = problem.accumulate,
          .format = format,
          .schedule = schedule};
}

std::string kernel_name(const KernelSpec& spec, std::string_view target_name) {
  std::string target(target_name);
  std::ranges::replace(target, '-', '_');
  std::string name = fmt::format("{}_{}_{}_b{}_c{}_{}_{}", to_text(spec.op), to_text(spec.format),
                                 to_text(spec.types), short_name(spec.layout_b),
                                 short_name(spec.layout_c), target, to_text(spec.schedule));
  if (!spec.epilogue.is_none()) name += fmt::format("_{}", to_text(spec.epilogue));
  if (spec.accumulate) name += "_acc";
  return name;
}

Result<ParsedKernelName> parse_kernel_name(std::string_view name) {
  ParsedKernelName parsed;
  std::string_view text = name;
  const auto op = cut_op(text);
  if (!op) return bad_name(name, "does not begin with one of: {}", join_names<Op>(", "));
  parsed.spec.op = *op;
  LACUNA_TRY_VOID(parse_operands(name, text, parsed.spec));
  parsed.spec.accumulate = cut_suffix(text, "_acc");
  parsed.spec.epilogue = cut_epilogue(text);
  LACUNA_TRY_VOID(parse_tail(name, text, parsed));
  return parsed;
}

}  // namespace lacuna
