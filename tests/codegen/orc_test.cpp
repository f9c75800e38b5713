// SPDX-License-Identifier: Apache-2.0
//
// The objects are ordinary ELF: LLVM's ORC loads the same bytes, and its kernel and ours give the same bits. ORC lives
// here and not in the product because the runtime must load cached kernels without LLVM; one loader serves all.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "runtime/bsr_structure.h"
#include "runtime/mask.h"
#include "targets/host.h"
#include "targets/target.h"
#include "templates/abi.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"

namespace lacuna {
namespace {

std::unique_ptr<llvm::orc::LLJIT> make_orc() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  return llvm::cantFail(llvm::orc::LLJITBuilder().create());
}

SparseKernel load_with_orc(llvm::orc::LLJIT& orc, const CompiledKernel& kernel) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(kernel.object.data()),
                              kernel.object.size());
  llvm::cantFail(orc.addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(bytes, kernel.name)));
  return llvm::cantFail(orc.lookup(kernel.name)).toPtr<SparseKernel>();
}

std::vector<float> multiply(SparseKernel kernel, const BsrStructure& s, std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(s.values_count()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.25F * static_cast<float>(i % 17) - 1.7F;
  std::vector<float> b(static_cast<std::size_t>(s.k * n));
  for (std::size_t i = 0; i < b.size(); ++i)
    b[i] = 0.1F * static_cast<float>(i % 23) - 1.1F;
  std::vector<float> c(static_cast<std::size_t>(s.m * n));
  std::vector<float> scratch(static_cast<std::size_t>(1) << 16);
  KernelArgs args{};
  args.values = values.data();
  args.ptr = s.by_row.ptr.data();
  args.origin = s.by_row.origin.data();
  args.b = b.data();
  args.c = c.data();
  args.scratch = scratch.data();
  args.ldb = args.ldc = n;
  args.rows_out = s.m;
  args.rows_in = s.k;
  args.panel_end = s.by_row.panels();
  args.n_end = n;
  kernel(&args);
  return c;
}

TEST(Orc, LoadsTheSameObjectsWithTheSameResults) {
  const Target target = describe_host().value().target;
  CodeGenerator* const generator = load_code_generator().value();
  const Mask mask = make_random_block_mask(96, 80, 8, 8, 0.4, 7).value();
  const BsrStructure structure = make_bsr_structure(mask, {8, 8}).value();
  const auto orc = make_orc();
  KernelSpec spec;
  spec.format = Bsr{8, 8};
  const auto schedules = enumerate_schedules(spec, target);
  for (std::size_t i = 0; i < schedules.size(); i += schedules.size() / 6 + 1) {
    spec.schedule = schedules[i];
    const CompiledKernel compiled = generator->compile(spec, target).value();
    const LoadedKernel ours = LoadedKernel::load(compiled).value();
    constexpr std::int64_t kColumns = 37;
    EXPECT_EQ(multiply(load_with_orc(*orc, compiled), structure, kColumns),
              multiply(reinterpret_cast<SparseKernel>(ours.address()), structure, kColumns))
        << compiled.name;
  }
}

}  // namespace
}  // namespace lacuna
