#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`lacuna prune` from outside: the masks it writes, and its errors.

    test_prune.py LACUNA [unittest arguments]
"""
from command_case import CommandTest, main, npy


class PruneTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.rows = [[(-1) ** j * ((7 * i + 5 * j) % 11 + 0.5) for j in range(19)] for i in range(10)]
        (self.folder / "w.npy").write_bytes(npy(self.rows))

    def test_writes_both_kinds_of_file(self):
        for name in ("mask.npy", "mask.npz"):
            answer = self.json_of("prune", "--weights", "w.npy", "--pattern", "2:4", "--output", name)
            self.assertEqual(answer["output"], name)
            self.assertEqual((answer["n"], answer["m"], answer["v"]), (2, 4, 1))
            self.assertEqual((answer["rows"], answer["columns"]), (10, 19))
            self.assertEqual(answer["nonzeros"], 10 * (4 * 2 + 2))
            kept = sum(sum(sorted(map(abs, row[begin:begin + 4]), reverse=True)[:2])
                       for row in self.rows for begin in range(0, 19, 4))
            self.assertAlmostEqual(answer["kept_magnitude"], kept / sum(abs(x) for row in self.rows for x in row))
            text = self.check_works("explain", name, "--threads", "1").stdout
            self.assertIn("10 x 19, 100 nonzeros, density 0.5263, 2:4\n", text)
            self.assertEqual(self.json_of("explain", name, "--threads", "1")["n_of_m"], "2:4")

    def test_rows_share_their_choice(self):
        text = self.check_works("prune", "--weights", "w.npy", "--pattern", "1:8", "--vector", "2", "-o", "v.npy").stdout
        self.assertIn("mask      v.npy: 10 x 19, 30 nonzeros, density 0.1579, 1:8 by 2 rows", text)
        self.assertRegex(text, r"kept +\d+\.\d % of the weights' magnitude")
        self.assertIsNone(self.json_of("explain", "--random", "96x80:16x8:0.3", "--threads", "1")["n_of_m"])

    def test_bad_input(self):
        make = ("prune", "--weights", "w.npy", "--output", "out.npy", "--pattern")
        self.check_fails(2, "--pattern: pattern 'two' is not N:M, for example 2:4", *make, "two")
        self.check_fails(2, "--pattern: pattern 4:4: 4 of a group is not in [1, 3]", *make, "4:4")
        self.check_fails(2, "--vector 0 is not positive", *make, "2:4", "--vector", "0")
        self.check_fails(3, "no.npy", "prune", "--weights", "no.npy", "--pattern", "2:4", "-o", "out.npy")
        self.check_fails(2, "out.txt: a mask is written as .npy or .npz", "prune", "--weights", "w.npy", "--pattern", "2:4",
                         "-o", "out.txt")
        (self.folder / "nan.npy").write_bytes(npy([[1, 0], [float("nan"), 1]]))
        self.check_fails(2, "nan.npy: the weight at row 1, column 0 is nan", "prune", "--weights", "nan.npy", "--pattern",
                         "1:2", "-o", "out.npy")
        (self.folder / "short.npy").write_bytes(npy(self.rows)[:-1])
        self.check_fails(2, "short.npy: ", "prune", "--weights", "short.npy", "--pattern", "2:4", "-o", "out.npy")
        (self.folder / "file").write_text("in the way", encoding="utf-8")
        self.check_fails(4, "file", *make[:3], "--output", "file/below.npy", "--pattern", "2:4")
        self.assertFalse((self.folder / "out.npy").exists())


if __name__ == "__main__":
    main()
