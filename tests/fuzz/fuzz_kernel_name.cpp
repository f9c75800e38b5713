// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "templates/kernel_spec.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

// The bytes are a kernel name: an error with a message, or a spec that prints as the same name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  const auto parsed = lacuna::parse_kernel_name(name);
  if (parsed)
    require(lacuna::kernel_name(parsed->spec, parsed->target_name) == name);
  else
    require(!parsed.error().message.empty());
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {"spmm_bsr32x1_f32_brow_crow_zen4_row_mr8nv3ku4_po_bias_relu",
          "spmm_transposed_bsr4x2_bf16_bcol_ccol_x86_64_v3_scatter_mr2nv1ku1_to_pack_bias_acc",
          "spmm_nm2of4_f32_bcol_crow_host_perm_mr1nv4ku2_po_pack_bias",
          "spmm_baked24_f32_brow_crow_zen4_row_mr24nv1ku1_po_bias_acc",
          "spmm_jam4_f32_brow_crow_zen4_row_mr4nv4ku1_to_pack",
          "sddmm_bsr16x16_f32_brow_ccol_host_dot_mr12nv2ku4_to_acc"};
}
