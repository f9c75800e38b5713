// SPDX-License-Identifier: Apache-2.0
//
// Output: how verbs talk. Results go to stdout, notes, progress and errors to stderr.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "targets/base/result.h"

namespace lacuna::cli {

class Output {
 public:
  // With `json`, print() is silent and print_json() is not: exactly one of the two speaks.
  bool json = false;

  // A line of the result on stdout.
  void print(std::string_view line) const;
  // The whole result as one JSON document on stdout.
  void print_json(const nlohmann::json& document) const;
  // A remark on stderr: "lacuna: note: ...".
  void note(std::string_view message) const;
  [[nodiscard]] bool printed_json() const { return printed_json_; }

 private:
  mutable bool printed_json_ = false;  // so that an error after the result adds no second document
};

// Columns aligned by the widest cell; numbers (cells that begin with a digit, '-' or '+') to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string to_text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// One line on stderr, redrawn in place; silent when stderr is not a terminal. The destructor wipes it.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // `fraction` from 0 to 1; `detail` follows the bar.
  void update(double fraction, std::string_view detail);

 private:
  std::string what_;
  bool terminal_ = false;
};

// "12.3 us", "4.56 ms", "1.2 s".
[[nodiscard]] std::string seconds_text(double seconds);
// "512 B", "48 KiB", "2.0 MiB".
[[nodiscard]] std::string bytes_text(double bytes);

// The exit status for an error: 2 usage, invalid argument or malformed file, 3 not found, 4 I/O, 5 unsupported,
// 6 compile, 130 interrupted, 1 internal. Stable: scripts rely on it.
[[nodiscard]] int exit_code(ErrorCode code);

}  // namespace lacuna::cli
