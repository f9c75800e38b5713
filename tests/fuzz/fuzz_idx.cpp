// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "runtime/trainer/idx_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

// The bytes are an IDX file, plain or gzip: an array of the declared size, or an error that names the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto array = lacuna::trainer::parse_idx(std::as_bytes(std::span(data, size)), "f.idx");
  if (!array) {
    require(array.error().message.starts_with("f.idx: "));
    return 0;
  }
  std::size_t elements = 1;
  for (const std::int64_t extent : array->sizes)
    elements *= static_cast<std::size_t>(extent);
  require(!array->sizes.empty() && array->sizes.size() <= 4 && array->values.size() == elements);
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  using namespace std::string_literals;
  // Three labels; two images of 2 x 2; three labels made by gzip -n.
  return {"\0\0\x08\x01\0\0\0\x03\x01\x02\x03"s,
          "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02"
          "abcdefgh"s,
          "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x63\x60\xe0\x60\x64\x60"
          "\x60\x60\x66\x64\x62\x06\x00\x8b\xe5\xbd\xa4\x0b\x00\x00\x00"s};
}
