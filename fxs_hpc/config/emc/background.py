"""[make-background] and [make-powder]: raw frames, radial background, peaks."""

from typing import Annotated, Literal

from pydantic import model_validator

from fxs_hpc.config.emc.keys import Auto
from fxs_hpc.config.fields import Count, Fraction, Positive, Section, setting


class Frames(Section):
    """Where the raw frames are."""

    frames: str | None = setting(
        None, "raw frames: a glob, a list file or an HDF5 file; else make-background/cbflist.dat"
    )
    num_raw_data: Annotated[Count | None, Auto] = setting(None, "number of raw frames; auto = as many as are found")
    frame_dataset: str | None = setting(None, "dataset of the frames in HDF5 files, where it cannot be found out")
    adu_per_photon: Positive = setting(1.0, "detector units that a photon makes: raw values are divided by it")
    max_failed_frames: Fraction = setting(0.05, "share of frames that may be unreadable before the run stops")


class Background(Section):
    """Radial background and outliers."""

    hot_pix_thres: Positive = setting(description="pixels above are dead", unit="photons")
    qlen: Count = setting(description="number of radial bins of the background")
    ring_rule: Literal["robust", "reference"] = setting(
        "robust", "which radial bins count as rings: robust, or reference (its 5 per cent rule, which fires on noise)"
    )


class Peaks(Section):
    """Peaks accepted for indexing."""

    min_patch_sz: Count = setting(description="least pixels of a peak", unit="pixels")
    max_patch_sz: Count = setting(description="most pixels of a peak", unit="pixels")
    min_num_peak: Count = setting(description="least peaks of a frame, and least distinct reflections that an orientation must explain")
    max_num_peak: Count = setting(description="most peaks of a frame")

    @model_validator(mode="after")
    def _ordered(self) -> "Peaks":
        for low, high in (("min_patch_sz", "max_patch_sz"), ("min_num_peak", "max_num_peak")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} = {getattr(self, low)} is larger than {high} = {getattr(self, high)}; exchange them")
        return self
