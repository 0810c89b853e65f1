"""State between two rounds of refine-orientations: to and from orientations.h5."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.quaternions import quaternions_of
from fxs_hpc.emc.refinement.common import Geometry
from fxs_hpc.emc.refinement.intensities import Heights
from fxs_hpc.emc.refinement.optimiser import Found
from fxs_hpc.emc.refinement.peak_model import LatticeTable, PeakShape
from fxs_hpc.emc.refinement.pixels import pixel_table
from fxs_hpc.emc.refinement.rounds import Model
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, STRAIN
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.emc.orientations import Orientations
from fxs_hpc.stages.emc.refinement_inputs import Problem


@dataclass(frozen=True)
class Standing:
    """Where a refinement stands after a round: its number, the model, and the frames of some blocks."""

    number: int
    model: Model
    found: list[Found]


def columns(found: Found, bright: NDArray, unexplained: NDArray) -> dict[str, NDArray]:
    """The columns of group `frames` (without raw_id, recovered)."""
    covariance = np.linalg.inv(found.information)
    some = np.isfinite(found.gain)
    error = np.degrees(np.sqrt(np.trace(covariance[:, :3, :3], axis1=1, axis2=2)))
    return {
        "quaternion": quaternions_of(found.rotation),
        "rotation": found.rotation,
        "phi": np.where(some, np.exp(found.state[:, LOG_PHI]), 0.0),
        "log_phi": found.state[:, LOG_PHI],
        "strain": found.state[:, STRAIN:LOG_VARIANCE],
        "log_variance": found.state[:, LOG_VARIANCE],
        "log_likelihood": found.gain,
        "covariance": np.where(some[:, None, None], covariance, np.inf),
        "rotation_error": np.where(some, error, np.inf),
        "bright": bright.astype(np.int32),
        "unexplained": unexplained.astype(np.int32),
        "accepted": found.accepted & some,
    }


def found_of(frames: Mapping[str, NDArray], low: int, high: int) -> Found:
    """Frames low .. high - 1 of a file."""
    part = {key: values[low:high] for key, values in frames.items()}
    count = len(part["phi"])
    state = np.zeros((count, STATE))
    state[:, LOG_PHI], state[:, STRAIN:LOG_VARIANCE], state[:, LOG_VARIANCE] = part["log_phi"], part["strain"], part["log_variance"]
    return Found(
        part["rotation"],
        state,
        part["log_likelihood"],
        np.tile(np.eye(STATE), (count, 1, 1)),
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        part["accepted"].astype(bool),
    )


def model_columns(table: LatticeTable, heights: Heights) -> dict[str, NDArray]:
    """Group `model`: the first reflection of each set of equivalents stands for it."""
    _, chosen = np.unique(table.unique, return_index=True)
    return {
        "hkl": np.round(table.hkl[chosen]).astype(np.int32),
        "height": heights.value,
        "sigma": heights.sigma,
        "photon_sigma": heights.photon_sigma,
        "multiplicity": heights.multiplicity,
    }


def shape_of(model: Model) -> dict[str, float]:
    """Attributes of group `model`."""
    shape, geometry = model.shape, model.geometry
    return {
        "reference_width": shape.reference,
        "width": shape.width,
        "mosaicity": shape.mosaicity,
        "radial": shape.radial,
        "shift_x": geometry.x,
        "shift_y": geometry.y,
        "log_distance": geometry.log_distance,
    }


def model_of(made: Problem, stored: Orientations) -> Model:
    """The model after the round that was stored."""
    values = stored.shape
    shape = PeakShape(values["reference_width"], values["width"], values["mosaicity"], values["radial"])
    geometry = Geometry(values["shift_x"], values["shift_y"], values["log_distance"])
    return with_geometry(made, replace(made.model, heights=stored.model["height"], shape=shape), geometry)


def with_geometry(made: Problem, model: Model, geometry: Geometry) -> Model:
    """The model with a corrected detector."""
    if geometry == model.geometry:
        return model
    q = geometry.corrected(made.q, made.geometry.beam * made.geometry.pixel_to_inverse_angstrom)
    return replace(model, geometry=geometry, pixels=pixel_table(q, made.polar, made.bins))


def fingerprint(made: Problem) -> dict[str, Any]:
    """What a run must share with the one it continues."""
    return {
        "frames": made.frames.count,
        "pixels": len(made.q),
        "reflections": len(made.model.lattice.modulus),
        "sets of equivalents": made.model.heights.size,
        "cell": [round(value, 6) for value in made.lattice.cell],
        "res_cutoff": round(1 / made.options.start_limit, 6),
        "high_res_cutoff": round(1 / made.options.limit, 6),
        "cell_spread": made.options.cell_spread,
        "width_spread": made.options.width_spread,
        "fitted in common": made.options.common.tolist(),
    }


def require_same(text: str, made: Problem, path: object) -> None:
    """Refuse to continue another run.

    Raises
    ------
    SettingsError
        Names what differs.
    """
    then, now = json.loads(text), fingerprint(made)
    other = [f"{key} was {then.get(key)}, is {value}" for key, value in now.items() if then.get(key) != value]
    if other:
        raise SettingsError(f"{path}: made with other settings ({'; '.join(other)}); use these again, or another refine_dir")
