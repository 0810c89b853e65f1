"""[make-detector]: geometry of the experiment."""

from typing import Annotated

from pydantic import model_validator

from fxs_hpc.config.emc.keys import Auto, FilePath, plausible
from fxs_hpc.config.fields import Count, FiniteReal, Section, setting

_METRES = "is it in metres?"
_BY_FILE = ("num_row", "num_col", "cx", "cy", "detd", "px", "wl")


class Detector(Section):
    """Detector, beam and resolution range."""

    num_row: Annotated[Count | None, Auto] = setting(None, "detector rows (slow axis, x)", "pixels")
    num_col: Annotated[Count | None, Auto] = setting(None, "detector columns (fast axis, y)", "pixels")
    cx: Annotated[FiniteReal | None, Auto] = setting(None, "row of the direct beam", "pixels")
    cy: Annotated[FiniteReal | None, Auto] = setting(None, "column of the direct beam", "pixels")
    Rstop: Annotated[FiniteReal, plausible(0, 1e4, "a radius in pixels is meant")] = setting(
        description="radius of the beam stop", unit="pixels"
    )
    detd: Annotated[FiniteReal | None, plausible(1e-3, 100, _METRES), Auto] = setting(
        None, "distance from the sample to the detector plane", "m"
    )
    px: Annotated[FiniteReal | None, plausible(1e-6, 1e-2, _METRES), Auto] = setting(None, "edge of a pixel", "m")
    wl: Annotated[FiniteReal | None, plausible(0.01, 100, "is it in Angstrom?"), Auto] = setting(None, "wavelength", "Angstrom")
    res_max: Annotated[FiniteReal, plausible(0.3, 1000, "is it in Angstrom?")] = setting(
        description="finest resolution that is kept at all", unit="Angstrom"
    )
    sx: FiniteReal = setting(0.0, "row component of the beam direction (any length)")
    sy: FiniteReal = setting(0.0, "column component of the beam direction")
    sz: FiniteReal = setting(-1.0, "component of the beam direction along the detector normal")
    geometry_file: FilePath | None = setting(None, "CrystFEL .geom file, in place of num_row ... wl")
    mask_file: FilePath | None = setting(None, "pixels to leave out: an HDF5, NumPy, image or text file, non-zero = bad")
    mask_frame: FilePath | None = setting(None, "frame whose negative and saturated pixels (above 32767) are left out")
    holder_half_width: Annotated[FiniteReal | None, plausible(0, 1e4, "pixels are meant"), Auto] = setting(
        None, "half the width of the shadow of a holder that reaches from the beam centre to column 0; none where not given", "pixels"
    )

    @model_validator(mode="after")
    def _complete(self) -> "Detector":
        missing = [name for name in _BY_FILE if getattr(self, name) is None]
        if self.geometry_file is None and missing:
            described = "; ".join(f"{name}: {type(self).model_fields[name].description}" for name in missing)
            raise ValueError(f"missing keys: {', '.join(missing)} ({described}); give them, or a geometry_file")
        if self.sz == 0:
            raise ValueError(
                "sz = 0: the beam would run along the detector; give its component along the detector's normal, -1 for example"
            )
        if self.num_row and self.cx is not None and not 0 <= self.cx < self.num_row:
            raise ValueError(f"cx = {self.cx:g}: the beam centre is off the detector, whose rows are 0 .. {self.num_row - 1} (cx is a row)")
        if self.num_col and self.cy is not None and not 0 <= self.cy < self.num_col:
            raise ValueError(
                f"cy = {self.cy:g}: the beam centre is off the detector, whose columns are 0 .. {self.num_col - 1} (cy is a column)"
            )
        return self
