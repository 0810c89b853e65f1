"""A working directory with a few small patterns, and the settings to correlate or simulate them."""

from pathlib import Path
from typing import Any

import numpy as np

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import build
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

SHAPE = (40, 44)
CORRELATE: dict[str, Any] = {
    "structure_name": "shots",
    "image_dimensions": list(SHAPE),
    "pixel_size": 800.0,
    "sample_distance": 300.0,
    "detector_origin": [19.6, 20.9],
    "phi_range": [0.0, 2 * np.pi, 48, "exact"],
    "batch_size": 4,
    "n_processes": 2,
    "IO": {"files": {"ccd": {"options": {"save_pictures": False}}}},
}
SIMULATE: dict[str, Any] = {
    "structure_name": "shots",
    "n_patterns": 10,
    "photons_per_particle": 2e4,
    "image_dimensions": list(SHAPE),
    "pixel_size": 800.0,
    "sample_distance": 300.0,
    "detector_origin": [19.6, 20.9],
    "shapes": {
        "types": ["sphere", "cube", "tetrahedron"],
        "centers": [[30.0, 1.0, 0.3], [25.0, 2.0, 2.5], [30.0, 1.2, 4.4]],
        "sizes": [14.0, 10.0, 18.0],
        "densities": [1.0, 2.0, 1.5],
        "random_orientation": [False, True, True],
    },
    "truth": {"max_order": 12, "n_radial_points": 24, "n_shells": 12},
    "IO": {"files": {"patterns": {"options": {"save_pictures": False, "patterns_per_file": 4}}}},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with nested `changes`."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def write_patterns(home: Path, count: int = 11, seed: int = 0) -> np.ndarray:
    """Raw patterns with a beam stop, hot and NaN pixels; the list; mask.raw. Returns the images."""
    folder = home / "data/fxs/input_files"
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    images = random.poisson(4.0 + 3 * random.random((count, *SHAPE))).astype("<f4")
    images[2, 5:8, 30] = np.nan
    images[7, 30, 10] = 1e5
    mask = np.hypot(*(np.indices(SHAPE) - np.array([19.6, 20.9])[:, None, None])) > 2
    mask.astype("<f4").tofile(folder / "mask.raw")
    for number, image in enumerate(images):
        image.tofile(folder / f"p{number}.raw")
    (folder / "patterns_list.txt").write_text("# comment\n\n" + "".join(f"./p{number}.raw\n" for number in range(count)))
    return images


def context(command: str, tree: dict[str, Any], home: Path, **options: Any) -> tuple[Any, Context]:
    """Settings and surroundings of a command."""
    settings, _ = build(command, tree)
    said: list[str] = options.pop("said", [])
    given = {"threads": 2, "precision": "double", "resume": False, "source": home / "x.yaml", "command_line": "test", "ranks": Alone()}
    return settings, Context(Workspace.of(home, settings), RunConfig(home), say=said.append, **{**given, **options})
