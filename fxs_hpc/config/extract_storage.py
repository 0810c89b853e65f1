"""Folders, files and pictures of `extract`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from fxs_hpc.config.fields import Section, section, setting
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.simulate_ccd import entry, weights_entry
from fxs_hpc.config.storage import Entry, Options, Storage

FIELDS = (
    "radial_points",
    "angular_points",
    "xray_wavelength",
    "average_intensity",
    "average_squared_intensity",
    "number_of_particles",
    "dimensions",
    *(f"cross_correlation/{name}" for name in ("I1I1", "I2I1", "I2I2")),
)
"""Fields of ccd.h5 that may have other names."""


class CcdInputOptions(Options):
    """How the correlations are read."""

    type: Literal["direct", "legacy"] = setting("direct", "fields named as now, or, in older files, as `fields` says")
    fields: dict[str, str] = setting({}, "with type legacy: {present name: name in the file} of the fields that have other names")

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, str]) -> dict[str, str]:
        for name in fields:
            if name not in FIELDS:
                raise ValueError(f"the field {name!r} is unknown{suggestion(name, FIELDS)}; known are {', '.join(FIELDS)}")
        return fields

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.type == "legacy") != bool(self.fields):
            raise ValueError(
                "type legacy goes with `fields`, which says what the fields of ccd.h5 are called in the file, for example"
                " {radial_points: q, cross_correlation/I1I1: ccf}"
            )
        return self


class CcdInput(Entry):
    """Input file of the cross-correlations."""

    name: str = setting("{dimensions}d_{structure_name}.h5", "file name; with and without the prefix '<dimensions>d_' are tried")
    folder: str = setting("ccd", "key of the folder in IO.folders")
    options: CcdInputOptions = section(CcdInputOptions)


class InvariantOptions(Options):
    """What is written beside the invariants."""

    create_symlink: bool = setting(True, "let the symlink point to this result")
    plot_first_invariants: bool = setting(True, "PNG of |B_l|, arg B_l and the mask")
    save_invariant: bool = setting(True, "store B_l in proj_data.h5")
    plot_first_ccn: bool = setting(False, "PNG of |C_n|")
    plot_first_invariants_from_proj_matrices: bool = setting(True, "PNG of V_l V_l^+")
    plot_first_projection_matrix_error_estimates: bool = setting(False, "PNG of the relative error of V_l V_l^+ per order and q")
    save_intensity_vtk: bool = setting(False, "intensity_guess.vts from V_l with U_l = 1; in 2D a PNG too")


class InvariantEntry(Entry):
    """File of the invariants."""

    name: str = setting("proj_data.h5", "file name")
    folder: str = setting("invariants_archive", "key of the folder in IO.folders")
    options: InvariantOptions = section(InvariantOptions)


class ExtractStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"base": "data/fxs/"},
        "ft_weights": {"data": "ft_weights/"},
        "ccd": {"data": "ccd/"},
        "invariants": {"data": "invariants/"},
        "invariants_archive": {"invariants": "archive/{dimensions}d_{structure_name}/{date}/run_{run}/"},
    }

    class Files(Section):
        """Files."""

        ccd: CcdInput = section(CcdInput)
        invariants: InvariantEntry = section(InvariantEntry)
        invariant_symlink: Entry = entry("{dimensions}d_{structure_name}.h5", "invariants")
        ft_weights: Entry = weights_entry()

    files: Files = section(Files)
