// SPDX-License-Identifier: Apache-2.0
//
// HugeBuffer: memory for bandwidth measurements, 2 MiB aligned, on huge pages where the system has them
// (with 4 KiB pages the result would be that of the page walker), every page touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "targets/base/result.h"

namespace lacuna {

class HugeBuffer {
 public:
  // Errors: kUnsupported, when there is no memory of that size.
  [[nodiscard]] static Result<HugeBuffer> allocate(std::int64_t bytes);

  HugeBuffer() = default;
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  ~HugeBuffer();

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace lacuna
