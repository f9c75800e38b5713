// SPDX-License-Identifier: Apache-2.0
//
// One field list per value type; hash, text, JSON and parsing derive from it.
//
// A type takes part by a static member template that names each field once:
//
//   struct Bsr {
//     std::int32_t r = 1, c = 1;
//     template <class Self, class Visit>
//     static constexpr void for_each_field(Self& self, Visit&& visit) { visit("r", self.r); visit("c", self.c); }
//   };
//
// Field types: bool, integers, double, std::string, enums with an EnumNames table, std::vector of these,
// and nested types with a field list. A new field is added in one line and cannot be forgotten anywhere.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna {

// Specialise for each enum that appears in a field list or a name:
//   template <> struct EnumNames<Layout> { static constexpr std::array kNames = {
//       std::pair{Layout::kRowMajor, std::string_view("row_major")}, ... }; };
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires { EnumNames<E>::kNames; };

template <NamedEnum E>
[[nodiscard]] constexpr std::string_view to_text(E value) {
  for (const auto& [v, name] : EnumNames<E>::kNames)
    if (v == value) return name;
  return "?";
}

template <NamedEnum E>
[[nodiscard]] Result<E> parse_enum(std::string_view text) {
  std::string known;
  for (const auto& [v, name] : EnumNames<E>::kNames) {
    if (name == text) return v;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return make_error(ErrorCode::kInvalidArgument, "'{}' is not one of: {}", text, known);
}

// Enumerators may come from the C interface as bare numbers.
template <NamedEnum E>
[[nodiscard]] Result<> check_known(const char* field, E value) {
  for (const auto& [known, name] : EnumNames<E>::kNames)
    if (known == value) return {};
  return make_error(ErrorCode::kInvalidArgument, "{} {} is not a known value", field,
                    static_cast<int>(value));
}

namespace fields_detail {
struct AnyVisitor {
  template <class T>
  constexpr void operator()(const char* /*name*/, T& /*field*/) const {}
};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
}  // namespace fields_detail

template <class T>
concept HasFields = requires(T& t) { T::for_each_field(t, fields_detail::AnyVisitor{}); };

// A type with a field list whose JSON is one string all the same: to_text() and T::from_text() convert.
template <class T>
concept HasTextForm = requires(std::string_view text) { T::from_text(text); };

template <class T>
void hash_append(Hasher& hasher, const T& value) {
  if constexpr (HasFields<T>) {
    T::for_each_field(value, [&](const char* name, const auto& field) {
      hasher.append(std::string_view(name));
      hash_append(hasher, field);
    });
  } else if constexpr (NamedEnum<T>) {
    hasher.append(to_text(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    hasher.append(std::string_view(value));
  } else if constexpr (fields_detail::IsVector<T>::value) {
    hasher.append_scalar(value.size());
    for (const auto& item : value)
      hash_append(hasher, item);
  } else {
    static_assert(std::is_arithmetic_v<T>);
    hasher.append_scalar(value);
  }
}

template <HasFields T>
[[nodiscard]] Hash128 hash_of(const T& value) {
  Hasher hasher;
  hash_append(hasher, value);
  return hasher.digest();
}

template <class T>
[[nodiscard]] nlohmann::json to_json_value(const T& value) {
  if constexpr (HasTextForm<T>) {
    return to_text(value);
  } else if constexpr (HasFields<T>) {
    auto object = nlohmann::json::object();
    T::for_each_field(
        value, [&](const char* name, const auto& field) { object[name] = to_json_value(field); });
    return object;
  } else if constexpr (NamedEnum<T>) {
    return std::string(to_text(value));
  } else if constexpr (fields_detail::IsVector<T>::value) {
    auto array = nlohmann::json::array();
    for (const auto& item : value)
      array.push_back(to_json_value(item));
    return array;
  } else {
    return value;
  }
}

// Fills `value` from JSON. A missing field keeps its default; an unknown field, a wrong type or an
// integer that does not fit is an error that names the field.
template <class T>
[[nodiscard]] Result<> from_json_value(const nlohmann::json& json, T& value);

namespace fields_detail {

template <class T>
Result<> reject_unknown_fields(const nlohmann::json& json, T& value) {
  for (const auto& item : json.items()) {
    bool found = false;
    T::for_each_field(value, [&](const char* name, auto&) { found = found || item.key() == name; });
    if (!found) return make_error(ErrorCode::kInvalidFile, "unknown field '{}'", item.key());
  }
  return {};
}

template <class T>
Result<> object_from_json(const nlohmann::json& json, T& value) {
  if (!json.is_object()) return make_error(ErrorCode::kInvalidFile, "expected an object");
  std::size_t known = 0;
  Result<> status;
  T::for_each_field(value, [&](const char* name, auto& field) {
    const auto it = json.find(name);
    if (it == json.end() || !status) return;
    ++known;
    if (auto r = from_json_value(*it, field); !r) status = add_context(name, std::move(r).error());
  });
  if (status && known != json.size()) return reject_unknown_fields(json, value);
  return status;
}

template <class T>
Result<> integer_from_json(const nlohmann::json& json, T& value) {
  if (!json.is_number_integer()) return make_error(ErrorCode::kInvalidFile, "expected an integer");
  const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                              : std::in_range<T>(json.get<std::int64_t>());
  if (!fits)
    return make_error(ErrorCode::kInvalidFile, "the integer {} is out of range", json.dump());
  value = json.is_number_unsigned() ? static_cast<T>(json.get<std::uint64_t>())
                                    : static_cast<T>(json.get<std::int64_t>());
  return {};
}

template <class T>
Result<> array_from_json(const nlohmann::json& json, T& value) {
  if (!json.is_array()) return make_error(ErrorCode::kInvalidFile, "expected an array");
  value.clear();
  for (const auto& item : json) {
    typename T::value_type element{};
    LACUNA_TRY_VOID(from_json_value(item, element));
    value.push_back(std::move(element));
  }
  return {};
}

}  // namespace fields_detail

template <class T>
Result<> from_json_value(const nlohmann::json& json, T& value) {
  if constexpr (HasTextForm<T>) {
    if (!json.is_string()) return make_error(ErrorCode::kInvalidFile, "expected a string");
    LACUNA_TRY(value, T::from_text(json.get_ref<const std::string&>()));
    return {};
  } else if constexpr (HasFields<T>) {
    return fields_detail::object_from_json(json, value);
  } else if constexpr (NamedEnum<T>) {
    if (!json.is_string()) return make_error(ErrorCode::kInvalidFile, "expected a string");
    LACUNA_TRY(value, parse_enum<T>(json.get_ref<const std::string&>()));
    return {};
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) return make_error(ErrorCode::kInvalidFile, "expected a string");
    value = json.get<std::string>();
    return {};
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return make_error(ErrorCode::kInvalidFile, "expected true or false");
    value = json.get<bool>();
    return {};
  } else if constexpr (std::is_integral_v<T>) {
    return fields_detail::integer_from_json(json, value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) return make_error(ErrorCode::kInvalidFile, "expected a number");
    value = json.get<T>();
    return {};
  } else {
    static_assert(fields_detail::IsVector<T>::value);
    return fields_detail::array_from_json(json, value);
  }
}

}  // namespace lacuna
