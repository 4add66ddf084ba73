"""The lab itself: a failure says what happened, and nothing outlives a test."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import HERE, Lab, Process, eventually

FAILING = """
import sys
import time
from pathlib import Path
import pytest
from lab import Lab

@pytest.fixture(scope="module")
def attached(lab: Lab):
    with lab.attached() as dashi:
        yield dashi

def test_fails(lab: Lab, attached):
    lab.start("internet", sys.executable, "-c", "print('a server spoke', flush=True); import time; time.sleep(1000)")
    time.sleep(0.3)
    {body}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not the lab's: the labs inside have one of their own in its place."""
    with tempfile.TemporaryDirectory(prefix="dashi-lab-test-") as name:
        yield Path(name)


def pytest_in_a_lab(folder: Path, body: str, **environment: str) -> subprocess.Popen[str]:
    """A test program of its own, as ctest would start it."""
    (folder / "test_failing.py").write_text(FAILING.format(body=body))
    (folder / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom lab_fixture import *  # noqa: F403\n"
        "from lab_fixture import pytest_runtest_makereport, pytest_sessionfinish\n")
    command = [str(HERE / "in_lab.sh"), sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider",
               str(folder / "test_failing.py")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, **environment})


def test_a_failure_is_told_with_what_the_programs_said(lab: Lab, folder: Path) -> None:
    process = pytest_in_a_lab(folder, "lab.run('guest', 'echo wrong >&2; exit 3')")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "guest: echo wrong >&2; exit 3: 3" in said
    assert "a server spoke" in said
    assert "FileNotFoundError" not in said


def test_a_command_that_hangs_is_a_failure_that_names_it(lab: Lab, folder: Path) -> None:
    process = pytest_in_a_lab(folder, "lab.run('guest', 'echo so far; sleep 1000')", DASHI_TEST_WAIT="3")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "did not end within 3 s" in said
    assert "so far" in said


def test_output_is_known_when_its_file_is_gone(folder: Path) -> None:
    process = Process("", ["echo", "words"], folder / "log")
    assert process.popen.wait(timeout=30) == 0
    process.end()
    process.log.unlink()
    assert process.output() == "words\n"


def everybody() -> str:
    """The command lines of all processes here."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return "\n".join(lines)


@pytest.mark.parametrize("who", ["test", "parent"])
def test_a_killed_test_leaves_nothing_behind(lab: Lab, folder: Path, who: str) -> None:
    """Neither processes nor files; and the next run works."""
    before = set(Path("/tmp").iterdir())
    process = pytest_in_a_lab(folder, "print('up', flush=True); time.sleep(1000)")
    assert process.stdout is not None
    for line in process.stdout:
        if "up" in line:
            break
    assert re.search(r"test_failing|peers\.py", everybody())
    victim = process.pid
    if who == "test":
        victim = int(Path(f"/proc/{victim}/task/{victim}/children").read_text())
    os.kill(victim, signal.SIGKILL)
    process.stdout.close()
    process.wait(timeout=30)
    name = re.compile(re.escape(str(folder)) + "|a server spoke")
    eventually("all that it started is gone", lambda: not name.search(everybody()))
    assert not {path for path in set(Path("/tmp").iterdir()) - before if path.name.startswith("dashi")}
    again = pytest_in_a_lab(folder, "pass")
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0, said
