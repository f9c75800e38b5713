#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs a build into a temporary prefix and uses it as a stranger would.

    python3 check_install.py BUILD_FOLDER CMAKE C_COMPILER CXX_COMPILER

Needs a finished build. Writes only below a temporary folder, removed at the end.
"""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PLUGIN = "liblacuna_codegen_llvm.so"
BUILD, CMAKE, CC, CXX = "", "", "", ""  # from the command line


def run(*command, expect=0, **environment):
    """Runs a command and returns its output; fails the test, with that output, on another exit status."""
    environment = {**os.environ, **environment}
    for name in ("LACUNA_CODEGEN_PLUGIN", "LACUNA_BUNDLE"):  # an installed package must find its own
        if environment.get(name) == os.environ.get(name):
            environment.pop(name, None)
    done = subprocess.run([str(part) for part in command], env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}, expected {expect}\n"
                             f"{done.stdout}")
    return done.stdout


def npy_of_blocks(m, k, block):
    """The bytes of a float32 .npy file: ones in every fourth block, as in cpp_program."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({m}, {k}), }}".ljust(117) + "\n"
    columns = -(-k // block)
    kept = ((i // block * columns + j // block) % 4 == 1 for i in range(m) for j in range(k))
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
            b"".join(struct.pack("<f", float(one)) for one in kept))


class InstalledPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.temporary = pathlib.Path(folder.name)
        cls.prefix = cls.temporary / "prefix"
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
        cls.library = next(cls.prefix.rglob("liblacuna.so"))
        cls.plugin = next(cls.prefix.rglob(PLUGIN))

    def build_program(self, name):
        """Configures and builds one of the folders beside this file against the prefix."""
        build = self.temporary / name
        if not (build / "multiply").exists():
            run(CMAKE, "-S", HERE / name, "-B", build, "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_C_COMPILER={CC}",
                f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_PREFIX_PATH={self.prefix}")
            run(CMAKE, "--build", build)
        return build / "multiply"

    def fresh_home(self, name):
        home = self.temporary / "home" / name
        shutil.rmtree(home, ignore_errors=True)
        return str(home)

    def test_c_program_multiplies_correctly(self):
        program = self.build_program("c_program")
        self.assertRegex(run(program, LACUNA_HOME=self.fresh_home("c")), r"^0\.\d+\.\d+: spmm_bsr16x16_f32")

    def test_cpp_program_multiplies_correctly(self):
        program = self.build_program("cpp_program")
        self.assertRegex(run(program, LACUNA_HOME=self.fresh_home("cpp")), r"^0\.\d+\.\d+: spmm_bsr16x16_f32")

    def test_pkg_config_program_multiplies_correctly(self):
        program = self.build_program("pkg_config_program")
        self.assertRegex(run(program, LACUNA_HOME=self.fresh_home("pc")), r"^0\.\d+\.\d+: spmm_bsr16x16_f32")

    def test_a_cached_kernel_runs_without_the_plugin(self):
        program, home = self.build_program("c_program"), self.fresh_home("cached")
        first = run(program, LACUNA_HOME=home)
        second = run(program, LACUNA_HOME=home, LACUNA_CODEGEN_PLUGIN=str(self.temporary / "absent.so"))
        self.assertEqual(first, second)

    def test_without_plugin_and_cache_the_error_says_what_to_install(self):
        program, home = self.build_program("c_program"), self.fresh_home("empty")
        hidden = self.plugin.with_suffix(".hidden")
        self.plugin.rename(hidden)
        self.addCleanup(hidden.rename, self.plugin)
        output = run(program, expect=1, LACUNA_HOME=home)
        self.assertIn(f"error 5: no code generator: {PLUGIN} not found in ", output)
        self.assertIn("install the lacuna-codegen-llvm component, or run `lacuna generate` on a machine that has it",
                      output)

    def test_a_bundle_for_a_named_target_serves_without_plugin_and_cache(self):
        """The target's file lies in the prefix only, so that command and library must find the installed folder."""
        machines = self.prefix / "share" / "lacuna" / "targets"
        text = (machines / "x86-64-v3.yaml").read_text().replace("name: x86-64-v3", "name: only-here")
        (machines / "only-here.yaml").write_text(text)
        self.addCleanup((machines / "only-here.yaml").unlink)
        mask, bundle = self.temporary / "mask.npy", self.temporary / "bundle"
        mask.write_bytes(npy_of_blocks(70, 90, 16))
        run(self.prefix / "bin" / "lacuna", "generate", mask, "--op", "spmm,spmm_transposed,sddmm", "--layout-b", "col",
            "--layout-c", "col", "--n", "19", "--format", "bsr16x16", "--exact", "--target", "only-here", "--bundle",
            bundle, LACUNA_HOME=self.fresh_home("maker"))
        program, absent = self.build_program("cpp_program"), str(self.temporary / "absent.so")
        output = run(program, bundle, "only-here", LACUNA_HOME=self.fresh_home("bundle"), LACUNA_CODEGEN_PLUGIN=absent)
        self.assertRegex(output, "^0.+: spmm_bsr16x16_f32_bcol_ccol_only_here_")
        output = run(program, bundle, "x86-64-v3", expect=1, LACUNA_HOME=self.fresh_home("bundle"),
                     LACUNA_CODEGEN_PLUGIN=absent)
        self.assertIn("error 5: no code generator", output)

    def test_only_the_c_interface_is_exported(self):
        lines = run("nm", "-D", "--defined-only", self.library).splitlines()
        symbols = [line.split()[-1].split("@")[0] for line in lines if line.split()[-2] != "A"]
        self.assertIn("lacuna_plan_execute", symbols)
        self.assertEqual([symbol for symbol in symbols if not symbol.startswith("lacuna_")], [])

    def test_the_plugin_exports_its_two_functions_only(self):
        lines = run("nm", "-D", "--defined-only", self.plugin).splitlines()
        symbols = sorted(line.split()[-1].split("@")[0] for line in lines if line.split()[-2] != "A")
        self.assertEqual(symbols, ["lacuna_codegen_plugin_create", "lacuna_codegen_plugin_version"])

    def test_the_plugin_is_a_component_of_its_own(self):
        prefix = self.temporary / "component"
        run(CMAKE, "--install", BUILD, "--prefix", prefix, "--component", "lacuna-codegen-llvm")
        self.assertEqual([path.name for path in prefix.rglob("*") if path.is_file()], [PLUGIN])

    def test_every_file_has_its_component(self):
        expected = {"lacuna": {"liblacuna.so.0", "zen4.yaml"}, "lacuna-command": {"lacuna", "fashion-mnist-dense.yaml"},
                    "lacuna-dev": {"lacuna.h", "lacuna.hpp", "lacuna.pc", "lacunaConfig.cmake", "liblacuna.so"}}
        seen = {PLUGIN}
        for component, names in expected.items():
            prefix = self.temporary / component
            run(CMAKE, "--install", BUILD, "--prefix", prefix, "--component", component)
            found = {path.name for path in prefix.rglob("*") if not path.is_dir()}
            self.assertLessEqual(names, found, component)
            self.assertTrue(seen.isdisjoint(found), component)
            seen |= found
        installed = {path.name for path in self.prefix.rglob("*") if not path.is_dir()}
        self.assertEqual(seen, installed)

    def test_the_library_needs_no_llvm(self):
        needed = [line for line in run("readelf", "-d", self.library).splitlines() if "(NEEDED)" in line]
        self.assertTrue(needed)
        self.assertEqual([line for line in needed if "LLVM" in line or "z3" in line], [])

    def test_soversion_links(self):
        self.assertTrue(self.library.is_symlink())
        soname = self.library.with_name("liblacuna.so.0")
        self.assertTrue(soname.is_symlink())
        self.assertEqual(soname.resolve(), self.library.resolve())
        self.assertRegex(self.library.resolve().name, r"^liblacuna\.so\.0\.\d+\.\d+$")
        self.assertIn("[liblacuna.so.0]", run("readelf", "-d", self.library))

    def test_installed_headers_stand_alone(self):
        for header, compiler, standard in (("lacuna.h", CC, "-std=c11"), ("lacuna.hpp", CXX, "-std=c++20"),
                                            ("problem.hpp", CXX, "-std=c++20")):
            with self.subTest(header):
                source = self.temporary / ("header.c" if compiler == CC else "header.cpp")
                source.write_text(f"#include <lacuna/{header}>\n")
                run(compiler, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                    "-I", self.prefix / "include", source)

    def test_no_file_names_the_build_machine(self):
        """Text files of the package hold no path of this source or build folder."""
        for path in self.prefix.rglob("*"):
            if path.suffix in {".pc", ".cmake", ".h", ".hpp", ".yaml"}:
                self.assertNotIn(str(HERE.parents[1]), path.read_text(), path)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: check_install.py BUILD_FOLDER CMAKE C_COMPILER CXX_COMPILER")
    BUILD, CMAKE, CC, CXX = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
