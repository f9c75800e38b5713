// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/assembly.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace lacuna::cli {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kClassByPrefix = {{
    {"vfmadd", "fma"},
    {"vfnmadd", "fma"},
    {"vbroadcast", "broadcast"},
    {"vpbroadcast", "broadcast"},
    {"vperm", "shuffle"},
    {"vunpck", "shuffle"},
    {"vshuf", "shuffle"},
    {"vinsert", "shuffle"},
    {"vextract", "shuffle"},
    {"prefetch", "prefetch"},
    {"k", "mask"},
    {"j", "branch"},
}};

// A move is a load, a store or a copy, by which operand is in memory: Intel syntax writes the destination first.
std::string_view class_of_move(std::string_view operands) {
  const auto bracket = operands.find('[');
  if (bracket == std::string_view::npos) return "vector copy";
  return bracket < operands.find(',') ? "vector store" : "vector load";
}

std::string_view class_of(std::string_view mnemonic, std::string_view operands) {
  if (mnemonic.starts_with("vmov") || mnemonic.starts_with("vmaskmov"))
    return class_of_move(operands);
  for (const auto& [prefix, name] : kClassByPrefix)
    if (mnemonic.starts_with(prefix)) {
      const bool folded = name == "fma" && operands.find("{1to") != std::string_view::npos;
      return folded ? "fma with broadcast" : name;
    }
  return mnemonic.starts_with("v") ? "other vector" : "scalar";
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

}  // namespace

InstructionMix count_instructions(std::string_view assembly) {
  InstructionMix mix;
  while (!assembly.empty()) {
    const auto end = assembly.find('\n');
    std::string_view line = assembly.substr(0, end);
    assembly.remove_prefix(end == std::string_view::npos ? assembly.size() : end + 1);
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty() || line.front() == '.' || line.find(':') != std::string_view::npos) continue;
    const auto space = line.find_first_of(" \t");
    const std::string_view mnemonic = line.substr(0, space);
    const std::string_view operands =
        space == std::string_view::npos ? "" : trimmed(line.substr(space));
    ++mix.instructions;
    ++mix.by_mnemonic[std::string(mnemonic)];
    ++mix.by_class[std::string(class_of(mnemonic, operands))];
  }
  return mix;
}

}  // namespace lacuna::cli
