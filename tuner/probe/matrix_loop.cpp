// SPDX-License-Identifier: Apache-2.0
//
// The matrix unit's peak (AMX): products of whole tiles, as loops.h declares them.
#include <array>
#include <cstdint>
#include <optional>

#include "targets/target.h"
#include "tuner/probe/loops.h"

namespace lacuna {
namespace {

// Palette 1, eight tiles of 16 rows of 64 bytes (Intel SDM, vol. 1, 18.3).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// bf16 numbers in [1, 2), which are ordinary bytes too: zeros would draw less power than real data.
struct alignas(64) Tile {
  std::array<std::uint16_t, 512> halves{};
};

constexpr Tile make_tile() {
  Tile tile;
  std::uint32_t state = 1;
  for (std::uint16_t& half : tile.halves) {
    state = state * 1664525U + 1013904223U;
    half = static_cast<std::uint16_t>(0x3f80U | (state >> 25));
  }
  return tile;
}

constexpr TileConfig kConfig;
constexpr Tile kTile = make_tile();

// Four sums: one product takes 16 cycles, its latency is 52.
#define LACUNA_MATRIX_LOOP(name, product)                                                       \
  void name(std::int64_t steps) {                                                               \
    if (steps <= 0) return;                                                                     \
    const std::int64_t row_bytes = 64;                                                          \
    __asm__ volatile(                                                                           \
        "ldtilecfg (%[config])\n\t"                                                             \
        "tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"          \
        "tileloadd (%[tile],%[row_bytes],1), %%tmm4\n\t"                                        \
        "tileloadd (%[tile],%[row_bytes],1), %%tmm5\n\t"                                        \
        ".p2align 5\n"                                                                          \
        "1:\n\t" product " %%tmm5, %%tmm4, %%tmm0\n\t" product                                  \
        " %%tmm5, %%tmm4, %%tmm1\n\t" product " %%tmm5, %%tmm4, %%tmm2\n\t" product             \
        " %%tmm5, %%tmm4, %%tmm3\n\t"                                                           \
        "dec %[steps]\n\t"                                                                      \
        "jnz 1b\n\t"                                                                            \
        "tilerelease"                                                                           \
        : [steps] "+r"(steps)                                                                   \
        : [config] "r"(&kConfig), [tile] "r"(&kTile), [row_bytes] "r"(row_bytes), "m"(kConfig), \
          "m"(kTile)                                                                            \
        : "cc");                                                                                \
  }

LACUNA_MATRIX_LOOP(run_matrix_bf16, "tdpbf16ps")
LACUNA_MATRIX_LOOP(run_matrix_int8, "tdpbssd")

// Of one step: four products of 16 rows, 16 columns and 64 bytes of k.
constexpr double work_of_step(int elements_of_k) {
  return 4.0 * 16 * 16 * elements_of_k * 2;
}

}  // namespace

std::optional<RegisterLoop> make_matrix_bf16_loop(const Target& target) {
  if (!target.has_feature("amx-tile") || !target.has_feature("amx-bf16")) return std::nullopt;
  return RegisterLoop{
      .run = run_matrix_bf16, .work_per_step = work_of_step(32), .instruction = "bf16 TDPBF16PS"};
}

std::optional<RegisterLoop> make_matrix_int8_loop(const Target& target) {
  if (!target.has_feature("amx-tile") || !target.has_feature("amx-int8")) return std::nullopt;
  return RegisterLoop{
      .run = run_matrix_int8, .work_per_step = work_of_step(64), .instruction = "byte TDPBSSD"};
}

RegisterLoop make_peak_loop(ElementTypes types, const Target& target) {
  const RegisterLoop f32 = make_fma_f32_loop(target);
  if (group_elements(types) == 1) return f32;
  const bool bytes = are_integers(types);
  if (const auto matrix = bytes ? make_matrix_int8_loop(target) : make_matrix_bf16_loop(target))
    return *matrix;
  return (bytes ? make_dot_int8_loop(target) : make_dot_bf16_loop(target)).value_or(f32);
}

}  // namespace lacuna
