// SPDX-License-Identifier: Apache-2.0
#include "codegen/llvm/listing.h"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace lacuna {

namespace {

bool contains(std::string_view line, std::string_view word) {
  return line.find(word) != std::string_view::npos;
}

// The loop header named in "in Loop: Header=BB0_3 Depth=2"; empty if none.
std::string_view loop_header_in(std::string_view line) {
  const std::string_view mark = "Header=";
  const auto at = line.find(mark);
  if (at == std::string_view::npos) return {};
  const auto begin = at + mark.size();
  return line.substr(begin, line.find(' ', begin) - begin);
}

// Marks xmm3 / ymm3 / zmm3 (x86) and v3 / z3 (Arm) as register 3.
void note_vector_registers(std::string_view line, std::bitset<32>& used) {
  for (std::size_t i = 0; i + 3 < line.size(); ++i) {
    const bool x86 =
        line.substr(i + 1, 2) == "mm" && (line[i] == 'x' || line[i] == 'y' || line[i] == 'z');
    if (!x86) continue;
    std::size_t number = 0;
    std::size_t j = i + 3;
    for (; j < line.size() && line[j] >= '0' && line[j] <= '9'; ++j)
      number = number * 10 + static_cast<std::size_t>(line[j] - '0');
    if (j > i + 3 && number < used.size()) used.set(number);
  }
}

template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    visit(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
}

// Labels of innermost loops' headers, without the leading ".L": "BB0_3".
std::set<std::string, std::less<>> innermost_headers(std::string_view assembly) {
  std::set<std::string, std::less<>> headers;
  std::string label;
  for_each_line(assembly, [&](std::string_view line) {
    if (line.starts_with(".LBB")) label = std::string(line.substr(2, line.find(':') - 2));
    if (contains(line, "This Inner Loop Header")) headers.insert(label);
  });
  return headers;
}

}  // namespace

AssemblyFacts read_assembly(std::string_view assembly) {
  const auto headers = innermost_headers(assembly);
  AssemblyFacts facts;
  std::bitset<32> used;
  bool innermost = false;
  for_each_line(assembly, [&](std::string_view line) {
    const bool block_start = line.starts_with(".LBB") || line.starts_with("# %bb");
    if (block_start) innermost = contains(line, "This Inner Loop Header");
    if (contains(line, "This Inner Loop Header")) innermost = true;
    if (contains(line, "in Loop:")) innermost = headers.contains(loop_header_in(line));
    note_vector_registers(line, used);
    // "64-byte Spill", "64-byte Folded Spill", "64-byte Reload", ...
    if (!innermost || !(contains(line, " Spill") || contains(line, " Reload"))) return;
    ++facts.spills_in_loops;
    if (contains(line, "16-byte") || contains(line, "32-byte") || contains(line, "64-byte"))
      ++facts.spilled_vectors_in_loops;
  });
  facts.vector_registers_used = static_cast<std::int32_t>(used.count());
  return facts;
}

}  // namespace lacuna
