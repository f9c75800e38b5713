// SPDX-License-Identifier: Apache-2.0
//
// CodeGenerator: the interface of the code-generator plugin, and its loader.
//
// The LLVM plugin (liblacuna_codegen_llvm.so) links LLVM statically with hidden symbols, so that a process that
// holds another LLVM is safe. It is loaded at the first kernel that no cache has; a process whose kernels are all
// cached or bundled never loads it and needs no LLVM.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "codegen/kernel.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"

namespace lacuna {

// Everything a person wants to see of one kernel.
struct KernelListing {
  CompiledKernel kernel;
  std::string ir;                             // LLVM IR as the template made it
  std::string assembly;                       // Intel syntax
  std::int32_t spilled_vectors_in_loops = 0;  // vector spills and reloads inside innermost loops
  std::int32_t spills_in_loops = 0;           // of any register
  std::int32_t vector_registers_used = 0;
  double compile_seconds = 0;
};

class CodeGenerator {
 public:
  virtual ~CodeGenerator() = default;
  // Makes the object. Errors: kCompile (also when a vector register is spilled inside an innermost loop, or the object
  // exceeds the target's code limit), kInvalidArgument (illegal schedule), kUnsupported (no such target).
  // Thread-safe.
  [[nodiscard]] virtual Result<CompiledKernel> compile(const KernelSpec& spec,
                                                       const Target& target) = 0;
  // Compiles with all texts; does not reject spills.
  [[nodiscard]] virtual Result<KernelListing> list(const KernelSpec& spec,
                                                   const Target& target) = 0;
  // The code of baked panels. Errors: kUnsupported (check_pattern_bytes(), check_bakes()), kCompile.
  [[nodiscard]] virtual Result<CompiledKernel> compile(const Pattern& pattern,
                                                       const Target& target) = 0;
  // Assembly of one panel of it, Intel syntax.
  [[nodiscard]] virtual Result<std::string> list(const Pattern& pattern, std::int64_t panel,
                                                 const Target& target) = 0;
  // "LLVM 19.1.7"; part of the cache key.
  [[nodiscard]] virtual std::string version() const = 0;
};

// The key of a kernel in the object cache: name, target code properties, abi and template version, compiler.
// Does not need the plugin: `compiler_version` is the one this build was made with (kCompilerVersion).
[[nodiscard]] Hash128 kernel_key(const KernelSpec& spec, const Target& target);

// The same of a pattern's code, whose name has the digest of the mask.
[[nodiscard]] Hash128 pattern_key(const std::string& pattern_name, const Target& target);

// Loads the plugin: $LACUNA_CODEGEN_PLUGIN, else beside the running library, else in lib/lacuna/ next to it.
// Once per process; later calls return the same object. Thread-safe.
// Errors: kUnsupported with what to install: "no code generator: liblacuna_codegen_llvm.so not found in ...;
// install the lacuna-codegen-llvm component, or run `lacuna generate` on a machine that has it".
[[nodiscard]] Result<CodeGenerator*> load_code_generator();

// The plugin exports these two C functions.
inline constexpr const char* kPluginVersionSymbol =
    "lacuna_codegen_plugin_version";  // const char*()
inline constexpr const char* kPluginCreateSymbol =
    "lacuna_codegen_plugin_create";  // CodeGenerator*()

}  // namespace lacuna
