#!/usr/bin/env python3
"""The checkers checked: each is given a small tree with one breach planted, and must name it."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import conformance
import includes
import style
import symbols
from sources import code_only

HERE = Path(__file__).resolve().parent
HEADER = "// A thing.\n#pragma once\n"


class Tree(unittest.TestCase):
    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="dashi-tidy-"))
        self.addCleanup(shutil.rmtree, self.root)

    def plant(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        folder = path.parent
        while folder != self.root.parent:
            (folder / "README.md").touch()
            folder = folder.parent
        return path

    def found(self, checker: object) -> list[str]:
        return [str(finding) for finding in checker.check(self.root)]  # type: ignore[attr-defined]


class Includes(Tree):
    def expect(self, name: str, text: str, finding: str) -> None:
        self.plant(name, text)
        self.assertEqual(self.found(includes), [finding] if finding else [])

    def test_a_clean_tree_passes(self) -> None:
        self.plant("core/base/a.hh", HEADER)
        self.expect("core/tcp/a.cc", '#include <vector>\n#include "core/base/a.hh"\n', "")

    def test_a_sibling_is_refused(self) -> None:
        self.plant("core/udp/a.hh", HEADER)
        self.expect("core/tcp/a.cc", '\n#include "core/udp/a.hh"\n',
                    "core/tcp/a.cc:2: core/tcp may not include core/udp (core/udp/a.hh)")

    def test_the_layers_point_one_way(self) -> None:
        self.plant("core/nat/a.hh", HEADER)
        self.expect("core/base/a.cc", '#include "core/nat/a.hh"\n',
                    "core/base/a.cc:1: core/base may not include core/nat (core/nat/a.hh)")

    def test_simulation_never_sees_linux(self) -> None:
        self.plant("core/linux/a.hh", HEADER)
        self.expect("sim/a.cc", '#include "core/linux/a.hh"\n',
                    "sim/a.cc:1: sim may not include core/linux (core/linux/a.hh)")

    def test_a_system_header_in_the_core_is_refused(self) -> None:
        self.expect("core/udp/a.cc", "#include <sys/socket.h>\n",
                    "core/udp/a.cc:1: <sys/socket.h> is not allowed here: no system or library header")

    def test_a_clock_in_the_core_is_refused(self) -> None:
        self.expect("core/udp/a.cc", "#include <chrono>\n", "core/udp/a.cc:1: <chrono> is not allowed here")

    def test_the_type_of_time_may_have_its_header(self) -> None:
        self.expect("core/base/time.hh", HEADER + "#include <chrono>\n", "")

    def test_libpcap_stays_in_its_room(self) -> None:
        self.plant("pcap/read/a.cc", "#include <pcap.h>\n")
        self.expect("sim/lab/a.cc", "#include <pcap.h>\n", "sim/lab/a.cc:1: <pcap.h> only in pcap/read")

    def test_ns3_stays_in_its_room(self) -> None:
        self.plant("sim/ns3/a.cc", "#include <ns3/node.h>\n")
        self.expect("core/linux/a.cc", "#include <ns3/node.h>\n",
                    "core/linux/a.cc:1: <ns3/node.h> only in sim/ns3 and tests/sim/ns3")

    def test_a_slow_library_is_included_once(self) -> None:
        self.plant("core/linux/a.cc", "#include <CLI/CLI.hpp>\n")
        self.expect("core/linux/b.cc", "#include <CLI/CLI.hpp>\n",
                    "core/linux/b.cc:1: <CLI/CLI.hpp> in one .cc only (slow to compile)")

    def test_a_commented_include_is_none(self) -> None:
        self.expect("core/udp/a.cc", "/*\n#include <ctime>\n*/\n", "")

    def test_a_folder_without_a_rule_is_told(self) -> None:
        self.expect("extra/a.cc", "", "extra/a.cc:1: no dependency rule for this folder: add one to tests/tidy/includes.py")


class Style(Tree):
    def breach(self, name: str, text: str) -> str:
        self.plant(name, text)
        findings = self.found(style)
        self.assertEqual(len(findings), 1, findings)
        return findings[0]

    def test_banned_words_are_found(self) -> None:
        for name, text in (
            ("core/a.cc", "std::shared_ptr<int> p;"), ("sim/a.cc", "auto* p = dynamic_cast<A*>(b);"),
            ("sim/a.cc", "bool b = typeid(a) == c;"), ("core/a.cc", "int x = rand();"),
            ("core/a.cc", "double d = 0;"), ("sim/link/a.cc", "float d = 0;"),
            ("core/a.cc", "std::function<void()> f;"), ("core/a.cc", "auto t = clock.now();"),
            ("core/linux/a.cc", "int rx_bytes = 0;"), ("core/a.cc", "int tx = 0;"),
            ("core/a.cc", "void f() { throw 1; }"), ("sim/a.cc", "auto* p = getenv(n);"),
            ("core/a.cc", "void f(int a = 3);"), ("core/a.cc", "std::unordered_map<int, int> m;"),
            ("core/a.cc", "// TO" "DO: later"), ("tests/a.py", "# FIX" "ME"),
        ):
            with self.subTest(text=text):
                self.assertIn(f"{name}:2:", self.breach(name, "\n" + text + "\n"))
                (self.root / name).unlink()

    def test_words_in_comments_strings_and_other_folders_are_not(self) -> None:
        self.plant("core/a.cc", '// a double, rand()\nconst char* k = "dynamic_cast"; /* throw */\nint n = 1\'000;\n')
        self.plant("sim/a.cc", "double seconds = 1; auto t = queue.now();\n")
        self.plant("core/linux/a.cc", "auto t = std::chrono::steady_clock::now();\n")
        self.plant("core/b.cc", "for (int i = 0; i < n; ++i) f(i == 2, i <= 3);\nauto g = [x = 1](int) {};\n")
        self.assertEqual(self.found(style), [])

    def test_a_long_function_is_found(self) -> None:
        body = "  f();\n" * 69
        finding = self.breach("core/a.cc", "namespace dashi {\nclass A {\n void f(int a,\n int b) {\n" + body + "}\n};\n}\n")
        self.assertEqual(finding, "core/a.cc:3: function of 72 lines, at most 70")

    def test_a_long_class_of_short_functions_is_not(self) -> None:
        self.plant("core/a.cc", "class A {\n" + "  int f() {\n return 1; }\n" * 60 + "};\n")
        self.plant("core/b.cc", "constexpr int kTable[] = {\n" + "  1,\n" * 90 + "};\n")
        self.assertEqual(self.found(style), [])

    def test_a_long_file_is_found(self) -> None:
        self.assertEqual(self.breach("core/a.cc", "int a;\n" * 501), "core/a.cc:501: file of 501 lines, at most 500")

    def test_a_long_python_function_is_found(self) -> None:
        self.assertIn("function of 71 lines", self.breach("python/a.py", "def f():\n" + "    pass\n" * 70))

    def test_a_header_without_its_paragraph_is_found(self) -> None:
        self.assertIn("opens with a paragraph", self.breach("core/a.hh", "#pragma once\n"))

    def test_a_header_without_its_guard_is_found(self) -> None:
        self.assertIn("#pragma once", self.breach("core/a.hh", "// A thing.\nint a;\n"))

    def test_a_folder_without_a_readme_is_found(self) -> None:
        self.plant("core/a.cc", "")
        (self.root / "core/README.md").unlink()
        self.assertEqual(self.found(style), ["core:1: no README.md: what lives here, what may not"])

    def test_blanking_keeps_lines_and_columns(self) -> None:
        text = 'a("x//y"); // z\nb(\'"\'); /* c\n */ d(R"(e\nf)");\n'
        blanked = code_only(text)
        self.assertEqual([len(line) for line in text.split("\n")], [len(line) for line in blanked.split("\n")])
        self.assertNotIn("y", blanked)
        self.assertIn("d(R", blanked)


class Conformance(Tree):
    def judged(self, *rows: str) -> list[str]:
        self.plant("scenarios/tcp/a.pkt", "")
        self.plant("tests/core/a_test.cc", "BOOST_AUTO_TEST_SUITE(suite)\nTCP_CASE(works) {}\n// TCP_CASE(gone)\n"
                   "BOOST_AUTO_TEST_CASE(\n    works_too) {}\nBOOST_AUTO_TEST_SUITE_END()\n")
        self.plant("tests/core/b_test.cc", "BOOST_FIXTURE_TEST_SUITE(other, Bench)\nBOOST_AUTO_TEST_CASE(elsewhere) {}\n")
        head = "| rule | what | where |\n| --- | --- | --- |\n"
        self.plant(conformance.TABLE, head + "".join(row + "\n" for row in rows))
        return [finding.split(": ", 1)[1] for finding in self.found(conformance)]

    def test_what_there_is_may_be_named(self) -> None:
        rows = ("| R-1 | a | `suite/works`, `suite/works_too` and `other/elsewhere` |", "| R-2 | a | `scenarios/tcp/a.pkt` |",
                "| R-3 | a | does not apply: no reason |", "| R-4 | a | open: done; no test |", "| R-4 | b | open: no |",
                "| R-5 | a | kept otherwise: better so, `suite/works` |")
        self.assertEqual(self.judged(*rows), [])
        self.assertEqual(conformance.counts(self.root), {"shown": 2, "does not apply": 1, "kept otherwise": 1, "open": 2})

    def test_what_there_is_not_is_found(self) -> None:
        for name in ("suite/gone", "suite/elsewhere", "other/works", "scenarios/tcp/b.pkt", "works"):
            for cell in (f"`suite/works`, `{name}`", f"open: not but `{name}`"):
                with self.subTest(cell=cell):
                    self.assertEqual(self.judged(f"| R-1 | a | {cell} |"), [f"R-1 names no test there is: {name}"])

    def test_a_row_that_is_not_whole_is_found(self) -> None:
        for row in ("| R-1 | a |", "| R-1 | | `suite/works` |", "| R-1 | a | `suite/works` | b |"):
            with self.subTest(row=row):
                self.assertIn("three cells", "".join(self.judged(row)))
        self.assertIn("names no test", "".join(self.judged("| R-1 | a | surely |")))
        self.assertIn("instead", "".join(self.judged("| R-1 | a | kept otherwise: better so |")))
        self.assertIn("already", "".join(self.judged("| R-1 | a | open: b |", "| R-1 | a | open: c |")))


class Symbols(Tree):
    def archive(self, text: str) -> list[str]:
        source = self.plant("a.cc", text)
        compiler = os.environ.get("CXX", "c++")
        subprocess.run([compiler, "-c", "-O1", str(source), "-o", str(self.root / "a.o")], check=True)
        subprocess.run(["ar", "rc", str(self.root / "lib.a"), str(self.root / "a.o")], check=True)
        return list(symbols.check(self.root / "lib.a", HERE / "symbols.allow", "nm", "objdump"))

    def test_containers_pass(self) -> None:
        self.assertEqual(self.archive("#include <vector>\nint f(std::vector<int>& v) { v.push_back(1); return v.at(7); }"), [])

    def test_a_clock_is_found(self) -> None:
        self.assertEqual(self.archive("extern \"C\" int clock_gettime(int, void*); int f() { return clock_gettime(0, nullptr); }"),
                         ["lib.a needs clock_gettime"])

    def test_static_state_is_found(self) -> None:
        self.assertEqual(self.archive("int counter = 1; int f() { static int n; return ++n + counter; }"),
                         ["lib.a keeps f()::n in .bss", "lib.a keeps counter in .data"])


class Programs(Tree):
    """The checkers as ctest calls them: their exit codes."""

    def run_it(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True)

    def test_a_finding_is_printed_and_fails(self) -> None:
        self.plant("core/udp/a.cc", "#include <ctime>\n")
        done = self.run_it(sys.executable, str(HERE / "includes.py"), "--root", str(self.root))
        self.assertEqual((done.returncode, done.stdout), (1, "core/udp/a.cc:1: <ctime> is not allowed here\n"))

    def test_unformatted_code_fails(self) -> None:
        shutil.copy(HERE.parents[1] / ".clang-format", self.root)
        self.plant("core/a.cc", "int a;\n")
        command = ("sh", str(HERE / "format.sh"), os.environ.get("CLANG_FORMAT", "clang-format"), str(self.root))
        self.assertEqual(self.run_it(*command).returncode, 0)
        self.plant("core/b.cc", "int   b ;\n")
        done = self.run_it(*command)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("core/b.cc:1", done.stderr)

    def clang_tidy_of(self, *sources: Path) -> subprocess.CompletedProcess[str]:
        shutil.copy(HERE.parents[1] / ".clang-tidy", self.root)
        self.plant("build/compile_commands.json", json.dumps(
            [{"directory": str(self.root), "file": str(s), "command": f"c++ -std=c++20 -c {s}"} for s in sources]))
        return self.run_it(sys.executable, str(HERE / "clang_tidy.py"), str(self.root / "build"), "--root", str(self.root),
                           "--clang-tidy", os.environ.get("CLANG_TIDY", "clang-tidy"))

    def use_after_move(self, path: str, function: str) -> Path:
        return self.plant(path, "#include <utility>\n#include <string>\nnamespace dashi {\nnamespace {\n"
                          "size_t local(std::string a) {\n  std::string b = std::move(a);\n"
                          "  return a.size() + b.size();\n}\n}  // namespace\n"
                          f"size_t {function}(std::string a) {{ return local(a); }}\n}}\n")

    def test_clang_tidy_reports_a_bug(self) -> None:
        done = self.clang_tidy_of(self.use_after_move("core/a.cc", "f"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("bugprone-use-after-move", done.stdout)

    def test_clang_tidy_looks_at_files_that_do_not_go_together(self) -> None:
        done = self.clang_tidy_of(*(self.use_after_move(f"core/{n}.cc", f"f{n}") for n in "abc"))
        self.assertEqual(done.returncode, 1)
        for name in "abc":
            self.assertIn(f"core/{name}.cc:7:10: error: 'a' used after it was moved", done.stdout)

    def test_clang_tidy_tells_of_what_does_not_compile(self) -> None:
        good = self.plant("core/a.cc", "int f() { return 0; }\n")
        done = self.clang_tidy_of(good, self.plant("core/b.cc", "int g() { return nothing; }\n"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("core/b.cc:1:18: error: use of undeclared identifier", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
