// SPDX-License-Identifier: Apache-2.0
//
// What adapter modules share: turning a C++ class into a RivalVariant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "tests/bench/rivals/rival_case.h"

#define LACUNA_RIVAL_EXPORT extern "C" __attribute__((visibility("default")))

namespace lacuna {

// Prepared(const RivalCase&) throws where the rival has nothing for the case: what() is the reason. Prepared::run().
template <class Prepared>
RivalVariant make_variant(const char* name, bool dense) {
  RivalVariant variant{};
  variant.name = name;
  variant.dense = dense ? 1 : 0;
  variant.prepare = [](const RivalCase* product, char* reason, std::size_t bytes) -> void* {
    try {
      return new Prepared(*product);
    } catch (const std::exception& error) {
      const std::size_t length = std::min(std::strlen(error.what()), bytes);
      std::memcpy(reason, error.what(), length);
      return nullptr;
    }
  };
  variant.run = [](void* prepared) { static_cast<Prepared*>(prepared)->run(); };
  variant.release = [](void* prepared) { delete static_cast<Prepared*>(prepared); };
  return variant;
}

}  // namespace lacuna
