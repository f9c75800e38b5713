// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "tuner/cli/verbs.h"

namespace lacuna::cli {

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
