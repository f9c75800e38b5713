// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/recipe.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "targets/base/fields.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

Result<> check_same_run(const Recipe& before, const Recipe& recipe) {
  Recipe comparable = before;  // what may change takes the new value
  comparable.name = recipe.name;
  comparable.epochs = recipe.epochs;
  comparable.checkpoint_every = recipe.checkpoint_every;
  comparable.data = recipe.data;
  const nlohmann::json was = to_json_value(comparable).flatten();
  const nlohmann::json now = to_json_value(recipe).flatten();
  for (const auto& [key, value] : now.items()) {
    const auto old = was.find(key);
    if (old == was.end() || *old != value)
      return make_error(ErrorCode::kInvalidArgument,
                        "the checkpoint is of another run: {} was {}, the recipe says {}",
                        key.substr(1), old == was.end() ? "absent" : old->dump(), value.dump());
  }
  if (was.size() != now.size())
    return make_error(ErrorCode::kInvalidArgument,
                      "the checkpoint is of another run: it has {} layers, not {}",
                      before.layers.size(), recipe.layers.size());
  return {};
}

}  // namespace lacuna::trainer
