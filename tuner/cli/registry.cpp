// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "tuner/cli/verbs.h"

namespace lacuna::cli {
namespace {

constexpr auto kVerbs = {&add_probe_verb,    &add_tune_verb,    &add_explain_verb, &add_bench_verb,
                         &add_generate_verb, &add_inspect_verb, &add_train_verb,   &add_demo_verb,
                         &add_prune_verb,    &add_records_verb, &add_doctor_verb};

}  // namespace

void add_all_verbs(Registry& registry) {
  for (const auto add_verb : kVerbs)
    add_verb(registry);
}

CLI::App& Registry::add(Verb verb) {
  CLI::App* const sub = app_.add_subcommand(verb.name, verb.summary);
  sub->footer("Example:\n" + verb.example);
  sub->add_flag("--json", json_, "print one JSON document instead of text");
  sub->callback([this, name = verb.name, action = std::move(verb.action)] {
    chosen_name_ = name;
    chosen_ = action;
  });
  return *sub;
}

}  // namespace lacuna::cli
