#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The `lacuna` command from outside: exit codes and messages of every verb for bad input, two processes that tune at
once, an interrupted tune, read-only and damaged files.

    test_command.py LACUNA [unittest arguments]
"""
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import time

from command_case import LACUNA, CommandTest, main, npy

SMALL = ["--random", "96x80:16x8:0.3", "--n", "32", "--threads", "1"]
VERBS = ["probe", "tune", "explain", "bench", "generate", "inspect", "train", "demo", "prune", "records",
         "doctor"]


class UsageTest(CommandTest):
    def test_every_verb_has_help_with_an_example(self):
        for verb in VERBS:
            text = self.check_works(verb, "--help").stdout
            self.assertIn("Example:\n  lacuna " + verb, text)
            self.assertIn("--json", text)

    def test_without_a_verb_or_with_unknown_words(self):
        for arguments in ([], ["fly"], ["tune", "--fly"], ["tune", "--n", "many"], ["inspect"]):
            done = self.run_it(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertNotEqual(done.stderr, "")
            self.assertEqual(done.stdout, "")

    def test_version(self):
        self.assertRegex(self.check_works("--version").stdout, r"^\d+\.\d+\.\d+")

    def test_errors_are_json_too(self):
        done = self.run_it("tune", "no.npy", "--json")
        self.assertEqual(done.returncode, 3)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "not_found")

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([LACUNA, "records", "list"], env=self.environment, text=True, stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn("cannot write the result to standard output", done.stderr)


class BadInputTest(CommandTest):
    def test_options(self):
        for verb in ("tune", "explain", "bench"):
            self.check_fails(2, "give either a MASK file or --random MxK:RxC:DENSITY", verb)
            self.check_fails(2, "--random '8' is neither MxK:RxC:DENSITY[:zipfEXPONENT][:SEED]", verb, "--random", "8")
            self.check_fails(2, "--op: 'spmv' is not one of: spmm, spmm_transposed, sddmm", verb, *SMALL, "--op", "spmv")
            self.check_fails(2, "--layout-b 'x' is not one of: row, col", verb, *SMALL, "--layout-b", "x")
            self.check_fails(2, "--epilogue: 'gelu' is not none, nor parts in this order", verb, *SMALL, "--epilogue", "gelu")
            self.check_fails(2, "--format: ", verb, *SMALL, "--format", "csr")
            self.check_fails(2, "--format: ", verb, *SMALL, "--format", "bsr65x1")
            self.check_fails(2, "--n -1 is not in [0, 2147483648]", verb, *SMALL[:2], "--n", "-1")
            self.check_fails(2, "sddmm", verb, *SMALL, "--op", "sddmm", "--epilogue", "bias")
        self.check_fails(2, "--budget '3 weeks' is not a time", "tune", *SMALL, "--budget", "3 weeks")
        self.check_fails(2, "--rigor: 'lazy' is not one of: quick, measure", "tune", *SMALL, "--rigor", "lazy")
        self.check_fails(2, "--rounds 0 is not positive", "bench", *SMALL, "--rounds", "0")
        self.check_fails(2, "bench times one operation, --op names 2", "bench", *SMALL, "--op", "spmm,sddmm")
        self.check_fails(2, "--budget 0 is not in (0, 600] seconds", "probe", "--budget", "0")

    def test_mask_files(self):
        self.check_fails(3, "no.npy", "tune", "no.npy")
        (self.folder / "nan.npy").write_bytes(npy([[1, 0], [float("nan"), 1]]))
        self.check_fails(2, "nan.npy", "tune", "nan.npy")
        (self.folder / "short.npy").write_bytes(npy([[1, 0], [0, 1]])[:-3])
        self.check_fails(2, "short.npy", "explain", "short.npy")
        (self.folder / "text.npy").write_text("hello", encoding="utf-8")
        self.check_fails(2, "text.npy", "bench", "text.npy")

    def test_kernels_and_targets(self):
        self.check_fails(2, "kernel name: ", "inspect", "spmm")
        self.check_fails(3, "z80", "generate", "--target", "z80", "--list")
        self.check_fails(2, "--schedule: ", "generate", "--target", "zen4", "--schedule", "quick")
        (self.folder / "file").write_text("in the way", encoding="utf-8")
        self.check_fails(4, "file", "generate", "--target", "zen4", "-o", "file/below")

    def test_records(self):
        self.check_fails(2, "'burn' is not one of: list, show, verify, remove", "records", "burn")
        self.check_fails(2, "`records show` needs a KEY", "records", "show")
        self.check_fails(2, "`records remove` needs a KEY or --all", "records", "remove")
        self.check_fails(2, "key 'ab' is too short", "records", "show", "ab")
        self.check_fails(3, "no record with key 'abcd'", "records", "remove", "abcd")

    def test_no_plugin(self):
        self.check_fails(5, "no code generator", "tune", *SMALL, LACUNA_CODEGEN_PLUGIN="/nowhere/plugin.so")


class RecordTest(CommandTest):
    def test_the_second_tune_answers_from_the_record(self):
        first = self.json_of("tune", *SMALL)
        self.assertFalse(first["from_record"])
        self.assertEqual(len(self.records()), 1)
        second = self.json_of("tune", *SMALL)
        self.assertTrue(second["from_record"])
        self.assertEqual(second["record"], first["record"])
        self.assertIn("already there", self.check_works("tune", *SMALL).stdout)
        self.assertFalse(self.json_of("tune", *SMALL, "--force")["from_record"])

    def test_explain_shows_what_tune_found(self):
        self.assertFalse(self.json_of("explain", *SMALL)["measured"])
        record = self.json_of("tune", *SMALL)["record"]
        explained = self.json_of("explain", *SMALL)
        self.assertTrue(explained["measured"])
        self.assertEqual(explained["candidates"], record["candidates"])
        self.assertEqual(explained["candidates"][0]["verdict"], "winner")
        self.assertTrue(explained["why"])

    def test_list_show_verify_remove(self):
        self.assertIn("no records", self.check_works("records").stdout)
        key = self.json_of("tune", *SMALL)["record"]["key"]
        self.assertIn(key[:12], self.check_works("records", "list").stdout)
        self.assertEqual(self.json_of("records", "show", key[:8])["key"], key)
        self.check_works("records", "verify")
        self.assertEqual(self.json_of("records", "remove", key), {"removed": [key]})
        self.assertEqual(self.records(), [])

    def test_a_damaged_record_is_a_miss_and_is_named(self):
        self.check_works("tune", *SMALL)
        path = self.records()[0]
        whole = path.read_bytes()
        for cut in (0, 1, len(whole) // 2, len(whole) - 3):
            path.write_bytes(whole[:cut])
            done = self.run_it("records", "verify")
            self.assertEqual(done.returncode, 2)
            self.assertIn("1 of 1 records cannot be used", done.stderr)
            self.assertFalse(self.json_of("explain", *SMALL)["measured"])
        self.assertFalse(self.json_of("tune", *SMALL)["from_record"])
        self.check_works("records", "verify")

    def test_two_processes_tune_at_once(self):
        command = [LACUNA, "tune", *SMALL, "--force", "--json"]
        running = [subprocess.Popen(command, env=self.environment, text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE) for _ in range(2)]
        answers = [process.communicate() for process in running]
        for process, (_, errors) in zip(running, answers):
            self.assertEqual(process.returncode, 0, errors)
        stored = json.loads(self.records()[0].read_text(encoding="utf-8"))
        self.assertEqual(len(self.records()), 1)
        self.assertIn(stored, [json.loads(out)["record"] for out, _ in answers])
        self.check_works("records", "verify")

    def test_a_cache_that_cannot_be_written_is_a_note(self):
        self.home.write_text("a file, not a folder", encoding="utf-8")
        done = self.check_works("tune", *SMALL)
        self.assertIn("the record was not stored", done.stderr)
        self.assertIn("time ", done.stdout)
        self.assertIn("not writable", self.check_works("doctor").stdout)


class InterruptTest(CommandTest):
    def test_interrupted_tune_keeps_the_best(self):
        # Long calls and a long budget: the race is on, with a round measured, when the signal comes. A
        # terminal makes it announce that.
        import pty
        main, terminal = pty.openpty()
        process = subprocess.Popen([LACUNA, "tune", "--random", "1024x1024:16x16:0.5", "--n", "2048", "--threads", "1",
                                    "--rigor", "measure", "--budget", "600s", "--json"], env=self.environment,
                                   text=True, stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        seen = b""
        while b" rounds" not in seen and process.poll() is None:
            ready, _, _ = select.select([main], [], [], 300)
            self.assertTrue(ready, "the race did not begin")
            seen += os.read(main, 4096)
        process.send_signal(signal.SIGINT)
        # Keep the terminal drained until the process ends.
        while True:
            try:
                if not os.read(main, 4096):
                    break
            except OSError:
                break
        out, _ = process.communicate()
        os.close(main)
        self.assertEqual(process.returncode, 130, seen)
        answer = json.loads(out)
        self.assertTrue(answer["interrupted"])
        self.assertEqual(answer["record"]["rigor"], "interrupted")
        self.assertGreater(answer["record"]["candidates"][0]["measured_s"], 0)
        self.assertEqual(len(self.records()), 1)
        self.check_works("records", "verify")

    def test_a_kill_leaves_no_part_of_a_record(self):
        """Killed at many times of a run, also while it compiles and while it writes."""
        command = [LACUNA, "tune", *SMALL, "--force", "--budget", "50ms"]
        start = time.monotonic()
        self.check_works(*command[1:])
        duration = time.monotonic() - start
        for part in range(1, 13):
            process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(duration * part / 11)
            except subprocess.TimeoutExpired:
                pass
            process.kill()
            process.wait()
            self.assertEqual(len(self.records()), 1)
            self.check_works("records", "verify")
        self.assertTrue(self.json_of("tune", *SMALL)["from_record"])


class DemoTest(CommandTest):
    """The whole path from probe to table, on nets and data of a few dozen numbers."""

    def write_idx(self, name, sizes, values):
        header = bytes([0, 0, 8, len(sizes)]) + b"".join(struct.pack(">I", size) for size in sizes)
        (self.folder / name).write_bytes(header + bytes(values))

    def write_recipe(self, name, first_layer):
        names = {"train_images": "train", "train_labels": "train-l", "test_images": "test", "test_labels": "test-l"}
        text = (f"schema: 1\nname: {name}\nepochs: 1\nbatch: 16\n"
                f"data: {{folder: {self.folder}, {', '.join(f'{k}: {v}' for k, v in names.items())}}}\n"
                f"layers:\n  - {first_layer}\n  - {{units: 4, kind: dense}}\n")
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def test_compares_two_nets(self):
        for name, count in (("train", 64), ("test", 32)):
            labels = [i % 4 for i in range(count)]
            self.write_idx(name, (count, 4, 4), [200 if f % 4 == label else f for label in labels for f in range(16)])
            self.write_idx(name + "-l", (count,), labels)
        self.write_recipe("full", "{units: 32, kind: dense}")
        self.write_recipe("half", "{units: 32, kind: sparse, density: 0.5, block: 8x8}")
        self.check_works("probe", "--budget", "0.2")
        done = self.check_works("demo", "--recipes", "./full.yaml,./half.yaml", "--epochs", "2", "--out", "out", "--threads",
                                "1")
        self.assertRegex(done.stdout, r"(?m)^full .*1\.00 x")
        self.assertRegex(done.stdout, r"(?m)^half .* bsr\d+x\d+ ")
        self.assertIn("training on 64 images", done.stdout)
        (report,) = (self.folder / "out").glob("demo-*.json")
        nets = json.loads(report.read_text(encoding="utf-8"))["nets"]
        self.assertEqual([len(net["epochs"]) for net in nets], [2, 2])
        self.assertEqual(nets[1]["layers"][0]["provenance"], "measured")
        self.assertTrue(report.with_suffix(".md").exists())

    def test_bad_options(self):
        self.check_fails(2, "--epochs 0 is not positive", "demo", "--epochs", "0")
        self.check_fails(3, "there is no recipe 'none'", "demo", "--recipes", "none")
        self.check_fails(2, "--rigor: 'lazy' is not one of", "demo", "--rigor", "lazy")


class GenerateTest(CommandTest):
    TARGETS = ("zen4", "sapphire-rapids", "skylake-x", "x86-64-v3")

    def test_writes_every_file_for_every_x86_target(self):
        for target in self.TARGETS:
            for op in ("spmm", "spmm_transposed", "sddmm"):
                answer = self.json_of("generate", "--target", target, "--op", op, "--format", "bsr8x8", "-o", target)
                name = answer["kernel"]
                self.assertTrue((self.folder / target / f"{name}.o").read_bytes().startswith(b"\x7fELF"))
                self.assertIn(name, (self.folder / target / f"{name}.s").read_text(encoding="utf-8"))
                self.assertIn("define", (self.folder / target / f"{name}.ll").read_text(encoding="utf-8"))
                self.assertIn(name, (self.folder / target / f"{name}.h").read_text(encoding="utf-8"))

    def test_a_listed_name_can_be_generated_and_inspected(self):
        names = [entry["kernel"] for entry in self.json_of("generate", "--target", "zen4", "--op", "sddmm", "--list")]
        self.assertEqual(len(names), len(set(names)))
        self.json_of("generate", "--kernel", names[-1])
        self.assertTrue((self.folder / f"{names[-1]}.o").exists())
        report = self.json_of("inspect", names[-1])
        self.assertGreater(report["instructions"], 0)
        self.assertEqual(report["spilled_vectors_in_loops"], 0)
        self.assertIn("fma", report["mix"])
        self.assertIn("vfmadd", report["assembly"])

    def test_the_header_is_c(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            self.skipTest("no C compiler")
        files = [self.json_of("generate", "--target", "zen4", "--op", op)["files"][3]
                 for op in ("spmm", "spmm_transposed", "sddmm")]
        (self.folder / "all.c").write_text("".join(f'#include "{f}"\n' for f in files) + "int x;\n", encoding="utf-8")
        subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "all.c"],
                       cwd=self.folder, check=True)

    def test_a_bundle_serves_without_the_plugin(self):
        self.check_works("generate", *SMALL, "--bundle", "bundle")
        self.assertTrue(list((self.folder / "bundle").glob("*.lko")))
        done = self.check_works("bench", *SMALL, "--no-baselines", "--rounds", "2", LACUNA_BUNDLE=str(self.folder / "bundle"),
                                LACUNA_CODEGEN_PLUGIN="/nowhere/plugin.so")
        self.assertIn("kernel", done.stdout)


class ReportTest(CommandTest):
    def test_bench_reports_rates_and_baselines(self):
        result = self.json_of("bench", *SMALL, "--rounds", "3")
        self.assertGreater(result["gflops"], 0)
        self.assertGreater(result["peak_gflops"], 0)
        self.assertEqual(result["peak_instruction"], "f32 FMA")
        self.assertEqual([b["name"].split()[0] for b in result["baselines"]], ["OpenBLAS", "oneDNN"])
        for baseline in result["baselines"]:
            if baseline["missing"]:
                self.assertIn("apt-get install", baseline["missing"])
            else:
                self.assertGreater(baseline["speedup"], 0)

    def test_bench_says_whether_the_kernel_was_tuned(self):
        quick = ("--rounds", "2", "--no-baselines")
        self.assertIn("note: not tuned yet for 1 thread: --tune does", self.check_works("bench", *SMALL, *quick).stderr)
        self.assertIn("(measured)", self.check_works("bench", *SMALL, *quick, "--tune").stdout)
        self.assertNotIn("not tuned", self.check_works("bench", *SMALL, *quick).stderr)

    def test_bench_of_every_operation_and_layout(self):
        for op in ("spmm", "spmm_transposed", "sddmm"):
            for layout in ("row", "col"):
                self.json_of("bench", *SMALL, "--rounds", "2", "--op", op, "--layout-b", layout, "--layout-c", layout)

    def test_doctor_finds_what_there_is(self):
        report = self.json_of("doctor")
        found = {finding["subject"]: finding for finding in report["findings"]}
        self.assertTrue(found["cache folder"]["good"])
        self.assertFalse(found["machine profile"]["good"])
        self.assertIn("lacuna probe", found["machine profile"]["advice"])
        self.assertFalse({f["subject"]: f for f in json.loads(self.run_it(
            "doctor", "--json", LACUNA_CODEGEN_PLUGIN="/nowhere/plugin.so").stdout)["findings"]}["code generator"]["good"])

    def test_without_avx512_it_says_so(self):
        done = self.check_works("tune", *SMALL, LACUNA_MAX_VECTOR_BITS="256")
        self.assertNotIn("error", done.stderr)
        target = json.loads(self.run_it("probe", "--dry-run", "--budget", "0.1", "--json",
                                        LACUNA_MAX_VECTOR_BITS="256").stdout)["target"]
        self.assertEqual(target["vector_bits"], 256)


if __name__ == "__main__":
    main()
