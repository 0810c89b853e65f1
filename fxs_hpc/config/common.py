"""Sections that several commands share."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from fxs_hpc.config.fields import Index, No, Positive, Section, respelled, setting

SettingsVersion = str | float
Dimensions = Literal[2, 3]
WeightKind = Annotated[Literal["midpoint", "trapz", "gauss", "Zernike"], respelled({"zernike": "Zernike"})]


def dimensions() -> Any:
    """The `dimensions` field that several commands share."""
    return setting(3, "dimensions of the density")


def settings_version() -> Any:
    """The `settings_version` field that all commands share."""
    return setting(0.01, "version of the settings layout", only=(0.01, "0.01"), instead="only version 0.01 exists")


class FourierTransform(Section):
    """Radial (Hankel) transform."""

    type: WeightKind = setting("midpoint", "quadrature of the radial transform")
    reciprocity_coefficient: Positive = setting(1.0, "x in R q_max = x N (radius of the grid, largest q, number of radial points)")
    allow_weight_calculation: bool = setting(
        True, "compute the transform's weights", only=(True,), instead="weights are always computed, in seconds"
    )
    allow_weight_saving: bool = setting(
        True, "kept for existing files: weights are recomputed in seconds and no weight file is needed, so both values give the same"
    )

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """`pi_in_q` is the older way to say x = pi (True) or 1/2 (False)."""
        if "pi_in_q" not in tree:
            return tree
        flag = tree.pop("pi_in_q")
        if not isinstance(flag, bool):
            raise ValueError("pi_in_q must be True or False")
        x = math.pi if flag else 0.5
        if tree.get("reciprocity_coefficient", x) != x:
            raise ValueError("pi_in_q and reciprocity_coefficient contradict each other; keep reciprocity_coefficient")
        return {**tree, "reciprocity_coefficient": x}


class FourierTransform2(FourierTransform):
    """Radial (Hankel) transform."""

    reciprocity_coefficient: Positive = setting(2.0, "x in R q_max = x N (radius of the grid, largest q, number of radial points)")


class Gpu(Section):
    """Graphics card."""

    use: bool = setting(True, "use a GPU where one can be used; without one the CPU does the work and the run says so")
    n_gpu_workers: Index = setting(1, "kept for existing files: one process per GPU is enough", only=None)


class MaxQ(Section):
    """Radial and angular grid."""

    alternates: ClassVar[Mapping[str, str]] = {"n_radial_grid_points": "n_radial_points"}

    max_q: Positive | No = setting(False, "largest momentum transfer", "1/A")
    n_phi: Index = setting(0, "number of azimuthal grid points; 0 = chosen from the orders")
    n_theta: Index = setting(0, "number of polar grid points; 0 = chosen from the orders")
