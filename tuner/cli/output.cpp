// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/output.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "targets/base/result.h"

namespace lacuna::cli {
namespace {

void write_line(std::FILE* stream, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stream);
  std::fputc('\n', stream);
}

bool looks_numeric(const std::string& cell) {
  if (cell.empty()) return false;
  const auto first = static_cast<unsigned char>(cell.front());
  return std::isdigit(first) != 0 || cell.front() == '-' || cell.front() == '+';
}

// Columns as they appear: a UTF-8 continuation byte takes no place.
std::size_t width_of(const std::string& cell) {
  return static_cast<std::size_t>(std::count_if(cell.begin(), cell.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

void Output::print(std::string_view line) const {
  if (!json) write_line(stdout, line);
}

void Output::print_json(const nlohmann::json& document) const {
  if (!json) return;
  write_line(stdout, document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  printed_json_ = true;
}

void Output::note(std::string_view message) const {
  write_line(stderr, fmt::format("lacuna: note: {}", message));
}

std::string Table::to_text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      if (i > 0) line += "  ";
      line += looks_numeric(row[i]) ? padding + row[i] : row[i] + padding;
    }
    while (!line.empty() && line.back() == ' ')
      line.pop_back();
    text += line + "\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

Progress::Progress(std::string what)
    : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::update(double fraction, std::string_view detail) {
  if (!terminal_) return;
  constexpr int kBar = 24;
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBar);
  const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                          std::string(static_cast<std::size_t>(kBar - filled), '.');
  const auto line =
      fmt::format("\r\033[K{} [{}] {:3.0f} %  {:.60}", what_, bar, fraction * 100, detail);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

std::string seconds_text(double seconds) {
  if (seconds < 1e-6) return fmt::format("{:.1f} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string bytes_text(double bytes) {
  if (bytes < 1024) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1024.0 * 1024) return fmt::format("{:.0f} KiB", bytes / 1024);
  if (bytes < 1024.0 * 1024 * 1024) return fmt::format("{:.1f} MiB", bytes / (1024.0 * 1024));
  return fmt::format("{:.1f} GiB", bytes / (1024.0 * 1024 * 1024));
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 0;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInvalidFile:
      return 2;
    case ErrorCode::kNotFound:
      return 3;
    case ErrorCode::kIo:
      return 4;
    case ErrorCode::kUnsupported:
      return 5;
    case ErrorCode::kCompile:
      return 6;
    case ErrorCode::kInterrupted:
      return 130;
    case ErrorCode::kInternal:
      return 1;
  }
  return 1;
}

}  // namespace lacuna::cli
