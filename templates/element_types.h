// SPDX-License-Identifier: Apache-2.0
//
// ElementTypes: the types of a problem's operands. A closed set of combinations; the table element_types.inc is the
// only list of them.
//
// bf16: products and sums are of f32. Values stored in pairs (format.h) are multiplied in pairs: where the target has
// VDPBF16PS it is used: denormal inputs and sums count as zero, as do results that round to denormals, and the two
// products of a pair are added with one rounding each (Intel SDM, vol. 2, VDPBF16PS; the matrix unit's TDPBF16PS does the
// same); elsewhere inputs are widened and f32 FMAs do the rest. Values stored one by one are *widened*: operands become
// f32 when they are packed, weights too, and the kernel in between is that of f32. Which is faster depends on the
// target: VDPBF16PS may run at a quarter of the rate of FMAs (Pipes::dot_bf16_per_cycle).
// Results of bf16 are rounded to nearest, ties to even; a NaN stays a NaN.
//
// Integers (spmm and spmm_transposed): products and sums are exact, of 32 bits with wrap-around; the result is the sum as f32 on its way
// through the epilogue, where scales give it its size, or, with results of s32, the sum as it is, and no epilogue. Named by weights, dense operand and result: s8u8f32 has signed
// weights, unsigned activations and f32 results. VPDPBUSD multiplies unsigned by signed bytes; signed activations are
// shifted by 128 when they are packed, and 128 times the sum of a row's weights is taken off. The matrix unit multiplies
// all of them as they are. Both take bytes stored in fours, spmm only. Bytes stored one by one are widened to words of 16
// bits, one in each lane of 32: VPDPWSSD multiplies and adds them where VPDPBUSD is there too, else VPMADDWD and an
// addition; any block, any mask, any K, on AVX2 and AVX-512BW.
//
// Codebooks (spmm and spmm_transposed; a gradient has none, but f32's sddmm shares such a plan): c4f32 to c8f32 have
// weights of 4 to 8 bits, unsigned indices into a table of 2^b numbers of f32 that comes with each call; dense operand and
// result are f32. (Han et al., "Deep Compression", ICLR 2016.) Each index takes a byte, of 4 bits as well: halves of a
// byte would have to be told apart once more for every product, and the column of a block begins at any of them. Index 0
// stands for no weight, so that padding and edge blocks are zeros as elsewhere: entry 0 of a codebook is 0. Weights are
// looked up in registers or L1 right before they are multiplied, and results are those of the f32 kernel of the same
// schedule, bit by bit.
//
// Narrow elements are multiplied in *groups* of 32 bits along the reduced dimension: pairs of bf16, four bytes. A kernel is then the
// f32 kernel with another multiply-add, and a group takes an element's place everywhere between loads and stores.
// Reduced dimensions are then whole groups; where K (for spmm_transposed of bf16 also M) is no multiple, elements are
// widened. N need not be whole groups.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "targets/base/dtype.h"
#include "targets/base/fields.h"

namespace lacuna {

enum class ElementTypes : std::uint8_t {
#define LACUNA_ELEMENT_TYPES(enumerator, name, weights, dense, result, accumulator, codebook_bits) \
  enumerator,
#include "templates/element_types.inc"
#undef LACUNA_ELEMENT_TYPES
};

template <>
struct EnumNames<ElementTypes> {
  static constexpr std::array kNames = {
#define LACUNA_ELEMENT_TYPES(enumerator, name, weights, dense, result, accumulator, codebook_bits) \
  std::pair{ElementTypes::enumerator, std::string_view(#name)},
#include "templates/element_types.inc"
#undef LACUNA_ELEMENT_TYPES
  };
};

struct OperandTypes {
  DType weights, dense, result, accumulator;
  int codebook_bits;
};

[[nodiscard]] constexpr OperandTypes operand_types(ElementTypes types) {
  constexpr std::array kTable = {
#define LACUNA_ELEMENT_TYPES(enumerator, name, weights, dense, result, accumulator, codebook_bits) \
  OperandTypes{weights, dense, result, accumulator, codebook_bits},
#include "templates/element_types.inc"
#undef LACUNA_ELEMENT_TYPES
  };
  return kTable[static_cast<std::size_t>(types)];
}

[[nodiscard]] constexpr bool are_integers(ElementTypes types) {
  return operand_types(types).accumulator == DType::kS32;
}

[[nodiscard]] constexpr bool has_codebook(ElementTypes types) {
  return operand_types(types).codebook_bits != 0;
}
[[nodiscard]] constexpr std::int32_t codebook_entries(ElementTypes types) {
  return has_codebook(types) ? 1 << operand_types(types).codebook_bits : 0;
}

// Elements of a group of 32 bits: 1 for f32, 2 for bf16, 4 for bytes.
[[nodiscard]] constexpr std::int32_t group_elements(ElementTypes types) {
  return 4 / size_bytes(operand_types(types).dense);
}

}  // namespace lacuna
