"""All sections of EMC keys, under the names that config.ini gives them."""

from collections.abc import Mapping

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

SECTIONS: Mapping[str, type[Section]] = {
    "simulate-frames": Simulation,
    "make-detector": Detector,
    "frames": Frames,
    "make-background": Background,
    "make-powder": Peaks,
    "make-quaternion": Rotations,
    "crystal": Crystal,
    "orient-peak": Lattice,
    "reduce-data": Reduction,
    "make-Ematrix": Maps,
    "low-res-emc": Reconstruction,
    "rej-frames": RejectionKeys,
    "local-update": LocalUpdate,
    "refine-orientations": Refinement,
    "resolution": Resolution,
}
