"""A device for the tests of the OpenCL engine: the best GPU that works, else an OpenCL driver for the CPU."""

import os
import sys
from pathlib import Path

import pytest

from fxs_hpc.engine.opencl import choice, devices
from fxs_hpc.engine.opencl.devices import Device

sys.path.insert(0, str(Path(__file__).parents[1]))


@pytest.fixture(scope="session")
def device() -> Device:
    """A device with double precision; the test is skipped where there is none."""
    found, remarks = devices.devices()
    reasons = list(remarks)
    for wanted in ("auto", "cpu"):
        chosen = choice.choose(wanted, True, found, os.environ)
        if chosen.device is not None:
            return chosen.device
        reasons += chosen.reasons
    pytest.skip(f"no OpenCL device: {'; '.join(reasons)}")
