"""What the scripts in the stage directories call: the reference program's command line -> `fxs-hpc emc STAGE CONFIG ...`."""

import sys
from pathlib import Path

from fxs_hpc.cli.main import main
from fxs_hpc.config.ini import FILE_NAME

RESPELLED = {"-intens": ["--intens"], "-low": []}
"""Options of the reference program -> ours."""


def launch(stage: str, script: str) -> None:
    """Run `stage` with the arguments that this process got; without a config.ini among them, that of the working directory."""
    main.main(["emc", stage, *arguments(sys.argv[1:], Path(script).resolve().parents[1] / FILE_NAME)], prog_name="fxs-hpc")


def arguments(given: list[str], default: Path) -> list[str]:
    """Arguments in our order: config.ini first.

    Parameters
    ----------
    given : list of str
        As typed; the reference takes options before the config file too.
    default : Path
        The config.ini that is meant where none is given.
    """
    config = [text for text in given if text.endswith(".ini")]
    rest = [word for text in given if not text.endswith(".ini") for word in RESPELLED.get(text, [text])]
    return [*(config or [str(default)]), *rest]
