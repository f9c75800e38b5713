// SPDX-License-Identifier: Apache-2.0
//
// Structure: where the stored elements of A are, in any format; no values (those are the caller's buffers). A closed
// set, as Format is: what differs by format is behind the functions here.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <variant>
#include <vector>

#include "runtime/baked_structure.h"
#include "runtime/bsr_structure.h"
#include "runtime/jam_structure.h"
#include "runtime/mask.h"
#include "runtime/nm_structure.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/registry.h"

namespace lacuna {

using Structure = std::variant<BsrStructure, JamStructure, NmStructure, BakedStructure>;

// Block and row counts beyond the matrix are clamped. Errors: those of make_*_structure.
[[nodiscard]] Result<Structure> make_structure(const Mask& mask, const Format& format);

[[nodiscard]] Format format_of(const Structure& s);  // as clamped
[[nodiscard]] std::int64_t values_count(const Structure& s);
// What spmm_transposed by block columns walks: of jammed rows and baked panels there are none before. The mask must be
// the one that the structure was made of. Errors: those of make_structure; kInvalidArgument for fewer columns than a
// panel of jammed rows has; kIo without memory.
[[nodiscard]] Result<> add_block_columns(const Mask& mask, Structure& s);
// Block rows for kBlockColumns too where a format has no other index.
[[nodiscard]] const PanelIndex& panel_index(const Structure& s, PanelDirection direction);

// values <- dense (row-major, a[i*lda + j]) at the stored weights, as elements of `type`: nearest_element (elements.h).
// Elements inside a block but outside the mask are copied as they are; what a format stores beyond that becomes zero.
void pack_values(const Structure& s, const float* dense, std::int64_t lda, DType type,
                 void* values);
// dense <- values at the stored weights, zero elsewhere.
void unpack_values(const Structure& s, DType type, const void* values, float* dense,
                   std::int64_t lda);
// The same with a dense matrix of `dense_type`: f32, or that of the values.
void pack_elements(const Structure& s, DType dense_type, const void* dense, std::int64_t lda,
                   DType type, void* values);
void unpack_elements(const Structure& s, DType type, const void* values, DType dense_type,
                     void* dense, std::int64_t lda);
// Sets stored elements that stand for no weight to zero (after sddmm).
void clear_unowned(const Structure& s, DType type, void* values);
// True if every stored element is in the mask, whose sizes must be the structure's.
[[nodiscard]] bool is_exact(const Structure& s, const Mask& mask);

// Calls visit(row, column, index of the value) for each stored element of A, padding of blocks included (of N:M what
// fills up is not), in the order of the values.
using WeightVisit = std::function<void(std::int64_t row, std::int64_t col, std::int64_t index)>;
void for_each_weight(const Structure& s, const WeightVisit& visit);

// What a format stores of a mask.
struct StoredCounts {
  std::int64_t blocks = 0;   // jammed rows, baked panels: columns of panels; N:M: groups of panels
  std::int64_t weights = 0;  // padding included
  std::int64_t blocks_by_column = 0;  // as in BlockCounts (registry.h); 0 where not counted
};
// What make_structure would store for each of the formats, which must not exceed the matrix, without making it; in
// their order. blocks_by_column are counted where one of the problems may walk them: they take a pass more.
[[nodiscard]] std::vector<StoredCounts> count_stored(const Mask& mask,
                                                     std::span<const Format> formats,
                                                     bool by_column = false);

}  // namespace lacuna
