// SPDX-License-Identifier: Apache-2.0
#include "targets/base/hash.h"

#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <xxhash.h>

#include "targets/base/result.h"

namespace lacuna {

std::string to_text(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

Hash128 hash_bytes(std::span<const std::byte> bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return {h.high64, h.low64};
}

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  LACUNA_CHECK(state_->xxh != nullptr && XXH3_128bits_reset(state_->xxh) == XXH_OK);
}

Hasher::~Hasher() {
  XXH3_freeState(state_->xxh);
}

void Hasher::append(std::span<const std::byte> bytes) {
  LACUNA_CHECK(XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()) == XXH_OK);
}

void Hasher::append(std::string_view text) {
  append_scalar(static_cast<std::uint64_t>(text.size()));
  append(std::as_bytes(std::span(text.data(), text.size())));
}

Hash128 Hasher::digest() const {
  const XXH128_hash_t h = XXH3_128bits_digest(state_->xxh);
  return {h.high64, h.low64};
}

}  // namespace lacuna
