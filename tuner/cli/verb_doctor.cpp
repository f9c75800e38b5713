// SPDX-License-Identifier: Apache-2.0
//
// `lacuna doctor`: what this machine and installation can do, and what to do about each problem.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "codegen/code_generator.h"
#include "runtime/parallel.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "tuner/baseline.h"
#include "tuner/cli/output.h"
#include "tuner/cli/verbs.h"
#include "tuner/record_store.h"

namespace lacuna::cli {
namespace {

struct Finding {
  std::string subject;
  bool good = true;
  std::string what;
  std::string advice;  // what to do; empty if nothing
};

Finding machine(const HostDescription& host) {
  const std::string name = host.model_name.empty() ? host.vendor : host.model_name;
  Finding finding{"machine", host.note.empty(),
                  fmt::format("{} (family {} model {}), {}-bit vectors", name, host.family,
                              host.model, host.target.vector_bits),
                  ""};
  if (!host.note.empty())
    finding.advice = host.note + "; kernels are about half as fast as with AVX-512";
  return finding;
}

Finding caches(const HostDescription& host) {
  const Caches& c = host.target.caches;
  const auto text = [](std::int64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  return {
      "caches", true,
      fmt::format("L1d {}, L2 {}, L3 {}", text(c.l1d_bytes), text(c.l2_bytes), text(c.l3_bytes)),
      ""};
}

Finding cores(const HostDescription& host) {
  const auto threads = openmp_max_threads();
  Finding finding{"cores", threads <= host.cores,
                  fmt::format("{} for this process, OpenMP uses {}", host.cores, threads), ""};
  if (!finding.good)
    finding.advice = fmt::format("more threads than cores: set OMP_NUM_THREADS={}", host.cores);
  return finding;
}

Finding plugin() {
  auto generator = load_code_generator();
  if (generator) return {"code generator", true, (*generator)->version(), ""};
  return {"code generator", false, "not found", generator.error().message};
}

// Writes and removes a small file, as the caches would.
Finding cache_folder() {
  const auto folder = user_cache_folder();
  const auto trial = folder / "v1" / "doctor.tmp";
  const auto written = write_file_atomic(trial, std::string_view("lacuna"));
  std::error_code ignored;
  std::filesystem::remove(trial, ignored);
  if (written) return {"cache folder", true, folder.string() + ", writable", ""};
  return {"cache folder", false, folder.string() + ", not writable: " + written.error().message,
          "kernels are compiled again in every process; fix its permissions or set LACUNA_HOME to "
          "a writable folder"};
}

Finding profile(const std::string& fingerprint) {
  const auto loaded = load_profile(profile_path(fingerprint));
  if (loaded)
    return {"machine profile", true,
            fmt::format("measured {}: {:.1f} GFLOP/s per core (f32)", loaded->measured_at,
                        loaded->fma_f32_gflops),
            ""};
  if (loaded.error().code == ErrorCode::kNotFound)
    return {"machine profile", false, "none",
            "run `lacuna probe` (less than a minute): predictions become better"};
  return {"machine profile", false, loaded.error().message, "run `lacuna probe` to make a new one"};
}

Finding records(const std::string& fingerprint) {
  const auto found = list_records(fingerprint);
  if (!found) return {"records", false, found.error().message, "fix the folder's permissions"};
  const auto bad =
      std::count_if(found->begin(), found->end(), [](const StoredRecord& r) { return !r.record; });
  Finding finding{"records", bad == 0, fmt::format("{} of this machine", found->size()), ""};
  if (bad > 0) {
    finding.what += fmt::format(", {} of them unusable", bad);
    finding.advice = "`lacuna records verify` says why; they count as missing";
  }
  return finding;
}

Finding baseline(GemmLibrary library) {
  const auto opened = SgemmBaseline::open(library, 1);
  if (opened) return {std::string(to_text(library)), true, opened->version(), ""};
  return {std::string(to_text(library)), false, "not found",
          opened.error().message + " (only `lacuna bench` uses it)"};
}

// "always [madvise] never": the word in brackets.
Finding huge_pages() {
  const auto text = read_text_file("/sys/kernel/mm/transparent_hugepage/enabled");
  if (!text) return {"huge pages", true, "unknown", ""};
  const auto begin = text->find('[');
  const auto end = text->find(']');
  const std::string mode = begin != std::string::npos && end != std::string::npos && begin < end
                               ? text->substr(begin + 1, end - begin - 1)
                               : "unknown";
  Finding finding{"huge pages", mode != "never", mode, ""};
  if (mode == "never")
    finding.advice =
        "large operands cost more TLB misses; as root: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled";
  return finding;
}

Result<> run_doctor(const Context& context) {
  LACUNA_TRY(const HostDescription host, describe_host());
  const std::string fingerprint = host_fingerprint(host);
  const std::vector<Finding> findings = {machine(host),
                                         caches(host),
                                         cores(host),
                                         huge_pages(),
                                         plugin(),
                                         cache_folder(),
                                         profile(fingerprint),
                                         records(fingerprint),
                                         baseline(GemmLibrary::kOpenBlas),
                                         baseline(GemmLibrary::kOneDnn)};
  Table table({"", "subject", "found"});
  auto document = nlohmann::json::object();
  document["version"] = LACUNA_VERSION;
  document["fingerprint"] = fingerprint;
  document["features"] = host.target.features;
  document["findings"] = nlohmann::json::array();
  for (const Finding& f : findings) {
    table.add({f.good ? "ok" : "!!", f.subject, f.what});
    document["findings"].push_back(
        {{"subject", f.subject}, {"good", f.good}, {"found", f.what}, {"advice", f.advice}});
  }
  context.output.print(fmt::format("lacuna {}, machine {}", LACUNA_VERSION, fingerprint));
  context.output.print(table.to_text());
  std::string features;
  for (const auto& feature : host.target.features)
    features += " " + feature;
  context.output.print("features:" + features);
  for (const Finding& f : findings)
    if (!f.advice.empty()) context.output.print(fmt::format("to do, {}: {}", f.subject, f.advice));
  context.output.print_json(document);
  return {};
}

}  // namespace

void add_doctor_verb(Registry& registry) {
  registry.add({
      .name = "doctor",
      .summary = "check machine, code generator, caches, profile and baselines; say what to do "
                 "about each problem",
      .example = "  lacuna doctor\n  lacuna doctor --json",
      .action = [](Context& context) { return run_doctor(context); },
  });
}

}  // namespace lacuna::cli
