// SPDX-License-Identifier: Apache-2.0
//
// 128-bit content hashes (XXH3): cache keys, mask digests, fingerprints. Not cryptographic.
// The digest is the same on every little-endian machine and run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace lacuna {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Hash128&) const = default;
};

// 32 lower-case hexadecimal digits.
[[nodiscard]] std::string to_text(const Hash128& hash);

[[nodiscard]] Hash128 hash_bytes(std::span<const std::byte> bytes);
[[nodiscard]] inline Hash128 hash_bytes(std::string_view text) {
  return hash_bytes(std::as_bytes(std::span(text.data(), text.size())));
}

// Streams values into one hash. Strings are length-prefixed, so ("ab","c") differs from ("a","bc").
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void append(std::span<const std::byte> bytes);
  void append(std::string_view text);
  template <class T>
    requires std::is_arithmetic_v<T>
  void append_scalar(T value) {
    append(std::as_bytes(std::span(&value, 1)));
  }
  [[nodiscard]] Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lacuna
