// SPDX-License-Identifier: Apache-2.0
//
// GuardedArray: numbers beside a page that must not be touched. Sanitizers cannot see generated code; the memory
// management unit can. The bytes between the numbers and the other page hold canaries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace lacuna::test {

// Which guard page the buffer touches: kEnd catches overruns, kStart catches reads before the beginning.
enum class Side : std::uint8_t { kStart, kEnd };

template <class T>
class GuardedArray {
 public:
  // `alignment` in bytes, of the first number: sizeof(T) puts the last one right before the guard page; a larger one
  // leaves up to alignment - 1 bytes of canaries there.
  GuardedArray(std::int64_t count, Side side, std::size_t alignment = sizeof(T))
      : count_(static_cast<std::size_t>(count)),
        page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    const std::size_t bytes = count_ * sizeof(T);
    inner_bytes_ = (bytes + page_ - 1) / page_ * page_ + page_;
    void* const mapping =
        mmap(nullptr, inner_bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(mapping, MAP_FAILED);
    mapping_ = static_cast<std::byte*>(mapping);
    EXPECT_EQ(mprotect(inner(), inner_bytes_, PROT_READ | PROT_WRITE), 0);
    const std::size_t offset =
        side == Side::kStart ? 0 : (inner_bytes_ - bytes) / alignment * alignment;
    std::memset(inner(), kCanary, inner_bytes_);
    data_ = inner() + offset;
  }
  GuardedArray(const std::vector<T>& numbers, Side side)
      : GuardedArray(static_cast<std::int64_t>(numbers.size()), side) {
    std::ranges::copy(numbers, data());
  }
  ~GuardedArray() { munmap(mapping_, inner_bytes_ + 2 * page_); }
  GuardedArray(const GuardedArray&) = delete;
  GuardedArray& operator=(const GuardedArray&) = delete;

  [[nodiscard]] T* data() { return reinterpret_cast<T*>(data_); }
  [[nodiscard]] const T* data() const { return reinterpret_cast<const T*>(data_); }
  [[nodiscard]] std::span<T> numbers() { return {data(), count_}; }

  // Whether the bytes around the numbers are as they were.
  [[nodiscard]] bool canaries_alive() const {
    const std::byte* const end = data_ + count_ * sizeof(T);
    for (const std::byte* p = mapping_ + page_; p != mapping_ + page_ + inner_bytes_; ++p)
      if ((p < data_ || p >= end) && *p != std::byte{kCanary}) return false;
    return true;
  }

 private:
  static constexpr unsigned char kCanary = 0xA5;
  [[nodiscard]] std::byte* inner() { return mapping_ + page_; }

  std::size_t count_ = 0, page_ = 0, inner_bytes_ = 0;
  std::byte* mapping_ = nullptr;
  std::byte* data_ = nullptr;
};

using GuardedBuffer = GuardedArray<float>;

}  // namespace lacuna::test
