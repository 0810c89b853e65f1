"""The stages of EMC in the order of the work: what runs each, what it reads of config.ini.

Command line, `fxs-hpc check`, launchers and the documentation read this table.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from fxs_hpc.config.emc.background import Background, Frames, Peaks
from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.orientation import Crystal, Lattice, Maps, Rotations
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.config.emc.rejection import RejectionKeys
from fxs_hpc.config.emc.resolution import Resolution
from fxs_hpc.config.emc.simulation import Simulation
from fxs_hpc.config.fields import Section


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name : str
        As typed.
    launch : {'serial', 'mpi'}
        Whether it gains from several ranks.
    folder : str
        Directory of the stage in the working directory.
    summary : str
        One line for `--help`.
    sections : tuple
        What it reads of config.ini, checked before any work.
    launcher : str
        Name of a script in `folder` that runs it, as the documents of the reference program call it.
    reads, makes : tuple of str
        Files and folders, relative to the working directory; `{key}` stands for the value of a key of config.ini.
    arguments : tuple of str
        What a chain of stages puts behind the config file; `{key}` as above.
    iterating : bool
        Whether it goes on after its last complete iteration.
    timed : bool
        Whether it takes `--time-limit`, and stops in order at SIGUSR1.
    judges : bool
        Whether its module says by `standing(keys)` how far it has come; that of an iterating stage always does.
    chained : bool
        Whether it belongs to the chain from raw frames to intensities.
    """

    name: str
    launch: Literal["serial", "mpi"]
    folder: str
    summary: str
    sections: tuple[type[Section], ...]
    launcher: str = ""
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    iterating: bool = False
    timed: bool = False
    judges: bool = False
    chained: bool = True

    @property
    def module(self) -> ModuleType:
        """The module with `run` and, for most, `plan`."""
        return importlib.import_module("fxs_hpc.stages.emc." + self.name.replace("-", "_").lower())


