// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/trainer/training_data.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "runtime/trainer/dataset.h"
#include "runtime/trainer/philox.h"

namespace lacuna::trainer {

TestFolder::TestFolder() {
  static std::atomic<int> count = 0;
  path_ = std::filesystem::temp_directory_path() /
          ("lacuna-trainer-test-" + std::to_string(getpid()) + "-" + std::to_string(count++));
  std::filesystem::create_directories(path_);
}

TestFolder::~TestFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

ImageSet make_images(std::int64_t count, std::int64_t features, std::uint64_t seed) {
  constexpr std::uint32_t kClasses = 4;
  const RandomStream stream{seed, RandomUse::kShuffle, 0};
  ImageSet set;
  set.count = count;
  set.features = features;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto first = static_cast<std::uint64_t>(i * (features + 1));
    const std::uint32_t label = stream.below(first, kClasses);
    set.labels.push_back(static_cast<std::uint8_t>(label));
    for (std::int64_t f = 0; f < features; ++f) {
      const std::uint32_t noise = stream.below(first + 1 + static_cast<std::uint64_t>(f), 128);
      const bool bright = f % kClasses == label;
      set.images.push_back(static_cast<std::uint8_t>(noise + (bright ? 64 : 0)));
    }
  }
  return set;
}

Dataset make_dataset(std::int64_t train, std::int64_t test, std::int64_t features) {
  Dataset data;
  data.train = make_images(train, features, 1);
  data.test = make_images(test, features, 2);
  set_normalisation(data);
  return data;
}

std::vector<std::byte> idx_bytes(const std::vector<std::uint32_t>& sizes,
                                 const std::vector<std::uint8_t>& values) {
  std::vector<std::byte> bytes = {std::byte{0}, std::byte{0}, std::byte{8},
                                  static_cast<std::byte>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (const int shift : {24, 16, 8, 0})
      bytes.push_back(static_cast<std::byte>(size >> shift));
  for (const std::uint8_t value : values)
    bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::byte> gzip(const std::vector<std::byte>& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::vector<std::byte> out(deflateBound(&stream, bytes.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void write_bytes(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

}  // namespace lacuna::trainer
