# SPDX-License-Identifier: Apache-2.0
"""What tests of the `lacuna` command share. The first argument of each is the command's path."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

LACUNA = pathlib.Path(sys.argv[1]).resolve()


def npy(rows):
    """The bytes of a float32 .npy file."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header = header.ljust(117) + "\n"
    data = b"".join(struct.pack("<f", x) for row in rows for x in row)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lacuna-command-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        self.environment = dict(os.environ, LACUNA_HOME=str(self.home), OMP_NUM_THREADS="1")

    def run_it(self, *arguments, **environment):
        return subprocess.run([LACUNA, *map(str, arguments)], env={**self.environment, **environment}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, check=False)

    def check_fails(self, code, message, *arguments, **environment):
        """Exit status, message and next step on stderr, nothing on stdout."""
        done = self.run_it(*arguments, **environment)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = done.stderr.splitlines()
        errors = [i for i, line in enumerate(lines) if line.startswith("lacuna: error: ")]
        self.assertEqual(len(errors), 1, done.stderr)
        self.assertIn(message, lines[errors[0]])
        self.assertTrue(lines[errors[0] + 1].startswith("lacuna: "), done.stderr)
        self.assertEqual(done.stdout, "")

    def check_works(self, *arguments, **environment):
        done = self.run_it(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def json_of(self, *arguments):
        return json.loads(self.check_works(*arguments, "--json").stdout)

    def records(self):
        return sorted(self.home.glob("v1/*/records/*.json"))


def main():
    sys.argv.pop(1)
    unittest.main(module="__main__", verbosity=1)
