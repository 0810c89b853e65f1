"""Running the stage extract in a folder, for the tests of it."""

import yaml

from fxs_hpc.config import ini
from fxs_hpc.config.settings import load
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.stages.fxs import extract
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

SILENT = {
    "plot_first_invariants": False,
    "plot_first_invariants_from_proj_matrices": False,
    "plot_first_projection_matrix_error_estimates": False,
}


def stage(home, said=None, **tree):
    """Settings and context of `tree`, which is written to a file first."""
    path = home / "settings.yaml"
    path.write_text(yaml.safe_dump(tree))
    settings = load("extract", str(path), home).model
    workspace = Workspace.of(home, settings, "1_2_2030")
    say = (said if said is not None else []).append
    return settings, Context(workspace, ini.RunConfig(home), 2, "double", False, path, say, "fxs-hpc fxs extract settings")


def storage(**options):
    """The section IO with options of the invariants."""
    return {"files": {"invariants": {"options": options}}}


def found(home, said=None, **tree):
    """Result folder and what was extracted, without pictures unless `tree` has a section IO."""
    folder = extract.run(*stage(home, said, **{"IO": storage(**SILENT), **tree}))
    return folder, read_proj_data(folder / "proj_data.h5")
