// SPDX-License-Identifier: Apache-2.0
//
// Strict pieces of parsers: numbers without sign, blank or leading zero; prefixes and suffixes that are
// cut off when they match. Everything Lacuna prints as a name parses back through these.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "targets/base/fields.h"

namespace lacuna {

// All names of an enum, for messages: "row, scatter, col".
template <NamedEnum E>
[[nodiscard]] std::string join_names(std::string_view separator) {
  std::string names;
  for (const auto& [value, name] : EnumNames<E>::kNames) {
    if (!names.empty()) names += separator;
    names += name;
  }
  return names;
}

// The number that `text` spells in canonical decimal digits; nullopt for anything else, overflow included.
[[nodiscard]] inline std::optional<std::int64_t> parse_digits(std::string_view text) {
  if (text.empty() || text.front() == '-' || (text.front() == '0' && text.size() > 1)) return {};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Cuts `prefix` (`suffix`) off the text and answers true if it was there.
[[nodiscard]] inline bool cut_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
[[nodiscard]] inline bool cut_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

// Cuts off the leading run of decimal digits and answers it (maybe empty).
[[nodiscard]] inline std::string_view cut_digits(std::string_view& text) {
  const auto end = text.find_first_not_of("0123456789");
  const std::string_view digits = text.substr(0, end);
  text.remove_prefix(digits.size());
  return digits;
}

}  // namespace lacuna
