// SPDX-License-Identifier: Apache-2.0
//
// KernelBuilder on weights that are indices into a codebook (element_types.h). A weight that is broadcast is one load
// more, of the entry, which lies in L1: with several vectors a weight it hides behind their FMAs. Vectors of indices are
// permuted where the codebook fills one or two registers (VPERMPS, VPERMI2PS), and gathered from it where it is larger.
#include <cstdint>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "templates/element_types.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/registry.h"

namespace lacuna {

using llvm::Value;

Value* KernelBuilder::broadcast_weight(Value* pointer) {
  if (!has_codebook(spec_.types)) return broadcast(pointer);
  Value* const index =
      ir_.CreateZExt(ir_.CreateLoad(ir_.getInt8Ty(), pointer), ir_.getInt64Ty(), "index");
  return broadcast(at(args_.codebook, mul(index, i64(4))));
}

Value* KernelBuilder::load_weights(Value* pointer) {
  if (!has_codebook(spec_.types)) return load(pointer);
  return look_up(ir_.CreateZExt(load_narrow(pointer, 8, nullptr), integers(32, lanes_)));
}

// The permutes look at the low bits of an index only, of which there are no others.
Value* KernelBuilder::look_up(Value* indices) {
  Value* const codebook = args_.codebook;
  const bool permutes = permutes_codebook(spec_, lanes_);
  if (permutes && codebook_entries(spec_.types) == lanes_)
    return ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_sf_512, {},
                               {load(codebook), indices});
  if (permutes)
    return ir_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_ps_512, {},
                               {load(codebook), indices, load(at(codebook, vector_bytes()))});
  auto* const all = llvm::Constant::getAllOnesValue(integers(1, lanes_));
  Value* const entries = ir_.CreateGEP(ir_.getFloatTy(), codebook, indices);
  return ir_.CreateMaskedGather(vector_type_, entries, llvm::Align(4), all, zero());
}

}  // namespace lacuna
