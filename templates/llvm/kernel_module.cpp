// SPDX-License-Identifier: Apache-2.0
#include "templates/llvm/kernel_module.h"

#include <memory>

#include <llvm/IR/Module.h>

#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/llvm/bodies.h"
#include "templates/llvm/kernel_builder.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

Result<std::unique_ptr<llvm::Module>> lower(llvm::LLVMContext& context, const KernelSpec& spec,
                                            const Target& target) {
  LACUNA_TRY_VOID(check_schedule(spec, target));
  auto module = std::make_unique<llvm::Module>(kernel_name(spec, target.name), context);
  KernelBuilder builder(*module, spec, target);
  switch (spec.schedule.strategy) {
    case Strategy::kRowTile:
      emit_row_tile(builder);
      break;
    case Strategy::kScatter:
      emit_scatter(builder);
      break;
    case Strategy::kColumnTile:
      emit_column_tile(builder);
      break;
    case Strategy::kMatrixTile:
      emit_matrix_tile(builder);
      break;
    case Strategy::kSddmmTile:
      if (std::holds_alternative<Jam>(spec.format))
        emit_jam_sddmm(builder);
      else
        emit_sddmm_tile(builder);
      break;
    case Strategy::kPermute:
      emit_permute(builder);
      break;
    case Strategy::kInnerTile:
      emit_sddmm_inner(builder);
      break;
    case Strategy::kStream:
      emit_stream(builder);
      break;
  }
  builder.finish();
  return module;
}

}  // namespace lacuna
