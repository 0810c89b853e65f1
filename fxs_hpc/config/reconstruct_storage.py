"""Folders and files of `reconstruct`, and what is written beside the reconstructions."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from fxs_hpc.config.fields import Index, No, Section, Selection, section, setting
from fxs_hpc.config.simulate_ccd import entry, weights_entry
from fxs_hpc.config.storage import Entry, Options, Storage


class InvariantInputOptions(Options):
    """What is shown and kept of the input."""

    plot_first_invariants: bool = setting(True, "input_Bl.png: the invariants as extract found them, on the radial points of the data")
    plot_range: No | Annotated[tuple[Index, ...], Field(min_length=1, max_length=15)] = setting(
        False, "orders in input_Bl.png, 15 at most; False = the first even ones"
    )
    save_invariant: bool = setting(
        True, "store the invariants that were imposed, V_l V_l^+ on the grid of the reconstruction, as deg_2_invariant in data.h5"
    )


class InvariantInput(Entry):
    """Input file of the invariants."""

    name: str = setting("{dimensions}d_{structure_name}.h5", "file name")
    folder: str = setting("invariants", "key of the folder in IO.folders")
    options: InvariantInputOptions = section(InvariantInputOptions)


class ReconstructionOptions(Options):
    """What is written beside the reconstructions."""

    generate_vtk_files: Selection = setting(
        slice(2), "the ranks (best first) that get VTK files, the worst in addition; True = all, False = none"
    )
    generate_2d_images: bool = setting(
        True, "2D: pics/reconstruction_<id>.png of every reconstruction, density and logarithm of the intensity side by side"
    )
    plot_error_metrics: bool = setting(True, "error_metrics.png")
    plot_first_used_invariants: bool = setting(True, "first_Bl.png")
    plot_reconstructed_deg2_invariants: Selection = setting(slice(0, 3), "the ranks that get <id>_out_Bl.png")
    plot_invariant_error: No | tuple[Index, ...] = setting(
        False, "orders > 0 whose deg2_invariant_l2_diff is recorded in each step and drawn over the steps in invariant_error.png"
    )


class ReconstructionsEntry(Entry):
    """File of the reconstructions."""

    name: str = setting("data.h5", "file name")
    folder: str = setting("results", "key of the folder in IO.folders")
    options: ReconstructionOptions = section(ReconstructionOptions)


class ReconstructStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"home": "data/fxs/"},
        "invariants": {"data": "invariants/"},
        "results": {"data": "reconstructions/{dimensions}d_{structure_name}/{time}/run_{run}/"},
        "vtk_files": {"results": "vtk/"},
        "result_image": {"results": "pics/"},
        "result_image_intensity": {"results": "pics/"},
        "ft_weights": {"data": "ft_weights/"},
    }

    class Files(Section):
        """Files."""

        invariants: InvariantInput = section(InvariantInput)
        reconstructions: ReconstructionsEntry = section(ReconstructionsEntry)
        real_vtk: Entry = entry("real_{reconstruction}.vts", "vtk_files")
        reciprocal_vtk: Entry = entry("reciprocal_{reconstruction}.vts", "vtk_files")
        result_image: Entry = entry("reconstruction_{reconstruction}.png", "result_image")
        result_image_intensity: Entry = entry("reconstruction_{reconstruction}.png", "result_image")
        ft_weights: Entry = weights_entry()

    files: Files = section(Files)
