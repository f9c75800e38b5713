// SPDX-License-Identifier: Apache-2.0
//
// `lacuna inspect`: what a kernel is made of.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "tuner/cli/assembly.h"
#include "tuner/cli/kernel_choice.h"
#include "tuner/cli/output.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

struct InspectOptions {
  std::string kernel;
  std::string target;
  bool ir = false;
  bool summary = false;
};

Result<std::size_t> code_bytes_of(const CompiledKernel& kernel) {
  LACUNA_TRY(const LoadedKernel loaded, LoadedKernel::load(kernel));
  return loaded.code_bytes();
}

void print_summary(const Context& context, const KernelListing& listing, const InstructionMix& mix,
                   const Target& target, const Result<std::size_t>& code) {
  const auto& out = context.output;
  out.print(fmt::format("kernel     {}", listing.kernel.name));
  out.print(fmt::format("target     {} ({}, {}-bit vectors, {} registers)", target.name,
                        target.llvm_cpu, target.vector_bits, target.vector_registers));
  out.print(fmt::format("code       {} instructions, {}object {}, compiled in {}", mix.instructions,
                        code ? fmt::format("{}, ", bytes_text(static_cast<double>(*code))) : "",
                        bytes_text(static_cast<double>(listing.kernel.object.size())),
                        seconds_text(listing.compile_seconds)));
  out.print(fmt::format("registers  {} of {} vector registers", listing.vector_registers_used,
                        target.vector_registers));
  out.print(fmt::format("spills     {} in loops, {} of them vectors", listing.spills_in_loops,
                        listing.spilled_vectors_in_loops));
  std::vector<std::pair<std::int64_t, std::string>> classes;
  classes.reserve(mix.by_class.size());
  for (const auto& [name, count] : mix.by_class)
    classes.emplace_back(count, name);
  std::sort(classes.rbegin(), classes.rend());
  std::string line;
  for (const auto& [count, name] : classes)
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count, name);
  out.print("mix        " + line);
}

Result<> run_inspect(const InspectOptions& options, const Context& context) {
  LACUNA_TRY(const KernelChoice choice, choose_by_name(options.kernel, options.target));
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const KernelListing listing, generator->list(choice.spec, choice.target));
  const InstructionMix mix = count_instructions(listing.assembly);
  const auto code = code_bytes_of(listing.kernel);
  print_summary(context, listing, mix, choice.target, code);
  if (!options.summary) context.output.print("\n" + (options.ir ? listing.ir : listing.assembly));

  auto document = nlohmann::json::object();
  document["kernel"] = listing.kernel.name;
  document["target"] = choice.target.name;
  document["generator"] = generator->version();
  document["instructions"] = mix.instructions;
  document["mix"] = mix.by_class;
  document["mnemonics"] = mix.by_mnemonic;
  document["code_bytes"] = code ? nlohmann::json(*code) : nlohmann::json();
  document["object_bytes"] = listing.kernel.object.size();
  document["vector_registers_used"] = listing.vector_registers_used;
  document["spills_in_loops"] = listing.spills_in_loops;
  document["spilled_vectors_in_loops"] = listing.spilled_vectors_in_loops;
  document["compile_seconds"] = listing.compile_seconds;
  if (!options.summary) document["assembly"] = listing.assembly;
  if (options.ir) document["ir"] = listing.ir;
  context.output.print_json(document);
  return {};
}

}  // namespace

void add_inspect_verb(Registry& registry) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App& verb = registry.add({
      .name = "inspect",
      .summary = "show a kernel's assembly, registers, spills and instruction mix",
      .example = "  lacuna inspect spmm_bsr16x16_f32_brow_crow_zen4_row_mr8nv3ku4_po\n"
                 "  lacuna inspect spmm_bsr16x16_f32_brow_crow_host_row_mr8nv3ku4_po --summary",
      .action = [options](Context& context) { return run_inspect(*options, context); },
  });
  verb.add_option("KERNEL", options->kernel, "a kernel's canonical name (`lacuna generate --list`)")
      ->required();
  verb.add_option("--target", options->target, "machine (default: the one in the name)");
  verb.add_flag("--ir", options->ir, "LLVM IR instead of assembly");
  verb.add_flag("--summary", options->summary, "no listing");
}

}  // namespace lacuna::cli
