// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rivals/python_rivals.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "targets/base/file.h"
#include "targets/base/result.h"
#include "tests/bench/rivals/rival_case.h"

namespace lacuna {
namespace {

template <class T>
Result<> write_array(const std::filesystem::path& path, const T* data, std::int64_t count) {
  return write_file_atomic(path, std::string_view(reinterpret_cast<const char*>(data),
                                                  static_cast<std::size_t>(count) * sizeof(T)));
}

// A private folder, in memory where the system has one there.
std::filesystem::path make_folder() {
  std::error_code error;
  const std::filesystem::path memory = "/dev/shm";
  const auto parent = std::filesystem::is_directory(memory, error)
                          ? memory
                          : std::filesystem::temp_directory_path(error);
  std::string name = (parent / "lacuna-rivals-XXXXXX").string();
  return ::mkdtemp(name.data()) == nullptr ? std::filesystem::path() : std::filesystem::path(name);
}

Error ended() {
  return {ErrorCode::kIo, "the Python process has ended"};
}

}  // namespace

PythonRivals::PythonRivals(const std::filesystem::path& python_env,
                           const std::filesystem::path& script)
    : folder_(make_folder()) {
  if (start(python_env, script)) describe();
  if (!rivals_.empty()) return;
  const std::string reason =
      "no Python with NumPy in " + python_env.string() + "; .ci/install_rivals.sh makes it";
  rivals_ = {{"SciPy", reason}, {"PyTorch", reason}};
}

PythonRivals::~PythonRivals() {
  if (requests_ != nullptr) std::fclose(requests_);  // the end of its input ends it
  if (answers_ != nullptr) std::fclose(answers_);
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

bool PythonRivals::start(const std::filesystem::path& python_env,
                         const std::filesystem::path& script) {
  const std::string python = (python_env / "bin" / "python3").string();
  if (folder_.empty() || ::access(python.c_str(), X_OK) != 0) return false;
  signal(SIGPIPE, SIG_IGN);  // a worker that has died is an error of ask(), not our end
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (::pipe2(to.data(), O_CLOEXEC) != 0) return false;
  if (::pipe2(from.data(), O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  std::string script_text = script.string();
  std::string python_text = python;
  std::array<char*, 3> arguments = {python_text.data(), script_text.data(), nullptr};
  const int status =
      ::posix_spawn(&process_, python.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  requests_ = ::fdopen(to[1], "w");
  answers_ = ::fdopen(from[0], "r");
  if (status != 0) process_ = -1;
  return status == 0 && requests_ != nullptr && answers_ != nullptr;
}

Result<nlohmann::json> PythonRivals::ask(const nlohmann::json& request) {
  if (process_ <= 0) return tl::unexpected(ended());
  if (std::fprintf(requests_, "%s\n", request.dump().c_str()) < 0 || std::fflush(requests_) != 0)
    return tl::unexpected(ended());
  char* line = nullptr;
  std::size_t capacity = 0;
  const auto length = ::getline(&line, &capacity, answers_);
  const std::string text(line == nullptr || length < 0 ? "" : line);
  ::free(line);
  auto answer = nlohmann::json::parse(text, nullptr, false);
  if (answer.is_discarded()) return tl::unexpected(ended());
  return answer;
}

void PythonRivals::describe() {
  const auto answer = ask({{"do", "describe"}});
  if (!answer) return;
  for (const auto& rival : answer->at("rivals"))
    rivals_.push_back({rival.at("name"), rival.at("missing")});
}

Result<std::vector<std::string>> PythonRivals::prepare(const RivalCase& product) {
  product_ = product;
  if (process_ <= 0) return std::vector<std::string>(rivals_.size(), "no Python");
  const std::int64_t nnz = product.row_ptr[product.m];
  LACUNA_TRY_VOID(write_array(folder_ / "row_ptr.i32", product.row_ptr, product.m + 1));
  LACUNA_TRY_VOID(write_array(folder_ / "col_idx.i32", product.col_idx, nnz));
  LACUNA_TRY_VOID(write_array(folder_ / "values.f32", product.values, nnz));
  LACUNA_TRY_VOID(write_array(folder_ / "b.f32", product.b, product.k * product.n));
  LACUNA_TRY(const auto answer, ask({{"do", "prepare"},
                                     {"folder", folder_.string()},
                                     {"m", product.m},
                                     {"k", product.k},
                                     {"n", product.n},
                                     {"column_major", product.column_major != 0},
                                     {"block_r", product.block_r},
                                     {"block_c", product.block_c}}));
  return answer.at("reasons").get<std::vector<std::string>>();
}

Result<> PythonRivals::compute(std::size_t rival) {
  LACUNA_TRY_VOID(ask({{"do", "compute"}, {"rival", rival}}));
  LACUNA_TRY(const std::string bytes, read_text_file(folder_ / "c.f32"));
  const auto expected = static_cast<std::size_t>(product_.m * product_.n) * sizeof(float);
  if (bytes.size() != expected)
    return make_error(ErrorCode::kInternal, "its result has {} bytes, not {}", bytes.size(),
                      expected);
  std::memcpy(product_.c, bytes.data(), expected);
  return {};
}

Result<double> PythonRivals::sample(std::size_t rival, double least_s) {
  LACUNA_TRY(const auto answer, ask({{"do", "sample"}, {"rival", rival}, {"least_s", least_s}}));
  return answer.at("seconds").get<double>();
}

}  // namespace lacuna
