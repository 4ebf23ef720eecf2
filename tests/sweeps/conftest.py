"""Jobs that are small Python scripts."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.sweeps.jobs import Job

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """A job with a number and a script, whose arguments are its folder and those given."""

    def make(number: int, script: str, *arguments: str, **environment: str) -> Job:
        folder = tmp_path / str(number)
        command = (sys.executable, "-c", script, str(folder), *arguments)
        return Job(number, command, folder, tmp_path, environment)

    return make
