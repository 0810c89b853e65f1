"""Where the true object of a reconstruction is found: the setting `model` of average."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.ccd import read_any_model
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.true_object import Model
from fxs_hpc.stages.fxs.workspace import Workspace, prefixed

MAX_STEPS = 4


@dataclass(frozen=True)
class FoundModel:
    """A true object and the file it was read from."""

    path: Path
    model: Model


def find_model(wanted: str | bool, reconstructions: Sequence[Path], workspace: Workspace, dimensions: int) -> FoundModel | None:
    """The true object that the setting `model` asks for.

    Parameters
    ----------
    wanted : False (none); 'auto': the simulation that the first reconstruction leads back to by the inputs its settings file
        lists, or none; 'latest': the newest simulation of this structure; else a ccd.h5 of `simulate_ccd`, or an .npz with
        density (N, n_theta, n_phi), r, theta, phi, in the plane density (N, n_phi), r, phi.
    dimensions : of the reconstructions.

    Raises
    ------
    InputFileError
        The file asked for is missing, holds no model, or one of other dimensions.
    """
    if wanted is False:
        return None
    if wanted == "auto":
        found = _simulation_behind(reconstructions[0])
        return found if found is not None and _dimensions(found.model) == dimensions else None
    latest = workspace.folder("ccd") / f"{prefixed(workspace.structure_name, dimensions)}.h5"
    path = latest if wanted == "latest" else workspace.home / str(wanted)
    model = _read(path)
    if model is None:
        raise InputFileError(f"{path}: holds no model of the object; set model to the ccd.h5 of simulate_ccd, an .npz file, or False")
    if _dimensions(model) != dimensions:
        raise InputFileError(
            f"{path}: holds an object in {_dimensions(model)} dimensions, the reconstructions have {dimensions}; "
            "set model to the simulation they came from, or to False"
        )
    return FoundModel(path, model)


def _dimensions(model: Model) -> int:
    return model.density.ndim


def _read(path: Path) -> Model | None:
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; the setting model names it as the true object. Set model to False to do without")
    return _read_npz(path) if path.suffix == ".npz" else read_any_model(path)


def _read_npz(path: Path) -> Model:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            density = np.asarray(arrays["density"], dtype=np.float64)
            names = ("r", "phi") if density.ndim == 2 else ("r", "theta", "phi")
            axes = [np.asarray(arrays[name], dtype=np.float64) for name in names]
    except (KeyError, ValueError, OSError) as error:
        raise InputFileError(
            f"{path}: cannot be read ({error}); a model needs the arrays density, r, theta, phi, in the plane density, r, phi"
        ) from error
    if density.shape != tuple(map(len, axes)):
        raise InputFileError(f"{path}: density has shape {density.shape}, {', '.join(names)} ask for {tuple(map(len, axes))}")
    return PlaneModel((), axes[0], axes[1], density) if len(axes) == 2 else shapes.Model((), axes[0], axes[1], axes[2], density)


def _simulation_behind(data: Path) -> FoundModel | None:
    """Follow the inputs that the settings beside a result list, back to a file that holds a model."""
    path = data.resolve()
    for _ in range(MAX_STEPS):
        found = _input_of(path.parent)
        if found is None or not found.is_file():
            return None
        path = found.resolve()
        model = read_any_model(path)
        if model is not None:
            return FoundModel(path, model)
    return None


def _input_of(folder: Path) -> Path | None:
    for name in ("settings.yaml", "extraction_settings.yaml"):
        file = folder / name
        if not file.is_file():
            continue
        try:
            tree: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError:
            continue
        inputs = ((tree or {}).get("provenance") or {}).get("inputs") or {}
        if inputs:
            return Path(next(iter(inputs)))
    return None
