// SPDX-License-Identifier: Apache-2.0
#include "codegen/llvm/emit.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <llvm/IR/DiagnosticHandler.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/target.h"

namespace lacuna {

namespace {

// "..., Type: Spill, Align: 64, Size: 64": a slot of the stack frame that holds a spilled vector.
bool names_vector_slot(llvm::StringRef remark) {
  for (llvm::StringRef rest = remark; !rest.empty();) {
    const auto [slot, after] = rest.split("Offset:");
    rest = after;
    unsigned bytes = 0;
    constexpr unsigned kLeastVectorBytes = 16;
    if (slot.contains("Type: Spill") && !slot.split("Size: ").second.consumeInteger(10, bytes) &&
        bytes >= kLeastVectorBytes)
      return true;
  }
  return false;
}

// Collects errors, the register allocator's "spills generated in loop" remarks, and the layout of the stack frame.
struct Diagnostics : llvm::DiagnosticHandler {
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    if (info.getSeverity() == llvm::DS_Error) error += text;
    if (info.getKind() == llvm::DK_MachineOptimizationRemarkMissed &&
        text.find("in loop") != std::string::npos)
      spills_in_loops = true;
    if (info.getKind() == llvm::DK_MachineOptimizationRemarkAnalysis && names_vector_slot(text))
      spills_vectors = true;
    return true;
  }
  bool isMissedOptRemarkEnabled(llvm::StringRef pass) const override { return pass == "regalloc"; }
  bool isAnalysisRemarkEnabled(llvm::StringRef pass) const override {
    return pass == "stack-frame-layout";
  }
  bool isAnyRemarkEnabled() const override { return true; }

  std::string error;
  bool spills_in_loops = false;
  bool spills_vectors = false;
};

const char* triple_of(Isa isa) {
  return isa == Isa::kAarch64 ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu";
}

}  // namespace

Result<std::unique_ptr<llvm::TargetMachine>> make_target_machine(const Target& target) {
  std::string message;
  const llvm::Target* const backend =
      llvm::TargetRegistry::lookupTarget(triple_of(target.isa), message);
  if (target.isa == Isa::kCuda || backend == nullptr)
    return make_error(ErrorCode::kUnsupported, "this code generator has no back end for {} ({})",
                      target.name, to_text(target.isa));
  // Asked before the machine is made: LLVM prints to stderr where it does not know the name, and goes on.
  const std::unique_ptr<llvm::MCSubtargetInfo> names(
      backend->createMCSubtargetInfo(triple_of(target.isa), "", ""));
  if (names == nullptr || !names->isCPUStringValid(target.llvm_cpu))
    return make_error(ErrorCode::kUnsupported, "LLVM does not know the cpu '{}' of target {}",
                      target.llvm_cpu, target.name);
  std::string features;
  for (const auto& feature : target.features)
    features += (features.empty() ? "+" : ",+") + feature;
  llvm::TargetOptions options;
  options.FloatABIType = llvm::FloatABI::Hard;
  options.MCOptions.AsmVerbose = true;  // listing.h reads the comments
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(
      triple_of(target.isa), target.llvm_cpu, features, options, llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (machine == nullptr)
    return make_error(ErrorCode::kUnsupported, "LLVM makes no code for the cpu '{}' of target {}",
                      target.llvm_cpu, target.name);
  return machine;
}

// Members are destroyed from the last to the first: the passes before what they write to.
struct Emitter::Passes {
  std::unique_ptr<llvm::TargetMachine> machine;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream{bytes};
  llvm::legacy::PassManager manager;
};

Emitter::Emitter(std::unique_ptr<Passes> passes) : passes_(std::move(passes)) {}

Emitter::~Emitter() = default;

Result<std::unique_ptr<Emitter>> Emitter::make(const Target& target, EmitKind kind) {
  auto passes = std::make_unique<Passes>();
  LACUNA_TRY(passes->machine, make_target_machine(target));
  const auto type = kind == EmitKind::kObject ? llvm::CodeGenFileType::ObjectFile
                                              : llvm::CodeGenFileType::AssemblyFile;
  if (passes->machine->addPassesToEmitFile(passes->manager, passes->stream, nullptr, type))
    return make_error(ErrorCode::kCompile, "LLVM cannot emit this kind of file for the target");
  return std::unique_ptr<Emitter>(new Emitter(std::move(passes)));
}

Result<Emission> Emitter::emit(llvm::Module& module) {
  auto handler = std::make_unique<Diagnostics>();
  const Diagnostics* const diagnostics = handler.get();
  module.getContext().setDiagnosticHandler(std::move(handler));
  module.setTargetTriple(passes_->machine->getTargetTriple().str());
  module.setDataLayout(passes_->machine->createDataLayout());

  llvm::SmallVector<char, 0>& bytes = passes_->bytes;
  bytes.clear();  // and with it the stream's position, from which an object's offsets count
  passes_->manager.run(module);
  if (!diagnostics->error.empty())
    return make_error(ErrorCode::kCompile, "LLVM: {}", diagnostics->error);

  Emission emission;
  const auto* const data = reinterpret_cast<const std::byte*>(bytes.data());
  emission.bytes.assign(data, data + bytes.size());
  emission.may_spill_vectors = diagnostics->spills_in_loops && diagnostics->spills_vectors;
  return emission;
}

}  // namespace lacuna
