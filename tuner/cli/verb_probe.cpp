// SPDX-License-Identifier: Apache-2.0
//
// `lacuna probe`: describe this machine, measure it, and store its profile.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "tuner/cli/output.h"
#include "tuner/cli/verbs.h"
#include "tuner/clock.h"
#include "tuner/probe/probe_machine.h"

namespace lacuna::cli {
namespace {

struct ProbeVerbOptions {
  double budget_s = 20;
  bool dry_run = false;
};

void add_rate(Table& table, const char* what, double value, const char* unit) {
  table.add({what, value > 0 ? fmt::format("{:.1f}", value) : "none", value > 0 ? unit : ""});
}

void print_text(const Context& context, const HostDescription& host, const MachineProfile& p) {
  const auto& out = context.output;
  out.print(fmt::format("machine      {} (family {} model {} stepping {})",
                        host.model_name.empty() ? host.vendor : host.model_name, host.family,
                        host.model, host.stepping));
  out.print(fmt::format("fingerprint  {}", p.fingerprint));
  out.print(fmt::format("vectors      {}-bit, {} registers", host.target.vector_bits,
                        host.target.vector_registers));
  const auto bytes = [](std::int64_t b) { return bytes_text(static_cast<double>(b)); };
  const Caches& c = host.target.caches;
  out.print(fmt::format("caches       L1d {}, L2 {}, L3 {}", bytes(c.l1d_bytes), bytes(c.l2_bytes),
                        bytes(c.l3_bytes)));
  Table table({"one core", "rate", "unit"});
  add_rate(table, "fma f32", p.fma_f32_gflops, "GFLOP/s");
  add_rate(table, "dot bf16", p.fma_bf16_gflops, "GFLOP/s");
  add_rate(table, "dot int8", p.dot_int8_gops, "GOP/s");
  add_rate(table, "clock", p.clock_ghz, "GHz");
  add_rate(table, "read L1", p.l1_read_gbps, "GB/s");
  add_rate(table, "read L2", p.l2_read_gbps, "GB/s");
  add_rate(table, "read L3", p.l3_read_gbps, "GB/s");
  add_rate(table, "read DRAM", p.dram_read_gbps, "GB/s");
  add_rate(table, "write L2", p.l2_write_gbps, "GB/s");
  add_rate(table, "write DRAM", p.dram_write_gbps, "GB/s");
  out.print(table.to_text());
  out.print(fmt::format("{} cores together reach {:.0f} % of {} times one core (f32 fma)", p.cores,
                        p.parallel_efficiency * 100, p.cores));
}

Result<> run_probe(const ProbeVerbOptions& options, const Context& context) {
  constexpr double kMostSeconds = 600;
  if (!(options.budget_s > 0) || options.budget_s > kMostSeconds)
    return make_error(ErrorCode::kInvalidArgument, "--budget {} is not in (0, {}] seconds",
                      options.budget_s, kMostSeconds);
  LACUNA_TRY(const HostDescription host, describe_host());
  if (!host.note.empty()) context.output.note(host.note);
  SteadyClock clock;
  ProbeOptions probe;
  probe.budget_s = options.budget_s;
  probe.stop = context.stop;
  Result<MachineProfile> profile;
  {
    Progress progress("probing");
    probe.progress = [&](double fraction, std::string_view what) {
      progress.update(fraction, what);
    };
    profile = probe_machine(host, clock, probe);
  }
  if (!profile) return tl::unexpected(std::move(profile).error());
  print_text(context, host, *profile);
  const auto path = profile_path(profile->fingerprint);
  auto document = nlohmann::json::object();
  document["profile"] = to_json_value(*profile);
  document["target"] = to_json_value(host.target);
  document["path"] = options.dry_run ? nlohmann::json() : nlohmann::json(path.string());
  context.output.print_json(document);
  if (options.dry_run) return {};
  LACUNA_TRY_VOID(store_profile(path, *profile));
  context.output.print(fmt::format("stored in {}", path.string()));
  return {};
}

}  // namespace

void add_probe_verb(Registry& registry) {
  const auto options = std::make_shared<ProbeVerbOptions>();
  CLI::App& verb = registry.add({
      .name = "probe",
      .summary = "describe this machine, measure its rates (about 10 s) and store the profile that "
                 "predictions use",
      .example = "  lacuna probe\n  lacuna probe --json --dry-run",
      .action = [options](Context& context) { return run_probe(*options, context); },
  });
  verb.add_option("--budget", options->budget_s, "seconds to spend at most")->capture_default_str();
  verb.add_flag("--dry-run", options->dry_run, "measure, but store nothing");
}

}  // namespace lacuna::cli
