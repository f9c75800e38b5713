// SPDX-License-Identifier: Apache-2.0
//
// The verbs of the `lacuna` command: one file a verb, one line in kVerbs (main.cpp) to add one.
//
// A verb registers its options on a subcommand and, when chosen, runs and returns a Result. It prints results on
// stdout (text, or one JSON document with --json) through Output, everything else on stderr. The exit code
// follows from the error's code (exit_code.h); README.md lists the codes.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>

#include "targets/base/result.h"
#include "tuner/cli/output.h"

namespace lacuna::cli {

// What every verb gets.
struct Context {
  Output output;
  // Set by SIGINT and SIGTERM (interrupt.h). Long work polls it, keeps what it has, and returns; main then exits
  // with 130.
  const std::atomic<bool>* stop = nullptr;
};

// The chosen verb's work. Set by the verb's `add_..._verb` through CLI11's callback, run by main after parsing.
using VerbAction = std::function<Result<>(Context&)>;

// Each adds its subcommand to `app` and stores its work in `action` when the subcommand is chosen.
void add_bench_verb(CLI::App& app, VerbAction& action);
void add_doctor_verb(CLI::App& app, VerbAction& action);
void add_explain_verb(CLI::App& app, VerbAction& action);
void add_generate_verb(CLI::App& app, VerbAction& action);
void add_inspect_verb(CLI::App& app, VerbAction& action);
void add_probe_verb(CLI::App& app, VerbAction& action);
void add_records_verb(CLI::App& app, VerbAction& action);
void add_train_verb(CLI::App& app, VerbAction& action);
void add_tune_verb(CLI::App& app, VerbAction& action);

}  // namespace lacuna::cli
