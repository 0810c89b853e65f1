"""A working directory whose FXS chain takes seconds: three spheres, few shells, two loops."""

from pathlib import Path
from typing import Any

import yaml

from fxs_hpc.config import ini

QUIET = {
    "generate_vtk_files": False,
    "plot_error_metrics": False,
    "plot_first_used_invariants": False,
    "plot_reconstructed_deg2_invariants": False,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "simulate_ccd": {
        "dimensions": 3,
        "structure_name": "tiny",
        "grid": {"max_q": 0.2, "n_radial_points": 16, "max_order": 8},
        "shapes": {
            "types": ["sphere"] * 3,
            "centers": [[30.0, 1.57, 0.0], [25.0, 0.7, 2.0], [20.0, 2.0, 4.0]],
            "sizes": [25, 18, 12],
            "densities": [10, 20, 30],
            "random_orientation": [False] * 3,
        },
        "save_vtk_density": False,
    },
    "extract": {"dimensions": 3, "structure_name": "tiny", "max_order": 6},
    "reconstruct": {
        "dimensions": 3,
        "structure_name": "tiny",
        "particle_radius": 60,
        "grid": {"n_radial_points": 16, "max_order": 6},
        "main_loop": {
            "sub_loops": {
                "order": ["main"],
                "main": {"methods": {"HIO": 6, "ER": 4, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": 2},
            }
        },
        "projections": {"reciprocal": {"used_order_ids": list(range(7))}},
        "multi_process": {"n_parallel_reconstructions": 3},
        "IO": {
            "files": {
                "reconstructions": {
                    "options": QUIET
                }
            }
        },
    },
    "average": {
        "structure_name": "tiny",
        "reconstruction_files": ["3d_tiny/{latest}/data.h5"],
        "selection": {"error_limit": 10.0},
        "alignment_error_limit": 100.0,
        "find_rotation": {"r_limit_ids": list(range(2, 8))},
        "model": False,
    },
}


def make_home(folder: Path, slurm: str = "", ranks: int = 1) -> ini.RunConfig:
    """The working directory, loaded."""
    for command, tree in SETTINGS.items():
        path = folder / "settings" / "projects" / "fxs" / command / "tiny.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tree))
    names = "\n".join(f"{command} = tiny" for command in SETTINGS)
    (folder / "config.ini").write_text(f"home_dir = .\n[run]\nthreads = 1\nranks = {ranks}\n[fxs]\n{names}\n[slurm]\n{slurm}\n")
    return ini.load(folder / "config.ini")
