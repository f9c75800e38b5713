// SPDX-License-Identifier: Apache-2.0
//
// The `lacuna` command: parses the command line, runs the chosen verb, turns its error into a message and an exit
// status.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <string>

#include "targets/base/result.h"
#include "tuner/cli/interrupt.h"
#include "tuner/cli/output.h"
#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

constexpr int kUsageError = 2;
constexpr int kInternalError = 1;

// What a person can do about an error of this kind.
std::string next_step(ErrorCode code, const std::string& verb) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
      return fmt::format("`lacuna {} --help` shows the options, their values and an example", verb);
    case ErrorCode::kInvalidFile:
      return "the file is damaged or of another kind; make it again, or check the path";
    case ErrorCode::kIo:
      return "check permissions and free space; LACUNA_HOME=DIR puts Lacuna's own files elsewhere";
    case ErrorCode::kUnsupported:
      return "`lacuna doctor` shows what this machine and installation can do";
    case ErrorCode::kCompile:
      return "`lacuna generate --list` shows the legal kernels; choose another schedule or format";
    case ErrorCode::kInterrupted:
      return "run the same command again to go on";
    case ErrorCode::kOk:
    case ErrorCode::kInternal:
      break;
  }
  return "this is a bug in Lacuna: please report it with the command line and `lacuna doctor "
         "--json`";
}

int report(const Error& error, const std::string& verb, const Context& context) {
  const auto message =
      fmt::format("lacuna: error: {}\nlacuna: {}\n", error.message, next_step(error.code, verb));
  std::fputs(message.c_str(), stderr);
  if (!context.output.printed_json())
    context.output.print_json(
        {{"error", {{"code", to_text(error.code)}, {"message", error.message}}}});
  return exit_code(error.code);
}

int run(int argc, char** argv) {
  CLI::App app("Lacuna: from a sparsity mask to the fastest kernel of this machine", "lacuna");
  app.set_version_flag("--version", LACUNA_VERSION);
  app.require_subcommand(1);
  app.footer("`lacuna VERB --help` shows a verb's options and an example.");
  Registry registry(app);
  add_all_verbs(registry);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  Context context;
  context.output.json = registry.json();
  context.stop = &catch_interrupts();
  if (auto status = registry.chosen()(context); !status)
    return report(status.error(), registry.chosen_name(), context);
  if (std::fflush(stdout) != 0)
    return report({ErrorCode::kIo, "cannot write the result to standard output"},
                  registry.chosen_name(), Context{});
  return 0;
}

}  // namespace
}  // namespace lacuna::cli

int main(int argc, char** argv) {
  try {
    return lacuna::cli::run(argc, argv);
  } catch (
      const std::exception& error) {  // CLI11 throws on wrong registrations; memory may run out
    std::fputs(fmt::format("lacuna: error: {}\n", error.what()).c_str(), stderr);
    return lacuna::cli::kInternalError;
  }
}
