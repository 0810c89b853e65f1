"""Settings of `average`: alignment and averaging of reconstructions."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from fxs_hpc.config.common import SettingsVersion, settings_version
from fxs_hpc.config.fields import Count, Fraction, Index, Maybe, NotNegative, Positive, Section, section, setting
from fxs_hpc.config.simulate_ccd import entry, unused_entry, weights_entry
from fxs_hpc.config.storage import Entry, Options, Storage, StructureName, structure_name

L2_DEFAULT = 0.05


class MultiProcess(Section):
    """Processes."""

    use: bool = setting(True, "align several reconstructions at a time")
    n_processes: bool | Count = setting(False, "how many at a time, never more than cores; False or True = one per core")


class ReconstructionSelection(Section):
    """Which reconstructions are averaged, and which one is the reference."""

    method: Literal["least_error", "manual"] = setting("least_error", "the reference is the one with the least error, or manual_specifier")
    error_metric: str = setting("main", "error that decides: main, or real.<name>, reciprocal.<name> of the reconstruction's error_dict")
    error_limit: Positive = setting(0.001, "reconstructions whose last error is not below this are left out")
    manual_specifier: tuple[Index, Index] = setting((0, 0), "[file, reconstruction] of the reference, for method manual")
    n_reconstructions: Count | Literal["all"] = setting(100, "largest number of reconstructions, the best by error; or 'all'")
    max_density_range: tuple[Maybe, Maybe] = setting(
        (0.0, None), "reconstructions whose maximum lies outside are left out; None = no limit"
    )


class FindRotation(Section):
    """Rotational alignment."""

    alternates: ClassVar[Mapping[str, str]] = {"r_limit_ids ": "r_limit_ids", "r_limits_ids": "r_limit_ids"}

    r_limit_ids: tuple[Index, ...] = setting(tuple(range(40)), "radial shells (rings) used for the rotational alignment")


class ResolutionMetrics(Section):
    """Resolution curves."""

    PRTF: bool = setting(True, "phase retrieval transfer function")
    FQCB: bool = setting(False, "overlap of the rotational invariants of averaged density and averaged amplitude, which needs no alignment")
    pseudo_FSC: bool = setting(
        False, "Fourier shell correlation between the averaged density and the averaged amplitude; that of two halves, FSC, is always made"
    )


class Normalization(Section):
    """Scale of the reconstructions before averaging."""

    use: bool = setting(True, "normalise each reconstruction")
    mode: Literal["max", "mean"] = setting("max", "what becomes 1: the maximum, or the mean over positive voxels")


class AverageOptions(Options):
    """What is written beside the average."""

    generate_average_vtk: bool = setting(True, "vtk/real_average.vts and vtk/reciprocal_average.vts")
    generate_aligned_vtk: bool = setting(False, "VTK of every aligned reconstruction")
    generate_input_vtk: bool = setting(False, "VTK of every input")
    generate_rotation_metric_vtk: bool = setting(
        False, "3D only: vtk/rotation_metric_<i>_0.vtr, the overlap with the reference over all rotations of each aligned input"
    )
    save_settings: bool = setting(True, "write settings.yaml")
    plot_resolution_metrics: bool = setting(
        True, "PRTF.png, FSC.png, FQCB.png and the picture of the average: sections.png, in the plane average.png"
    )


class AverageEntry(Entry):
    """File of the average."""

    name: str = setting("average_results.h5", "file name")
    folder: str = setting("averaged_results", "key of the folder in IO.folders")
    options: AverageOptions = section(AverageOptions)


class InputOptions(Options):
    """Kept for existing files."""

    generate_vtk_files: bool = setting(True, "no effect here", only=(True,), instead="say it in the settings of reconstruct")


class ReconstructionsEntry(Entry):
    """Input files."""

    name: str = setting("{path}", "file name; {path} is an entry of reconstruction_files")
    folder: str = setting("reconstructions", "key of the folder in IO.folders")
    options: InputOptions = section(InputOptions)


class AverageStorage(Storage):
    """Folders and files."""

    default_folders: ClassVar[Mapping[str, Any]] = {
        "data": {"home": "data/fxs/"},
        "ft_weights": {"data": "ft_weights/"},
        "ccd": {"data": "ccd/"},
        "reconstructions": {"data": "reconstructions/"},
        "averaged_results": {"data": "averages/{dimensions}d_{structure_name}/{time}/run_{run}/"},
        "vtk_results": {"averaged_results": "vtk/"},
    }

    class Files(Section):
        """Files."""

        average_results: AverageEntry = section(AverageEntry)
        reconstructions: ReconstructionsEntry = section(ReconstructionsEntry)
        reconstruction_settings: Entry = unused_entry(
            "{path}/settings.yaml", "reconstructions", "the settings.yaml beside a reconstruction file is read"
        )
        real_vtk: Entry = entry("real_{reconstruction}.vts", "vtk_results")
        reciprocal_vtk: Entry = entry("reciprocal_{reconstruction}.vts", "vtk_results")
        rotation_metric_vtk: Entry = entry("rotation_metric_{reconstruction}_{iteration}.vtr", "vtk_results")
        ft_weights: Entry = weights_entry()

    files: Files = section(Files)


def _one_path(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Average(Section):
    """Align and average reconstructions."""

    settings_version: SettingsVersion = settings_version()
    structure_name: StructureName = structure_name()
    reconstruction_files: Annotated[tuple[str, ...], BeforeValidator(_one_path), Field(min_length=1)] = setting(
        description="data.h5 files, relative to data/fxs/reconstructions/; {today} = today's date,"
        " {latest} = '<date>/run_<n>' of the newest run"
    )
    model: Literal[False] | str = setting(
        "auto",
        "the true density to compare with: False, a path (ccd.h5 of simulate_ccd, or .npz), 'latest' = newest simulated ccd of this"
        " structure,"
        " 'auto' = as 'latest' where the reconstruction leads back to a simulation",
    )
    multi_process: MultiProcess = section(MultiProcess)
    selection: ReconstructionSelection = section(ReconstructionSelection)
    pointinvert_reference: bool = setting(False, "invert the reference, and so the average, through the origin")
    alignment_error_limit: Positive = setting(
        0.5,
        "reconstructions f whose difference from the reference g, int (f - g)^2 / int g^2 (a ratio of squares), is not below this are"
        " left out; another spelling: l2_error_limit",
    )
    find_rotation: FindRotation = section(FindRotation)
    resolution_metrics: ResolutionMetrics = section(ResolutionMetrics)
    load_routine: Literal["load_reconstructions"] = setting("load_reconstructions", "how inputs are read")
    use_masks: bool = setting(False, "search hand, rotation and shift on the densities inside their supports only")
    shifted_mask_threshold: Fraction = setting(0.5, "a voxel belongs to a shifted support from this value on")
    center_reconstructions: bool = setting(True, "shift the centre of mass to the origin")
    normalize_reconstructions: Normalization = section(Normalization)
    average_normalization_min: NotNegative = setting(0.0, "d_min in normalized_real_density = (d - d_min) / (max Re d - d_min)")
    max_iterations: Count = setting(1, "rounds of alignment; from the second on the reference is the average of the round before")
    IO: AverageStorage = section(AverageStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """`l2_error_limit`, documented as the limit, is another spelling of alignment_error_limit."""
        if "l2_error_limit" not in tree:
            return tree
        limit = tree.pop("l2_error_limit")
        # Stored settings of the reference list both, the one without effect at its default.
        if limit != tree.get("alignment_error_limit", limit) and limit != L2_DEFAULT:
            raise ValueError(
                "l2_error_limit is another spelling of alignment_error_limit, and both are given with different values; keep one"
            )
        return {"alignment_error_limit": limit, **tree}
