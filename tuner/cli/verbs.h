// SPDX-License-Identifier: Apache-2.0
//
// The verbs of the `lacuna` command: one file a verb, and one line in registry.cpp's table to add one.
//
// A verb registers its options on a subcommand of its own; its action runs when the subcommand was chosen and all
// options parsed. Results go to stdout through Output (text, or one JSON document with --json), everything else to
// stderr. An action never exits: the exit status follows from its error's code (exit_code in output.h).
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>
#include <string>

#include "targets/base/result.h"
#include "tuner/cli/output.h"

namespace lacuna::cli {

// What an action gets.
struct Context {
  Output output;
  // Turns true at the first SIGINT or SIGTERM. Long work polls it, keeps and stores what it has, and returns an error
  // of code kInterrupted (exit status 130). A second signal kills the process.
  const std::atomic<bool>* stop = nullptr;
};

using VerbAction = std::function<Result<>(Context&)>;

struct Verb {
  std::string name;
  std::string summary;  // one line
  std::string example;  // command lines, shown under --help
  VerbAction action;
};

// Collects the verbs on CLI11's App and remembers which one was chosen.
class Registry {
 public:
  explicit Registry(CLI::App& app) : app_(app) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adds the subcommand, with --json and the example; the caller adds further options to the result. Options must be
  // bound to storage that the action owns (a shared_ptr captured by both).
  CLI::App& add(Verb verb);

  [[nodiscard]] const VerbAction& chosen() const { return chosen_; }
  [[nodiscard]] const std::string& chosen_name() const { return chosen_name_; }
  [[nodiscard]] bool json() const { return json_; }

 private:
  CLI::App& app_;
  VerbAction chosen_;
  std::string chosen_name_;
  bool json_ = false;
};

// Every verb, in the order of --help.
void add_all_verbs(Registry& registry);

void add_bench_verb(Registry& registry);
void add_demo_verb(Registry& registry);
void add_doctor_verb(Registry& registry);
void add_explain_verb(Registry& registry);
void add_generate_verb(Registry& registry);
void add_inspect_verb(Registry& registry);
void add_probe_verb(Registry& registry);
void add_prune_verb(Registry& registry);
void add_records_verb(Registry& registry);
void add_train_verb(Registry& registry);
void add_tune_verb(Registry& registry);

}  // namespace lacuna::cli
