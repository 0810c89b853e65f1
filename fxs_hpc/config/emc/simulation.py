"""[simulate-frames]: a crystal experiment that was never done."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from fxs_hpc.config.emc.keys import Auto, FilePath
from fxs_hpc.config.fields import Count, Fraction, Index, NotNegative, Positive, Section, setting


def _numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        numbers = tuple(float(part) for part in value.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != 6:
        raise ValueError("expected six numbers with commas between them, for example 79,79,38,90,90,90")
    return numbers


Cell = Annotated[tuple[Positive, Positive, Positive, Positive, Positive, Positive], BeforeValidator(_numbers)]


class Simulation(Section):
    """Simulated stills; a spread is a standard deviation, of the logarithm where no other is named."""

    sim_frames: Count = setting(1000, "number of frames")
    sim_seed: Index = setting(1, "seed: the same seed gives the same frames on any number of ranks")
    sim_dir: FilePath = setting("input/simulated", "folder of the frames")
    sim_format: Literal["cbf", "hdf5"] = setting("cbf", "cbf: a file for each frame; hdf5: compressed NeXus files with a master file")
    sim_frames_per_file: Count = setting(100, "frames of one HDF5 data file")
    sim_cell: Annotated[Cell | None, Auto] = setting(
        None, "cell a,b,c,alpha,beta,gamma, written to aux/basis-vec.dat where there is none; auto = that of the file", "Angstrom, degrees"
    )
    sim_intensities: Annotated[FilePath | None, Auto] = setting(
        None, "|F|^2 from an .mtz file, a CrystFEL .hkl file or lines `h k l I`; auto = random, by Wilson's statistics"
    )
    sim_peak_photons: Positive = setting(20.0, "mean height of a Bragg peak (at q = 0 for random intensities)", "photons per pixel")
    sim_wilson_b: NotNegative = setting(20.0, "fall-off B of random intensities: exp(-B q^2 / 2)", "Angstrom^2")
    sim_width: Annotated[Positive | None, Auto] = setting(
        None, "width (standard deviation) of a Bragg peak, about 0.4 / crystal size; auto = one voxel", "1/Angstrom"
    )
    sim_width_spread: NotNegative = setting(0.0, "spread of the peak width between crystals")
    sim_mosaicity: NotNegative = setting(0.0, "mosaicity", "degrees")
    sim_mosaicity_spread: NotNegative = setting(0.0, "spread of the mosaicity between crystals")
    sim_cell_spread: Fraction = setting(0.0, "relative spread of each cell length between crystals")
    sim_bandwidth: Fraction = setting(0.0, "relative standard deviation of the wavelength")
    sim_tails: Fraction = setting(0.0, "share of a Bragg peak that lies in tails of twice its width")
    sim_scale_spread: NotNegative = setting(0.5, "spread of the brightness of crystals")
    sim_multiple: Fraction = setting(0.1, "share of frames with two crystals")
    sim_junk: Fraction = setting(0.05, "share of frames with something else than crystals")
    sim_blank: Fraction = setting(0.05, "share of frames with background alone")
    sim_background: NotNegative = setting(2.0, "background where q is small", "photons per pixel")
    sim_water_ring: NotNegative = setting(0.15, "height of the water ring relative to sim_background")
    sim_background_file: Annotated[FilePath | None, Auto] = setting(
        None, "radial background: lines `q photons` with q in 1/Angstrom; auto = a model with a water ring"
    )
    sim_background_spread: NotNegative = setting(0.15, "spread of the background between frames")
    sim_dead_pixels: Index = setting(10, "number of single dead pixels (read as -1), at random places")
    sim_hot_pixels: Index = setting(5, "number of hot pixels, at random places")
    sim_hot_value: Count = setting(500000, "what hot pixels read", "photons")

    @model_validator(mode="after")
    def _shares(self) -> "Simulation":
        total = self.sim_multiple + self.sim_junk + self.sim_blank
        if total > 1:
            raise ValueError(f"sim_multiple + sim_junk + sim_blank = {total:g}: shares of the frames cannot exceed 1 together")
        return self
