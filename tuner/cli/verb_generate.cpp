// SPDX-License-Identifier: Apache-2.0
//
// `lacuna generate`: kernels as files (object, assembly, IR, C header), and ahead-of-time bundles.
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/cli/bundle.h"
#include "tuner/cli/kernel_choice.h"
#include "tuner/cli/kernel_header.h"
#include "tuner/cli/request.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

struct GenerateOptions {
  RequestOptions request;
  std::string target;
  std::string kernel;
  std::string schedule;
  std::string folder = ".";
  std::string bundle;
  bool list = false;
};

// The kernels the options mean; with a schedule only that one.
Result<std::vector<KernelChoice>> choose(const GenerateOptions& options) {
  std::vector<KernelChoice> choices;
  if (!options.kernel.empty()) {
    LACUNA_TRY(KernelChoice choice, choose_by_name(options.kernel, options.target));
    choices.push_back(std::move(choice));
    return choices;
  }
  LACUNA_TRY(choices, choose_by_options(options.request, options.target));
  if (options.schedule.empty()) return choices;
  auto schedule = parse_schedule(options.schedule);
  if (!schedule) return add_context("--schedule", std::move(schedule).error());
  KernelChoice pinned = choices.front();
  pinned.spec.schedule = *schedule;
  LACUNA_TRY_VOID(check_schedule(pinned.spec, pinned.target));
  return std::vector{std::move(pinned)};
}

Result<> print_list(const std::vector<KernelChoice>& choices, const Context& context) {
  auto document = nlohmann::json::array();
  for (const KernelChoice& choice : choices) {
    const std::string name = kernel_name(choice.spec, choice.target.name);
    context.output.print(name);
    document.push_back({{"kernel", name},
                        {"op", to_text(choice.spec.op)},
                        {"format", to_text(choice.spec.format)},
                        {"schedule", to_text(choice.spec.schedule)},
                        {"target", choice.target.name}});
  }
  context.output.print_json(document);
  return {};
}

Result<> write_kernel(const KernelChoice& choice, const GenerateOptions& options,
                      const Context& context) {
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  LACUNA_TRY(const KernelListing listing, generator->list(choice.spec, choice.target));
  const std::filesystem::path base = std::filesystem::path(options.folder) / listing.kernel.name;
  const auto with = [&](const char* extension) {
    return std::filesystem::path(base.string() + extension);
  };
  LACUNA_TRY_VOID(write_file_atomic(with(".o"), listing.kernel.object));
  LACUNA_TRY_VOID(write_file_atomic(with(".s"), listing.assembly));
  LACUNA_TRY_VOID(write_file_atomic(with(".ll"), listing.ir));
  LACUNA_TRY_VOID(write_file_atomic(with(".h"), kernel_header(choice)));
  auto files = nlohmann::json::array();
  for (const char* const extension : {".o", ".s", ".ll", ".h"}) {
    context.output.print(with(extension).string());
    files.push_back(with(extension).string());
  }
  if (listing.spilled_vectors_in_loops > 0)
    context.output.note(
        fmt::format("{} vector spills in loops: the runtime would reject this kernel",
                    listing.spilled_vectors_in_loops));
  context.output.print_json({{"kernel", listing.kernel.name},
                             {"target", choice.target.name},
                             {"files", files},
                             {"object_bytes", listing.kernel.object.size()},
                             {"compile_seconds", listing.compile_seconds}});
  return {};
}

Result<> make_bundle(const GenerateOptions& options, const Context& context) {
  LACUNA_TRY(const Session session, open_session(options.request.threads));
  const bool host = options.target.empty() || options.target == "host";
  Target target = session.engine->target();
  if (!host) {
    LACUNA_TRY(target, find_target(options.target));
  }
  LACUNA_TRY(const LoadedRequest loaded,
             make_request(options.request, target, session.engine->threads()));
  LACUNA_TRY(const auto paths,
             write_bundle(loaded.request, host ? session.engine->fingerprint() : std::string(),
                          options.bundle));
  auto files = nlohmann::json::array();
  for (const std::filesystem::path& path : paths) {
    context.output.print(path.string());
    files.push_back(path.string());
  }
  context.output.print(fmt::format(
      "use it with LACUNA_BUNDLE={} or lacuna_context_options.bundle_folder{}", options.bundle,
      host ? "" : fmt::format(", and lacuna_context_options.target \"{}\"", options.target)));
  context.output.print_json(
      {{"bundle", options.bundle}, {"target", target.name}, {"files", files}});
  return {};
}

Result<> run_generate(const GenerateOptions& options, const Context& context) {
  if (!options.bundle.empty()) return make_bundle(options, context);
  LACUNA_TRY(const auto choices, choose(options));
  if (options.list) return print_list(choices, context);
  return write_kernel(choices.front(), options, context);
}

}  // namespace

void add_generate_verb(Registry& registry) {
  const auto options = std::make_shared<GenerateOptions>();
  CLI::App& verb = registry.add({
      .name = "generate",
      .summary =
          "write a kernel's object, assembly, IR and C header, or a bundle of a mask's kernels",
      .example = "  lacuna generate --target zen4 --op spmm --format bsr16x16 --list\n"
                 "  lacuna generate --target zen4 --kernel "
                 "spmm_bsr16x16_f32_brow_crow_zen4_row_mr8nv3ku4_po -o out\n"
                 "  lacuna generate weights.npz --n 256 --target sapphire-rapids --bundle kernels",
      .action = [options](Context& context) { return run_generate(*options, context); },
  });
  add_request_options(verb, options->request);
  verb.add_option("--target", options->target, "machine: a name, a YAML file, or host (default)");
  verb.add_option("--kernel", options->kernel,
                  "a kernel's canonical name; replaces --op, --format and the rest");
  verb.add_option("--schedule", options->schedule,
                  "e.g. row_mr8nv3ku4_po (default: the first of --list)");
  verb.add_flag("--list", options->list,
                "print the names of all kernels for the options, and write nothing");
  verb.add_option("-o,--output", options->folder, "folder of the files")->capture_default_str();
  verb.add_option("--bundle", options->bundle,
                  "folder: compile every kernel that MASK's plan needs into it");
}

}  // namespace lacuna::cli
