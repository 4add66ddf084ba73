"""The lab of tests/linux, for guests in QEMU."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "linux"))

from lab_fixture import lab, pytest_runtest_makereport, pytest_sessionfinish  # noqa: E402, F401
