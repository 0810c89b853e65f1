"""Small scripts in the directories of the EMC stages, under the names that the documents of the reference program give its programs.

`cd low-res-emc && make && mpirun -np N ./emc ../config.ini ITER` works as printed there: there is nothing to compile, and each script runs
one stage of `fxs-hpc emc`.
"""

import sys
from collections.abc import Mapping

from fxs_hpc.stages.emc.stage import Stage
from fxs_hpc.stages.emc.table import STAGES

MAKEFILE = "# Nothing has to be compiled: the programs here are scripts.\nall:\n\t@true\n"

_SCRIPT = '''#!{interpreter}
"""`fxs-hpc emc {stage}`, under the name that the documents give it."""

import os
import sys

try:
    from fxs_hpc.cli.launcher import launch
except ImportError:
    # Another Python than the one that fxs_hpc is installed for.
    os.execv("{interpreter}", ["{interpreter}", *sys.argv])

launch("{stage}", __file__)
'''

_NOTHING_LEFT = """#!/bin/sh
# The reference writes the photons in a second step.
echo "{name}: nothing left to do, ./{done} has written everything"
"""


def scripts() -> Mapping[str, str]:
    """Path in the working directory -> text of every launcher."""
    texts = {f"{stage.folder}/{stage.launcher}": script(stage) for stage in STAGES.values() if stage.launcher}
    texts["reduce-data/wr-data"] = _NOTHING_LEFT.format(name="wr-data", done="reduce-data")
    return texts


def makefiles() -> Mapping[str, str]:
    """Path in the working directory -> text of the Makefiles: the documents say `make` first."""
    return {f"{stage.folder}/Makefile": MAKEFILE for stage in STAGES.values() if stage.launcher and not stage.launcher.endswith(".py")}


def script(stage: Stage) -> str:
    """Text of the launcher of one stage."""
    return _SCRIPT.format(interpreter=sys.executable, stage=stage.name)