_ROWS = (
    Stage(
        "simulate-frames",
        "mpi",
        "simulate-frames",
        "Simulated stills of a crystal, and the truth about them.",
        (Detector, Lattice, Crystal, Simulation),
        makes=("simulate-frames/truth.h5", "simulate-frames/truth.npz", "{sim_dir}"),
        chained=False,
    ),
    Stage("make-mask", "serial", "make-detector", "Pixels that must not be used.", (Detector, Frames), "make-mask.py", chained=False),
    Stage(
        "make-detector",
        "serial",
        "make-detector",
        "Geometry, polarisation, solid angle of the usable pixels.",
        (Detector, Frames),
        "det.o",
        reads=("{geometry_file}", "{mask_file}", "{mask_frame}"),
        makes=("make-detector/rec-vectors.bin", "make-detector/pix-map.bin", "make-detector/rec2pix-map.bin"),
    ),
    Stage(
        "make-filelists",
        "serial",
        "make-background",
        "Which raw frames there are, and where their results go.",
        (Detector, Frames),
        "make-filelists.py",
        chained=False,
    ),
    Stage(
        "make-background",
        "mpi",
        "make-background",
        "Radial background and peaks of each frame.",
        (Detector, Frames, Background),
        "ave_bg",
        reads=("make-detector/rec-vectors.bin",),
        makes=("make-background/frames.dat",),
    ),
    Stage(
        "make-powder",
        "serial",
        "make-powder",
        "Pseudo-powder patterns of the peaks, to find the cell.",
        (Detector, Frames, Peaks),
        "powder.o",
        reads=("make-background/frames.dat",),
        makes=("make-powder/1d-pseudo-powder.dat", "make-powder/2d-pseudo-powder.dat"),
    ),
    Stage(
        "make-quaternion",
        "serial",
        "make-quaternion",
        "Samples of the rotation group.",
        (Rotations,),
        "make-rot-samples.py",
        makes=("{quat_file}",),
    ),
    Stage(
        "orient-peak",
        "mpi",
        "orient-peak",
        "Orientations that explain the peaks of each frame.",
        (Detector, Frames, Peaks, Rotations, Lattice),
        "orient.o",
        reads=("aux/basis-vec.dat", "make-detector/rec-vectors.bin", "make-background/frames.dat", "{quat_file}"),
        makes=("orient-peak/num_prob_orien.dat",),
    ),
    Stage(
        "reduce-data",
        "mpi",
        "reduce-data",
        "Select and order frames, store their photons.",
        (Detector, Frames, Background, Peaks, Rotations, Reduction),
        "reduce-data",
        reads=("make-background/frames.dat", "orient-peak/num_prob_orien.dat"),
        makes=("{mpi_datafile}", "{prob_orien_file}", "{reduced_data_id_file}", "aux/reduced-peakfiles.dat"),
    ),
    Stage(
        "convert-data",
        "mpi",
        "reduce-data",
        "Reduced frames in the other form: compressed store to dense files, or back.",
        (Background, Reduction),
        reads=("{mpi_datafile}",),
        chained=False,
    ),
    Stage(
        "make-Ematrix",
        "mpi",
        "make-Ematrix",
        "Which pixels see which reflections.",
        (Detector, Rotations, Lattice, Reduction, Maps),
        "emat",
        reads=("aux/basis-vec.dat", "make-detector/rec-vectors.bin", "{quat_file}", "{prob_orien_file}"),
        makes=("{r2peak_file}", "{peak2r_file}"),
    ),
    Stage(
        "init-phi",
        "serial",
        "aux",
        "Scale factors to start from.",
        (Detector, Peaks, Reduction, Reconstruction),
        "init-phi.py",
        reads=("aux/reduced-peakfiles.dat",),
        makes=("{start_phi_file}",),
    ),
    Stage(
        "make-sym-op",
        "serial",
        "aux",
        "Symmetry operators of the Laue group.",
        (Crystal,),
        "make-sym-op.py",
        reads=("aux/basis-vec.dat",),
        makes=("aux/sym-op.dat",),
    ),
    Stage(
        "low-res-emc",
        "mpi",
        "low-res-emc",
        "The low-resolution intensity, iteration by iteration.",
        (Detector, Background, Rotations, Lattice, Maps, Reduction, Reconstruction),
        "emc",
        reads=("{mpi_datafile}", "{prob_orien_file}", "{r2peak_file}", "{start_phi_file}", "aux/sym-op.dat"),
        makes=("{prob_dir}",),
        arguments=("{low_res_iterations}", "--resume", "--until-converged"),
        iterating=True,
        timed=True,
    ),
    Stage(
        "move-recon-files",
        "serial",
        "low-res-emc",
        "Put a finished low-resolution reconstruction away.",
        (Reconstruction,),
        "move-recon-files.py",
        reads=("{prob_dir}",),
        makes=("{prob_dir}/low-res-recon-0",),
        judges=True,
    ),
    Stage(
        "rej-frames",
        "serial",
        "rej-frames",
        "Leave out frames without a crystal, or with several.",
        (Detector, Frames, Peaks, Rotations, Lattice, Reduction, Reconstruction, RejectionKeys),
        "rej-frames.py",
        reads=("{prob_dir}/low-res-recon-0", "aux/reduced-peakfiles.dat", "{quat_file}", "aux/sym-op.dat"),
        makes=("rej-frames/out-phi.dat", "{start_phi_file}"),
    ),
    Stage(
        "evaluate-front-end",
        "mpi",
        "simulate-frames",
        "What the stages up to here found in simulated frames, held against the truth.",
        (Detector, Frames, Background, Peaks, Rotations, Lattice, Reduction, Reconstruction),
        chained=False,
    ),
    Stage(
        "setup-quat",
        "serial",
        "setup-local",
        "Fine rotation samples near the probable orientations.",
        (Detector, Lattice, Rotations, Reconstruction, LocalUpdate),
        "setup-quat.py",
        chained=False,
    ),
    Stage(
        "setup-intens",
        "serial",
        "setup-local",
        "Intensity that the high resolution starts from.",
        (Detector, Lattice, Reconstruction, LocalUpdate),
        "setup-intens.py",
        chained=False,
    ),
    Stage(
        "setup-Ematrix",
        "mpi",
        "setup-local",
        "Which pixels see which reflections in the fine rotations.",
        (Detector, Lattice, Rotations, Reconstruction, LocalUpdate),
        "setup-Ematrix.py",
        chained=False,
    ),
    Stage(
        "local-update",
        "mpi",
        "local-update",
        "High-resolution intensity by EMC near the orientations of low-res-emc.",
        (Detector, Background, Lattice, Rotations, Reduction, Reconstruction, LocalUpdate),
        "emc",
        chained=False,
    ),
    Stage(
        "move-high-recon-files",
        "serial",
        "local-update",
        "Put a finished high-resolution reconstruction away.",
        (Reconstruction,),
        "move-recon-files.py",
        chained=False,
    ),
    Stage(
        "split-data",
        "mpi",
        "cal-CC",
        "Two independent halves of the reduced frames.",
        (Background, Reduction, Reconstruction, LocalUpdate),
        "split-data.py",
        chained=False,
    ),
    Stage(
        "refine-orientations",
        "mpi",
        "refine-orientations",
        "Orientations off the grid, and intensities with error estimates: the way to high resolution.",
        (Detector, Frames, Background, Lattice, Rotations, Reduction, Reconstruction, LocalUpdate, Refinement),
        reads=("{mpi_datafile}", "{prob_orien_file}", "{reduced_data_id_file}", "aux/sym-op.dat", "{quat_file}"),
        makes=("{refine_dir}/history.jsonl",),
        arguments=("{refine_rounds}", "--resume"),
        iterating=True,
    ),
    Stage(
        "cal-CC",
        "serial",
        "cal-CC",
        "CC1/2 of the halves, resolution, merged intensities as MTZ and CrystFEL list.",
        (Detector, Crystal, Lattice, Reconstruction, Refinement),
        "cal-CC.py",
        reads=("{refine_dir}/history.jsonl", "aux/sym-op.dat"),
        makes=("cal-CC/merged.mtz", "cal-CC/merged.hkl"),
    ),
    Stage(
        "make-map",
        "serial",
        "cal-CC",
        "The intensity in reciprocal space as a map: MRC and VTK.",
        (Detector, Lattice, Reconstruction, LocalUpdate, Refinement),
        chained=False,
    ),
    Stage(
        "resolution",
        "mpi",
        "cal-CC",
        "Two halves of the frames, each reconstructed on its own, and how well they agree.",
        (
            *(Detector, Frames, Background, Peaks, Crystal, Lattice, Rotations, Reduction, Maps, Reconstruction, RejectionKeys),
            *(LocalUpdate, Refinement, Resolution),
        ),
        reads=("{refine_dir}/history.jsonl", "cal-CC/merged.mtz"),
        makes=("cal-CC/cc.dat", "cal-CC/shells.csv"),
        arguments=("--resume",),
        iterating=True,
        timed=True,
    ),
)

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in _ROWS}
