"""[refine-orientations]: orientations off the grid."""

from typing import Annotated, Literal

from fxs_hpc.config.emc.keys import Auto, FilePath, Switch
from fxs_hpc.config.fields import Count, Fraction, NotNegative, Positive, Section, setting


class Refinement(Section):
    """Orientations off the grid, and intensities with error estimates."""

    refine_dir: FilePath = setting("Data/off-grid", "folder of the iter_flag-N results of refine-orientations")
    refine_rounds: Count = setting(3, "rounds of refine-orientations in a chain of stages")
    refine_starts: Count = setting(8, "different candidate orientations that a frame is refined from")
    start_error: Positive = setting(1.2, "error of the nearest candidate: half the step of the rotation samples", "degrees")
    peak_width: Annotated[Positive | None, Auto] = setting(
        None, "standard deviation of a peak to start from; auto = 0.4 gw voxels", "1/Angstrom"
    )
    fit_peak_shape: Switch = setting(True, "estimate peak width, mosaicity and radial width, common to all frames")
    fit_geometry: Literal["no", "centre", "centre and distance"] = setting(
        "no", "estimate corrections of the detector: no, centre, or centre and distance"
    )
    cell_spread: NotNegative = setting(0.0, "relative standard deviation of the cell lengths of single crystals; 0 = one cell for all")
    width_spread: NotNegative = setting(0.0, "standard deviation of the logarithm of s^2 between crystals; 0 = one width for all")
    unexplained_share: Fraction = setting(0.15, "share of its bright pixels that a frame may leave unexplained")
    unexplained_few: Count = setting(2, "unexplained pixels that are always allowed")
    refine_recover: Switch = setting(False, "after the last round search the raw frames that reduce-data left out, as --recover")
    refine_second_lattice: Switch = setting(False, "after the last round look for second crystals, as --second-lattice")
    mask_hot_pixels: Switch = setting(True, "leave out pixels that stand out of the background in far too many frames")
    refine_block: Count = setting(64, "frames that are read and refined together")
