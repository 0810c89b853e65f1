"""Phasing problems of the small task in `particle`."""

from collections.abc import Callable
from pathlib import Path

import particle
import pytest

from fxs_hpc.stages.fxs import phasing_problem
from fxs_hpc.stages.fxs.phasing_problem import Problem


@pytest.fixture(scope="session")
def particle_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory with the invariants of the particle."""
    return particle.make_home(tmp_path_factory.mktemp("particle"))


@pytest.fixture
def problem_of(particle_home: Path) -> Callable[..., Problem]:
    """Problem of settings with changes, keys with __ for the dots."""

    def make(precision: str = "double", seed: int = 0, **changes: object) -> Problem:
        settings, _ = particle.stage(particle_home, **changes)
        return phasing_problem.problem(settings, particle.invariants(), seed, precision)

    return make
