// SPDX-License-Identifier: Apache-2.0
//
// MetricsFile: JSON lines, each flushed when written, so that a killed run loses at most the line in progress.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "targets/base/result.h"

namespace lacuna::trainer {

enum class MetricsStart : std::uint8_t { kReplace, kAppend };

class MetricsFile {
 public:
  // Creates missing folders. An empty path: lines go nowhere. Errors: kIo, naming the path.
  [[nodiscard]] static Result<MetricsFile> open(const std::filesystem::path& path,
                                                MetricsStart start);
  // Errors: kIo (a full disk), naming the path.
  [[nodiscard]] Result<> write(const nlohmann::json& line);

 private:
  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace lacuna::trainer
