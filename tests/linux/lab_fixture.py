"""What every test here needs: one Lab a file, and 77 for a run in which everything was skipped."""
from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab()
    try:
        made.servers()
        yield made
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """A failure comes with what the programs beside it said."""
    report = (yield).get_result()
    made = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(made, Lab):
        for process in made.processes[-4:]:
            report.sections.append(("said by " + " ".join(process.command)[:100], process.output()[-4000:]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.exitstatus != 0:
        return
    if reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = 77
