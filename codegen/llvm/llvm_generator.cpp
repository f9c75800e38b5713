// SPDX-License-Identifier: Apache-2.0
//
// The LLVM code generator: template -> IR -> object. Built as a plugin whose only symbols are the two C functions
// at the end.
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <llvm/Config/llvm-config.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "codegen/llvm/emit.h"
#include "codegen/llvm/emitter_pool.h"
#include "codegen/llvm/listing.h"
#include "codegen/llvm/pattern_object.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "templates/llvm/kernel_module.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"

namespace lacuna {

namespace {

void initialize_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    // Passes that cost compile time and do nothing for these kernels. The templates emit pointers in the form they want:
    // loop strength reduction only re-derives them (6 %). They emit masks as masks: no general registers wait to become
    // such (2 %). After register allocation, a list scheduler reorders what cores with out-of-order windows of hundreds
    // of instructions reorder themselves (8 %).
    const auto options =
        std::to_array<const char*>({"lacuna", "-disable-lsr", "-disable-x86-domain-reassignment",
                                    "-post-RA-scheduler=false", "-x86-asm-syntax=intel"});
    llvm::cl::ParseCommandLineOptions(static_cast<int>(options.size()), options.data());
  });
}

std::string print(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

class LlvmGenerator : public CodeGenerator {
 public:
  Result<CompiledKernel> compile(const KernelSpec& spec, const Target& target) override {
    LACUNA_TRY(auto object, run(spec, target, EmitKind::kObject));
    const std::string name = kernel_name(spec, target.name);
    if (object.may_spill_vectors) {
      LACUNA_TRY(const auto text, run(spec, target, EmitKind::kAssembly));
      const AssemblyFacts facts = read_assembly(as_text(text));
      if (facts.spilled_vectors_in_loops > 0)
        return make_error(ErrorCode::kCompile, "{} spills {} vector registers in an inner loop",
                          name, facts.spilled_vectors_in_loops);
    }
    if (static_cast<std::int64_t>(object.bytes.size()) > target.code_limit_bytes)
      return make_error(ErrorCode::kCompile, "{} has {} bytes, the limit of {} is {}", name,
                        object.bytes.size(), target.name, target.code_limit_bytes);
    return CompiledKernel{name, std::move(object.bytes)};
  }

  Result<KernelListing> list(const KernelSpec& spec, const Target& target) override {
    const auto start = std::chrono::steady_clock::now();
    LACUNA_TRY(auto object, run(spec, target, EmitKind::kObject));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    LACUNA_TRY(const auto text, run(spec, target, EmitKind::kAssembly));
    KernelListing listing;
    listing.kernel = {kernel_name(spec, target.name), std::move(object.bytes)};
    llvm::LLVMContext context;
    LACUNA_TRY(const auto module, lower(context, spec, target));
    listing.ir = print(*module);
    listing.assembly = as_text(text);
    const AssemblyFacts facts = read_assembly(listing.assembly);
    listing.spilled_vectors_in_loops = facts.spilled_vectors_in_loops;
    listing.spills_in_loops = facts.spills_in_loops;
    listing.vector_registers_used = facts.vector_registers_used;
    listing.compile_seconds = elapsed.count();
    return listing;
  }

  Result<CompiledKernel> compile(const Pattern& pattern, const Target& target) override {
    LACUNA_TRY(const auto machine, make_machine_for(pattern, target));
    std::string name = pattern_name(pattern, target.name);
    LACUNA_TRY(auto object, make_pattern_object(*machine, pattern, name));
    return CompiledKernel{std::move(name), std::move(object)};
  }

  Result<std::string> list(const Pattern& pattern, std::int64_t panel,
                           const Target& target) override {
    LACUNA_TRY(const auto machine, make_machine_for(pattern, target));
    return list_panel(*machine, pattern, panel);
  }

  [[nodiscard]] std::string version() const override { return "LLVM " LLVM_VERSION_STRING; }

 private:
  // After the pattern is checked against what its code may take.
  static Result<std::unique_ptr<llvm::TargetMachine>> make_machine_for(const Pattern& pattern,
                                                                       const Target& target) {
    LACUNA_TRY_VOID(check_bakes(Op::kSpmm, ElementTypes::kF32, target));
    LACUNA_TRY_VOID(check_pattern_bytes(pattern.format, counts_of(pattern)));
    return make_target_machine(target);
  }

  static std::string as_text(const Emission& emission) {
    return {reinterpret_cast<const char*>(emission.bytes.data()), emission.bytes.size()};
  }

  Result<Emission> run(const KernelSpec& spec, const Target& target, EmitKind kind) {
    llvm::LLVMContext context;
    context.setDiscardValueNames(true);
    LACUNA_TRY(const auto module, lower(context, spec, target));
#ifndef NDEBUG
    std::string message;
    llvm::raw_string_ostream stream(message);
    if (llvm::verifyModule(*module, &stream))
      return make_error(ErrorCode::kInternal, "invalid IR for {}: {}",
                        kernel_name(spec, target.name), message);
#endif
    return emitters_.emit(*module, target, kind);
  }

  EmitterPool emitters_;
};

}  // namespace

}  // namespace lacuna

extern "C" __attribute__((visibility("default"))) const char* lacuna_codegen_plugin_version() {
  return LACUNA_VERSION;
}

// The caller owns the generator.
extern "C" __attribute__((visibility("default"))) lacuna::CodeGenerator*
lacuna_codegen_plugin_create() {
  lacuna::initialize_llvm();
  return new lacuna::LlvmGenerator();
}
