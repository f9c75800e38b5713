// SPDX-License-Identifier: Apache-2.0
//
// The loops whose rate is the machine's: arithmetic on registers only, dependent adds, streams of loads and
// stores. Written in assembly, so that a loop is the same under every compiler and optimisation level (a
// compiler may spill or fuse accumulators, and a debug build certainly does).
// A loop executes only instructions of the width and features that it was asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "targets/target.h"
#include "templates/element_types.h"

namespace lacuna {

// One step runs a few dozen instructions; `work_per_step` are its operations (see each maker).
struct RegisterLoop {
  void (*run)(std::int64_t steps) = nullptr;
  double work_per_step = 0;
  const char* instruction = "";  // whose rate it measures, with the type of elements: "f32 FMA"
};

// f32 fused multiply-adds on 14 independent accumulators (enough for latency 6 at two a cycle), at the target's
// vector width; work in flop (2 per lane).
[[nodiscard]] RegisterLoop make_fma_f32_loop(const Target& target);
// vdpbf16ps; work in flop (4 per 32-bit lane). Nullopt if the target has no such instruction.
[[nodiscard]] std::optional<RegisterLoop> make_dot_bf16_loop(const Target& target);
// vpdpbusd; work in operations (8 per 32-bit lane). Nullopt if the target has no such instruction.
[[nodiscard]] std::optional<RegisterLoop> make_dot_int8_loop(const Target& target);
// Products of whole tiles on the matrix unit; work in flop or operations. Nullopt if the target has none.
[[nodiscard]] std::optional<RegisterLoop> make_matrix_bf16_loop(const Target& target);
[[nodiscard]] std::optional<RegisterLoop> make_matrix_int8_loop(const Target& target);
// The peak of the elements' multiplication: by the matrix unit, else by their instruction, else f32's.
[[nodiscard]] RegisterLoop make_peak_loop(ElementTypes types, const Target& target);
// A chain of register-to-register adds, one a cycle on every x86-64; work in cycles.
[[nodiscard]] RegisterLoop make_dependent_add_loop();

// Reads or writes all of a buffer once per pass, in order, with full vectors.
// `bytes` is a positive multiple of kStreamGranuleBytes and `buffer` 64-byte aligned.
using StreamLoop = void (*)(std::byte* buffer, std::int64_t bytes, std::int64_t passes);
inline constexpr std::int64_t kStreamGranuleBytes = 1024;
[[nodiscard]] StreamLoop make_read_loop(const Target& target);
[[nodiscard]] StreamLoop make_write_loop(const Target& target);

}  // namespace lacuna
