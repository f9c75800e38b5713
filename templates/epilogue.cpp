// SPDX-License-Identifier: Apache-2.0
#include "templates/epilogue.h"

#include <fmt/format.h>
#include <string>
#include <string_view>

#include "targets/base/dtype.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "templates/activation.h"
#include "templates/element_types.h"

namespace lacuna {
namespace {

// The longest name but "none" that `text` ends with, cut off with `before` in front of it.
template <NamedEnum E>
E cut_name(std::string_view& text, std::string_view before) {
  E found{};
  std::string_view rest = text;
  for (const auto& [value, name] : EnumNames<E>::kNames) {
    std::string_view shorter = text;
    if (value == E::kNone || !cut_suffix(shorter, fmt::format("{}{}", before, name))) continue;
    if (shorter.size() > rest.size()) continue;
    found = value;
    rest = shorter;
  }
  text = rest;
  return found;
}

template <NamedEnum E>
std::string names_of_parts() {
  std::string names;
  for (const auto& [part, name] : EnumNames<E>::kNames)
    if (part != E::kNone) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  return names;
}

}  // namespace

std::string activation_names() {
  return names_of_parts<Activation>();
}

std::string to_text(const Epilogue& epilogue) {
  std::string text;
  const auto append = [&](bool present, std::string_view prefix, std::string_view name) {
    if (present) text += fmt::format("{}{}{}", text.empty() ? "" : "_", prefix, name);
  };
  append(epilogue.scale != Scale::kNone, "", to_text(epilogue.scale));
  append(epilogue.bias, "", "bias");
  append(epilogue.activation != Activation::kNone, epilogue.derivative ? "d" : "",
         to_text(epilogue.activation));
  append(epilogue.glu, "", "glu");
  append(epilogue.gate, "", "gate");
  append(epilogue.residual, "", "residual");
  return text.empty() ? "none" : text;
}

Epilogue cut_epilogue(std::string_view& text) {
  Epilogue epilogue;
  epilogue.residual = cut_suffix(text, "_residual");
  epilogue.gate = cut_suffix(text, "_gate");
  epilogue.glu = cut_suffix(text, "_glu");
  epilogue.activation = cut_name<Activation>(text, "_");
  if (epilogue.activation == Activation::kNone) {
    epilogue.activation = cut_name<Activation>(text, "_d");
    epilogue.derivative = epilogue.activation != Activation::kNone;
  }
  epilogue.bias = cut_suffix(text, "_bias");
  epilogue.scale = cut_name<Scale>(text, "_");
  return epilogue;
}

Result<Epilogue> parse_epilogue(std::string_view text) {
  if (text == "none") return Epilogue{};
  const std::string with_separator = fmt::format("_{}", text);
  std::string_view rest = with_separator;
  const Epilogue epilogue = cut_epilogue(rest);
  if (rest.empty() && !epilogue.is_none()) return epilogue;
  return make_error(ErrorCode::kInvalidArgument,
                    "'{}' is not none, nor parts in this order, joined by _: one of {}, bias, one "
                    "of {} (with a d before it its derivative), glu or gate, residual",
                    text, names_of_parts<Scale>(), activation_names());
}

Result<Epilogue> Epilogue::from_text(std::string_view text) {
  return parse_epilogue(text);
}

Result<> check_epilogue(const Epilogue& epilogue, ElementTypes types) {
  LACUNA_TRY_VOID(check_known("scale", epilogue.scale));
  LACUNA_TRY_VOID(check_known("activation", epilogue.activation));
  if (epilogue.derivative && epilogue.activation == Activation::kNone)
    return make_error(ErrorCode::kInvalidArgument, "a derivative needs an activation");
  if (epilogue.glu && (epilogue.gate || epilogue.derivative))
    return make_error(
        ErrorCode::kInvalidArgument,
        "glu does not go with {}: it multiplies the activation by rows of the product",
        epilogue.gate ? "gate" : "a derivative");
  if (operand_types(types).result == DType::kS32 && !epilogue.is_none())
    return make_error(ErrorCode::kInvalidArgument, "{} takes no epilogue, not {}: results are sums",
                      to_text(types), to_text(epilogue));
  return {};
}

}  // namespace lacuna
