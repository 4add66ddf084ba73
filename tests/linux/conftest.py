"""The lab, for the tests of this folder."""
from lab_fixture import lab, pytest_runtest_makereport, pytest_sessionfinish  # noqa: F401
