// SPDX-License-Identifier: Apache-2.0
//
// The C ABI (lacuna.h): masks.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <tl/expected.hpp>
#include <utility>

#include "lacuna/lacuna.h"
#include "runtime/c_api_support.h"
#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/nm_pattern.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

Result<std::unique_ptr<lacuna_mask>> wrap(Result<Mask> mask) {
  if (!mask) return tl::unexpected<Error>(std::move(mask).error());
  return std::make_unique<lacuna_mask>(lacuna_mask{std::move(*mask)});
}

Result<NmPattern> read_pattern(const lacuna_n_of_m* given) {
  LACUNA_TRY_VOID(require(given, "pattern"));
  LACUNA_TRY(const lacuna_n_of_m pattern, read_struct(given, "pattern"));
  LACUNA_TRY_VOID(require_in(pattern.reserved, 0, 0, "reserved"));
  return NmPattern{.n = pattern.n, .m = pattern.m, .v = pattern.v == 0 ? 1 : pattern.v};
}

}  // namespace
}  // namespace lacuna

using lacuna::guarded;
using lacuna::make_handle;

lacuna_status lacuna_mask_from_dense(int64_t m, int64_t k, const float* a, int64_t lda,
                                     lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY(const std::size_t extent, lacuna::extent_of(m, k, lda));
    if (extent != 0) LACUNA_TRY_VOID(lacuna::require(a, "a"));
    return lacuna::wrap(lacuna::Mask::from_dense(m, k, {a, extent}, lda));
  });
}

lacuna_status lacuna_mask_from_csr(int64_t m, int64_t k, const int64_t* row_ptr,
                                   const int64_t* col_idx, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require_in(m, 0, lacuna::kMaxMaskDim, "m"));
    LACUNA_TRY_VOID(lacuna::require(row_ptr, "row_ptr"));
    const std::span pointers(row_ptr, static_cast<std::size_t>(m) + 1);
    LACUNA_TRY_VOID(lacuna::require_in(pointers.back(), 0, std::int64_t{1} << 60, "row_ptr[m]"));
    if (pointers.back() != 0) LACUNA_TRY_VOID(lacuna::require(col_idx, "col_idx"));
    return lacuna::wrap(lacuna::Mask::from_csr(
        m, k, pointers, {col_idx, static_cast<std::size_t>(pointers.back())}));
  });
}

lacuna_status lacuna_mask_from_blocks(int64_t m, int64_t k, int32_t r, int32_t c,
                                      const uint8_t* flags, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require_in(m, 0, lacuna::kMaxMaskDim, "m"));
    LACUNA_TRY_VOID(lacuna::require_in(k, 0, lacuna::kMaxMaskDim, "k"));
    LACUNA_TRY_VOID(lacuna::require_in(r, 1, lacuna::kMaxMaskDim, "r"));
    LACUNA_TRY_VOID(lacuna::require_in(c, 1, lacuna::kMaxMaskDim, "c"));
    const auto count = static_cast<std::size_t>((m + r - 1) / r * ((k + c - 1) / c));
    if (count != 0) LACUNA_TRY_VOID(lacuna::require(flags, "flags"));
    return lacuna::wrap(lacuna::Mask::from_blocks(m, k, r, c, {flags, count}));
  });
}

lacuna_status lacuna_mask_load(const char* path, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY_VOID(lacuna::require(path, "path"));
    return lacuna::wrap(lacuna::load_mask(path));
  });
}

lacuna_status lacuna_mask_prune_n_of_m(int64_t m, int64_t k, const float* a, int64_t lda,
                                       const lacuna_n_of_m* pattern, lacuna_mask** out) {
  return make_handle(out, [&]() -> lacuna::Result<std::unique_ptr<lacuna_mask>> {
    LACUNA_TRY(const std::size_t extent, lacuna::extent_of(m, k, lda));
    if (extent != 0) LACUNA_TRY_VOID(lacuna::require(a, "a"));
    LACUNA_TRY(const lacuna::NmPattern checked, lacuna::read_pattern(pattern));
    return lacuna::wrap(lacuna::prune_to_n_of_m({a, extent}, m, k, lda, checked));
  });
}

lacuna_status lacuna_mask_check_n_of_m(const lacuna_mask* mask, const lacuna_n_of_m* pattern) {
  return guarded([&]() -> lacuna::Result<> {
    LACUNA_TRY_VOID(lacuna::require(mask, "mask"));
    LACUNA_TRY(const lacuna::NmPattern checked, lacuna::read_pattern(pattern));
    return lacuna::check_conforms(mask->mask, checked);
  });
}

void lacuna_mask_destroy(lacuna_mask* mask) {
  delete mask;
}
int64_t lacuna_mask_rows(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.m();
}
int64_t lacuna_mask_columns(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.k();
}
int64_t lacuna_mask_nnz(const lacuna_mask* mask) {
  return mask == nullptr ? 0 : mask->mask.nnz();
}
