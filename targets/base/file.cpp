// SPDX-License-Identifier: Apache-2.0
#include "targets/base/file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "targets/base/env.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

namespace fs = std::filesystem;

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

// Closes on destruction; `close_checked` reports what the kernel says (a full disk may first show there).
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int close_checked() { return ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno; }

 private:
  int fd_;
};

template <class Bytes>
Result<> resize_for(Bytes& bytes, std::size_t size, const fs::path& path) {
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kIo, "cannot read {}: no memory for {} bytes", path.string(),
                      size);
  } catch (const std::length_error&) {
    return make_error(ErrorCode::kIo, "cannot read {}: no memory for {} bytes", path.string(),
                      size);
  }
  return {};
}

// Reads to the end of file, whatever size stat announced (files in /proc announce 0, pipes nothing).
template <class Bytes>
Result<Bytes> read_descriptor(int fd, std::size_t announced, const fs::path& path) {
  constexpr std::size_t kMinChunk = 4096;
  Bytes bytes;
  std::size_t used = 0;
  LACUNA_TRY_VOID(resize_for(bytes, announced + 1, path));
  while (true) {
    if (used == bytes.size())
      LACUNA_TRY_VOID(resize_for(bytes, std::max(2 * used, kMinChunk), path));
    const ssize_t got = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return make_error(ErrorCode::kIo, "cannot read {}: {}", path.string(), errno_text(errno));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

template <class Bytes>
Result<Bytes> read_whole(const fs::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    const auto code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
    return make_error(code, "cannot open {}: {}", path.string(), errno_text(errno));
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return make_error(ErrorCode::kIo, "cannot read {}: {}", path.string(), errno_text(errno));
  if (S_ISDIR(status.st_mode))
    return make_error(ErrorCode::kIo, "cannot read {}: it is a folder", path.string());
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode))
    return make_error(ErrorCode::kIo, "cannot read {}: it is a device", path.string());
  return read_descriptor<Bytes>(file.get(), static_cast<std::size_t>(status.st_size), path);
}

Result<> write_descriptor(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      return make_error(ErrorCode::kIo, "cannot write {}: {}", path.string(), errno_text(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

struct TemporaryFile {
  FileDescriptor file;
  fs::path path;
};

constexpr std::string_view kTemporaryPrefix = ".lacuna-";
constexpr std::string_view kTemporarySuffix = ".tmp";

bool is_stale_temporary(const fs::directory_entry& item) {
  constexpr auto kMaxAge = std::chrono::hours(1);
  const std::string name = item.path().filename().string();
  if (!name.starts_with(kTemporaryPrefix) || !name.ends_with(kTemporarySuffix)) return false;
  std::error_code error;
  const auto written = item.last_write_time(error);
  return !error && fs::file_time_type::clock::now() - written > kMaxAge;
}

// Short names of their own, so that a target name at the length limit still works. O_EXCL decides between
// processes; the permissions follow the user's umask (mkstemp would force 0600).
Result<TemporaryFile> open_temporary(const fs::path& folder, const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  constexpr int kTries = 100;
  int error = EEXIST;
  for (int i = 0; i < kTries && error == EEXIST; ++i) {
    fs::path path = folder / fmt::format("{}{}-{}{}", kTemporaryPrefix, ::getpid(),
                                         counter.fetch_add(1), kTemporarySuffix);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return TemporaryFile{FileDescriptor(fd), std::move(path)};
    error = errno;
  }
  return make_error(ErrorCode::kIo, "cannot write {}: {}", target.string(), errno_text(error));
}

Result<> fill_and_rename(TemporaryFile& temporary, const fs::path& target,
                         std::span<const std::byte> bytes) {
  LACUNA_TRY_VOID(write_descriptor(temporary.file.get(), bytes, target));
  if (::fsync(temporary.file.get()) != 0)
    return make_error(ErrorCode::kIo, "cannot write {}: {}", target.string(), errno_text(errno));
  if (const int error = temporary.file.close_checked(); error != 0)
    return make_error(ErrorCode::kIo, "cannot write {}: {}", target.string(), errno_text(error));
  if (std::rename(temporary.path.c_str(), target.c_str()) != 0)
    return make_error(ErrorCode::kIo, "cannot write {}: {}", target.string(), errno_text(errno));
  return {};
}

}  // namespace

Result<std::vector<std::byte>> read_file(const fs::path& path) {
  return read_whole<std::vector<std::byte>>(path);
}

Result<std::string> read_text_file(const fs::path& path) {
  return read_whole<std::string>(path);
}

Result<> write_file_atomic(const fs::path& path, std::span<const std::byte> bytes) {
  if (!path.has_filename())
    return make_error(ErrorCode::kIo, "cannot write '{}': it names no file", path.string());
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return make_error(ErrorCode::kIo, "cannot create folder {}: {}", folder.string(),
                      error.message());
  LACUNA_TRY(TemporaryFile temporary, open_temporary(folder, path));
  if (auto status = fill_and_rename(temporary, path, bytes); !status) {
    ::unlink(temporary.path.c_str());
    return status;
  }
  // The rename itself survives a power cut only once the folder is on disk. Some file systems refuse
  // this on folders; the content is complete either way, so the answer is not needed.
  const FileDescriptor folder_file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder_file.get() >= 0) ::fsync(folder_file.get());
  return {};
}

Result<> write_file_atomic(const fs::path& path, std::string_view text) {
  return write_file_atomic(path, std::as_bytes(std::span(text.data(), text.size())));
}

void sweep_temporary_files(const fs::path& folder) noexcept try {
  std::error_code error;
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (is_stale_temporary(*it)) stale.push_back(it->path());
  for (const fs::path& path : stale)
    fs::remove(path, error);
} catch (const std::exception&) {
  return;  // no memory for a list of names: the next sweep does it
}

fs::path user_cache_folder() {
  if (const auto home = read_env("LACUNA_HOME")) return *home;
  // The XDG specification asks for relative values to be ignored.
  if (const auto cache = read_env("XDG_CACHE_HOME"); cache && fs::path(*cache).is_absolute())
    return fs::path(*cache) / "lacuna";
  if (const auto home = read_env("HOME")) return fs::path(*home) / ".cache" / "lacuna";
  std::error_code error;
  fs::path temporary = fs::temp_directory_path(error);
  if (error) temporary = "/tmp";
  return temporary / fmt::format("lacuna-{}", ::getuid());
}

}  // namespace lacuna
