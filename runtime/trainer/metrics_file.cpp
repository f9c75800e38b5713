// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/metrics_file.h"

#include <filesystem>
#include <fstream>
#include <ios>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>

#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

// A writer that was killed, or whose disk was full, left a part of a line.
bool ends_inside_a_line(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return file.seekg(-1, std::ios::end) && file.get() != '\n';
}

}  // namespace

Result<MetricsFile> MetricsFile::open(const std::filesystem::path& path, MetricsStart start) {
  MetricsFile file;
  if (path.empty()) return file;
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  file.path_ = path;
  const bool broken = start == MetricsStart::kAppend && ends_inside_a_line(path);
  file.stream_.open(path, start == MetricsStart::kAppend ? std::ios::app : std::ios::trunc);
  if (!file.stream_.is_open()) return make_error(ErrorCode::kIo, "cannot write {}", path.string());
  if (broken) file.stream_ << '\n';
  return file;
}

Result<> MetricsFile::write(const nlohmann::json& line) {
  if (path_.empty()) return {};
  stream_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n'
          << std::flush;
  if (!stream_) return make_error(ErrorCode::kIo, "cannot write {} (disk full?)", path_.string());
  return {};
}

}  // namespace lacuna::trainer
