// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/loops.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "targets/target.h"

namespace lacuna {
namespace {

// Operands of all arithmetic loops: every 16-bit half is a bf16 in [1, 2), which also makes finite f32 in
// [1, 2) and ordinary bytes. Zeros would be as fast, but draw less power than real data.
struct alignas(64) Operands {
  std::array<std::uint16_t, 64> halves{};
};

constexpr Operands make_operands() {
  Operands operands;
  std::uint32_t state = 1;
  for (std::uint16_t& half : operands.halves) {
    state = state * 1664525U + 1013904223U;
    half = static_cast<std::uint16_t>(0x3f80U | (state >> 25));
  }
  return operands;
}

constexpr Operands kOperands = make_operands();

constexpr int kAccumulators = 14;  // registers 0-13; 14 and 15 hold the operands
constexpr int kUnroll = 4;

// An instruction on each accumulator: `op v14, v15, v<i>`.
#define LACUNA_OP(op, v, i) op " %%" v "14, %%" v "15, %%" v #i "\n\t"
// clang-format breaks these lists at another place each time it runs.
// clang-format off
#define LACUNA_OP_ALL(op, v)                                                              \
  LACUNA_OP(op, v, 0) LACUNA_OP(op, v, 1) LACUNA_OP(op, v, 2) LACUNA_OP(op, v, 3)         \
  LACUNA_OP(op, v, 4) LACUNA_OP(op, v, 5) LACUNA_OP(op, v, 6) LACUNA_OP(op, v, 7)         \
  LACUNA_OP(op, v, 8) LACUNA_OP(op, v, 9) LACUNA_OP(op, v, 10) LACUNA_OP(op, v, 11)       \
  LACUNA_OP(op, v, 12) LACUNA_OP(op, v, 13)
#define LACUNA_ZERO(i) "vxorps %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define LACUNA_ZERO_ALL                                                                   \
  LACUNA_ZERO(0) LACUNA_ZERO(1) LACUNA_ZERO(2) LACUNA_ZERO(3) LACUNA_ZERO(4)              \
  LACUNA_ZERO(5) LACUNA_ZERO(6) LACUNA_ZERO(7) LACUNA_ZERO(8) LACUNA_ZERO(9)              \
  LACUNA_ZERO(10) LACUNA_ZERO(11) LACUNA_ZERO(12) LACUNA_ZERO(13)
// clang-format on
#define LACUNA_VECTOR_CLOBBERS                                                             \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// Registers 16-31 stay unused: compilers accept them as clobbers only in AVX-512 functions. vzeroupper
// leaves the state that compiled code around expects.
#define LACUNA_ARITHMETIC_LOOP(name, op, v)                                                     \
  void name(std::int64_t steps) {                                                               \
    if (steps <= 0) return;                                                                     \
    __asm__ volatile(LACUNA_ZERO_ALL                                                          \
                     "vmovups (%[data]), %%" v "14\n\t"                                       \
                     "vmovups 64(%[data]), %%" v "15\n\t"                                     \
                     ".p2align 5\n"                                                           \
                     "1:\n\t"                                                                 \
                     LACUNA_OP_ALL(op, v) LACUNA_OP_ALL(op, v)                                \
                     LACUNA_OP_ALL(op, v) LACUNA_OP_ALL(op, v)                                \
                     "dec %[steps]\n\t"                                                       \
                     "jnz 1b\n\t"                                                             \
                     "vzeroupper"                                                             \
                     : [steps] "+r"(steps)                                                    \
                     : [data] "r"(kOperands.halves.data()), "m"(kOperands)                    \
                     : "cc", LACUNA_VECTOR_CLOBBERS); \
  }

// clang-format off
LACUNA_ARITHMETIC_LOOP(run_fma_f32_ymm, "vfmadd231ps", "ymm")
LACUNA_ARITHMETIC_LOOP(run_fma_f32_zmm, "vfmadd231ps", "zmm")
LACUNA_ARITHMETIC_LOOP(run_dot_bf16_zmm, "vdpbf16ps", "zmm")
LACUNA_ARITHMETIC_LOOP(run_dot_int8_ymm, "%{vex%} vpdpbusd", "ymm")
LACUNA_ARITHMETIC_LOOP(run_dot_int8_zmm, "vpdpbusd", "zmm")
// clang-format on

double work_per_step(std::int32_t vector_bits, int operations_per_lane) {
  const int lanes = vector_bits / 32;
  return double{kAccumulators} * kUnroll * lanes * operations_per_lane;
}

constexpr int kAddsPerStep = 32;

#define LACUNA_ADD4 \
  "add %[one], %[sum]\n\tadd %[one], %[sum]\n\tadd %[one], %[sum]\n\tadd %[one], %[sum]\n\t"

// A register operand, not an immediate: some cores resolve adds of small immediates at renaming.
void run_dependent_adds(std::int64_t steps) {
  if (steps <= 0) return;
  std::int64_t sum = 0;  // NOLINT(misc-const-correctness): the check does not see the asm's write
  const std::int64_t one = 1;
  __asm__ volatile(
      ".p2align 5\n"
      "1:\n\t"
      // clang-format off
      LACUNA_ADD4 LACUNA_ADD4 LACUNA_ADD4 LACUNA_ADD4
      LACUNA_ADD4 LACUNA_ADD4 LACUNA_ADD4 LACUNA_ADD4
      // clang-format on
      "dec %[steps]\n\t"
      "jnz 1b"
      : [sum] "+r"(sum), [steps] "+r"(steps)
      : [one] "r"(one)
      : "cc");
}

#define LACUNA_LOAD(v, offset) "vmovups " #offset "(%[p]), %%" v "0\n\t"
#define LACUNA_STORE(v, offset) "vmovups %%" v "0, " #offset "(%[p])\n\t"
#define LACUNA_STREAM_512(access, v)                                                            \
  access(v, 0) access(v, 64) access(v, 128) access(v, 192) access(v, 256) access(v, 320)        \
      access(v, 384) access(v, 448) access(v, 512) access(v, 576) access(v, 640) access(v, 704) \
          access(v, 768) access(v, 832) access(v, 896) access(v, 960)
#define LACUNA_STREAM_256(access, v)                                                            \
  LACUNA_STREAM_512(access, v)                                                                  \
  access(v, 32) access(v, 96) access(v, 160) access(v, 224) access(v, 288) access(v, 352)       \
      access(v, 416) access(v, 480) access(v, 544) access(v, 608) access(v, 672) access(v, 736) \
          access(v, 800) access(v, 864) access(v, 928) access(v, 992)

#define LACUNA_STREAM_LOOP(name, accesses)                                \
  void name(std::byte* buffer, std::int64_t bytes, std::int64_t passes) { \
    for (std::int64_t pass = 0; pass < passes; ++pass) {                  \
      std::byte* p = buffer;                                              \
      std::byte* const end = buffer + bytes;                              \
      __asm__ volatile(                                                   \
          "vxorps %%xmm0, %%xmm0, %%xmm0\n\t"                             \
          ".p2align 5\n"                                                  \
          "1:\n\t" accesses                                               \
          "add $1024, %[p]\n\t"                                           \
          "cmp %[end], %[p]\n\t"                                          \
          "jb 1b\n\t"                                                     \
          "vzeroupper"                                                    \
          : [p] "+r"(p)                                                   \
          : [end] "r"(end)                                                \
          : "cc", "memory", LACUNA_VECTOR_CLOBBERS);                      \
    }                                                                     \
  }

// clang-format off
LACUNA_STREAM_LOOP(run_read_ymm, LACUNA_STREAM_256(LACUNA_LOAD, "ymm"))
LACUNA_STREAM_LOOP(run_read_zmm, LACUNA_STREAM_512(LACUNA_LOAD, "zmm"))
LACUNA_STREAM_LOOP(run_write_ymm, LACUNA_STREAM_256(LACUNA_STORE, "ymm"))
LACUNA_STREAM_LOOP(run_write_zmm, LACUNA_STREAM_512(LACUNA_STORE, "zmm"))
// clang-format on

bool is_wide(const Target& target) {
  return target.vector_bits == 512;
}

}  // namespace

RegisterLoop make_fma_f32_loop(const Target& target) {
  return {.run = is_wide(target) ? run_fma_f32_zmm : run_fma_f32_ymm,
          .work_per_step = work_per_step(target.vector_bits, 2),
          .instruction = "f32 FMA"};
}

std::optional<RegisterLoop> make_dot_bf16_loop(const Target& target) {
  if (!is_wide(target) || !target.has_feature("avx512bf16")) return std::nullopt;
  return RegisterLoop{.run = run_dot_bf16_zmm,
                      .work_per_step = work_per_step(512, 4),
                      .instruction = "bf16 VDPBF16PS"};
}

std::optional<RegisterLoop> make_dot_int8_loop(const Target& target) {
  if (is_wide(target) && target.has_feature("avx512vnni"))
    return RegisterLoop{.run = run_dot_int8_zmm,
                        .work_per_step = work_per_step(512, 8),
                        .instruction = "byte VPDPBUSD"};
  if (target.has_feature("avxvnni"))
    return RegisterLoop{.run = run_dot_int8_ymm,
                        .work_per_step = work_per_step(256, 8),
                        .instruction = "byte VPDPBUSD"};
  return std::nullopt;
}

RegisterLoop make_dependent_add_loop() {
  return {.run = run_dependent_adds, .work_per_step = kAddsPerStep, .instruction = "add"};
}

StreamLoop make_read_loop(const Target& target) {
  return is_wide(target) ? run_read_zmm : run_read_ymm;
}

StreamLoop make_write_loop(const Target& target) {
  return is_wide(target) ? run_write_zmm : run_write_ymm;
}

}  // namespace lacuna
