// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/huge_buffer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <utility>

#include "targets/base/result.h"

namespace lacuna {

Result<HugeBuffer> HugeBuffer::allocate(std::int64_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  HugeBuffer buffer;
  const auto wanted = static_cast<std::size_t>(bytes);
  buffer.mapping_bytes_ = (wanted + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
  void* const mapping = ::mmap(nullptr, buffer.mapping_bytes_, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return make_error(ErrorCode::kUnsupported, "no memory for a buffer of {} bytes", bytes);
  buffer.mapping_ = mapping;
  const std::size_t misalignment = reinterpret_cast<std::uintptr_t>(mapping) % kHugePage;
  buffer.data_ = static_cast<std::byte*>(mapping) + (kHugePage - misalignment) % kHugePage;
  // Refused where huge pages are switched off: the measurement is then of what programs get there.
  ::madvise(mapping, buffer.mapping_bytes_, MADV_HUGEPAGE);
  // Not zero: untouched pages all map one page of zeros.
  std::memset(buffer.data_, 1, wanted);
  return buffer;
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(other.mapping_bytes_),
      data_(std::exchange(other.data_, nullptr)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
}

}  // namespace lacuna
