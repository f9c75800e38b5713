// SPDX-License-Identifier: Apache-2.0
//
// FloatBuffer: a vector of floats whose data starts on a cache line, as kernels like it.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace lacuna::trainer {

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor): allocators convert implicitly
  CacheLineAllocator(const CacheLineAllocator<U>& /*other*/) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* data, std::size_t /*count*/) { ::operator delete(data, kAlignment); }
  bool operator==(const CacheLineAllocator&) const = default;
};

using FloatBuffer = std::vector<float, CacheLineAllocator<float>>;

}  // namespace lacuna::trainer
