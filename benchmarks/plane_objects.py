"""How often phasing in the plane finds the object: discs, squares, triangles and all of them, simulated, extracted, reconstructed.

    python benchmarks/plane_objects.py [--seeds 10] [--q-max 0.16] [--rings 96] [--order 63] [--set KEY=VALUE ...] [--keep DIR]

Prints, per object, the correlation of the densities (as stored: centred and turned by `fix_orientation`) with the band-limited true
one, over all rotations and inversion; how well the reconstructions agree with each other as they stand; errors; and CPU seconds.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import yaml

from fxs_hpc import fxs
from fxs_hpc.files.ccd import read_plane_model
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.placement import rotated
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

OBJECTS = {
    "discs": ["disc"] * 6,
    "squares": ["square"] * 6,
    "triangles": ["triangle"] * 6,
    "mixed": ["disc", "square", "triangle", "disc", "square", "triangle"],
}
TURNS = 720


def silent(line: str) -> None:
    """Print nothing."""


def simulated(kind: str, given: argparse.Namespace, home: Path) -> fxs.Result:
    """Correlations and invariants of six shapes; centres as in the tutorial."""
    centres = [[0, 0]] + [[140.0, 2 * np.pi * k / 5] for k in range(5)]
    shapes = {"types": OBJECTS[kind], "centers": centres, "sizes": [70, 50, 60, 50, 50, 60], "densities": [25, 50, 25, 50, 25, 50]}
    shapes |= {"random_orientation": [True] * 6}
    common = {"dimensions": 2, "structure_name": kind}
    grid = {"max_q": given.q_max, "n_radial_points": 128, "max_order": given.order}
    ccd = fxs.simulate_ccd({**common, "seed": 3, "grid": grid, "shapes": shapes}, home=home, say=silent)
    fxs.extract({**common, "max_order": given.order}, home=home, say=silent)
    return ccd


def settings(kind: str, given: argparse.Namespace) -> dict:
    """Settings of reconstruct with the changes of the command line."""
    tree: dict = {"dimensions": 2, "structure_name": kind, "particle_radius": 250, "seed": 1}
    tree |= {"grid": {"n_radial_points": given.rings, "max_order": given.order}}
    tree |= {"multi_process": {"n_parallel_reconstructions": given.seeds}, "GPU": {"use": False}}
    wrap = {"sigmas": [[20, [False, 5], -2], False], "thresholds": [0.09, 0.09]}
    tree |= {"projections": {"real": {"shrink_wrap": wrap}}}
    for change in given.set:
        key, _, value = change.partition("=")
        *path, last = key.split(".")
        place = tree
        for name in path:
            place = place.setdefault(name, {})
        place[last] = yaml.safe_load(value)
    return tree


def best(one: np.ndarray, other: np.ndarray, r: np.ndarray) -> float:
    """Largest correlation over all rotations; one by pi is the inversion."""
    waves = [np.fft.rfft(part, axis=1, norm="forward") for part in (one, other)]
    spectrum = np.sum(waves[0] * waves[1].conj() * r[:, None], axis=0)
    norms = [np.mean(np.sum(part**2 * r[:, None], axis=0)) for part in (one, other)]
    return float(np.fft.irfft(spectrum, TURNS, norm="forward").max() / np.sqrt(norms[0] * norms[1]))


def as_they_stand(one: np.ndarray, other: np.ndarray, r: np.ndarray) -> float:
    """Correlation without turning, but for inversion."""

    def correlation(found: np.ndarray) -> float:
        return float(np.sum(one * found * r[:, None]) / np.sqrt(np.sum(one**2 * r[:, None]) * np.sum(found**2 * r[:, None])))

    return max(correlation(other), correlation(rotated(other, np.pi)))


def truth(ccd: fxs.Result, transform: DiscTransform) -> np.ndarray:
    """The object, centred, up to q_max, on the grid of the reconstruction: from the exact amplitudes of its shapes."""
    model = read_plane_model(ccd.file)
    assert model is not None
    figures = model.shapes
    centre = transform.centre_of_mass(plane_shapes.density_on(figures, transform.radial.r, transform.angular.phi))
    q = transform.radial.q[:, None, None] * transform.angular.directions()
    amplitude = np.sum([figure.amplitude(q) for figure in figures], axis=0)
    return transform.density(transform.shifted(amplitude, centre)).real


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--q-max", type=float, default=0.16)
    parser.add_argument("--rings", type=int, default=96)
    parser.add_argument("--order", type=int, default=63)
    parser.add_argument("--objects", nargs="*", default=list(OBJECTS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given, given.keep or Path(folder))


def measure(given: argparse.Namespace, home: Path) -> None:
    """All objects, with results under `home`."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.ini").write_text("home_dir = .\n[run]\nthreads = 1\nprecision = single\n")
    for kind in given.objects:
        ccd = simulated(kind, given, home)
        started = time.process_time()
        found = fxs.reconstruct(settings(kind, given), home=home, say=silent)
        report(kind, ccd, found, time.process_time() - started)


def report(kind: str, ccd: fxs.Result, found: fxs.Result, seconds: float) -> None:
    """One line per object."""
    with h5py.File(found.file) as file:
        results = file["reconstruction_results"]
        densities = [results[key]["last_real_density"][()].real for key in results]
        errors = [results[key]["error_dict/main"][-1] for key in results]
        real, q = file["configuration/internal_grid/real_grid"][()], file["configuration/internal_grid/reciprocal_grid"][:, 0, 0]
    r, n, n_phi = real[:, 0, 0], len(q), real.shape[1]
    radial = RadialGrid(n, float(q[-1] * n / (n - 0.5)), float(found["configuration/reciprocity_coefficient"]), dimensions=2)
    true = truth(ccd, DiscTransform(radial, CircleGrid(n_phi), (n_phi - 1) // 2))
    matches = [best(true, density, r) for density in densities]
    alike = [as_they_stand(densities[0], d, r) for d in densities[1:]]
    good = sum(match > 0.95 for match in matches)
    print(
        f"{kind:10s} {good}/{len(matches)} above 0.95; correlation with the truth "
        f"{min(matches):.3f} .. {np.median(matches):.3f} .. {max(matches):.3f}; with the best as they stand {np.round(sorted(alike), 3)}; "
        f"last error {min(errors):.1e} .. {max(errors):.1e}; {seconds / len(matches):.1f} s CPU each",
        flush=True,
    )


if __name__ == "__main__":
    main()
