// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "codegen/kernel.h"
#include "codegen/object_cache.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

const lacuna::Hash128 kKey{.high = 1, .low = 2};
const lacuna::CompiledKernel kKernel{"kernel", std::vector<std::byte>(64, std::byte{3})};

// A folder of this process, in memory where there is such a place, removed at the end.
class Folder {
 public:
  Folder() {
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = access(memory.c_str(), W_OK) == 0;
    path_ = (in_memory ? memory : std::filesystem::temp_directory_path()) /
            ("lacuna-fuzz-" + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const lacuna::ObjectCache& cache() {
  static const Folder kFolder;
  static const lacuna::ObjectCache kCache(kFolder.path());
  return kCache;
}

}  // namespace

// The bytes are the cache file: a miss, or exactly the kernel that was stored (a hit with other content would need a
// collision of the checksum).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = cache().path_of(kKernel.name, kKey);
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) std::abort();
  if (size != 0 && std::fwrite(data, 1, size, file) != size) std::abort();
  if (std::fclose(file) != 0) std::abort();
  const auto found = cache().find(kKernel.name, kKey);
  if (found && found->name != kKernel.name) std::abort();
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  if (!cache().store(kKernel, kKey)) std::abort();
  const auto text = lacuna::read_text_file(cache().path_of(kKernel.name, kKey));
  if (!text) std::abort();
  return {*text};
}
