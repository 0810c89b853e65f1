"""Atoms from PDB and mmCIF files."""

from pathlib import Path

import gemmi
import numpy as np

from fxs_hpc.errors import InputFileError
from fxs_hpc.fluctuation.scatterers import Atoms, FormFactor

KINDS = (".pdb", ".ent", ".cif", ".mmcif", ".gz")


def read_atoms(path: Path, b_factor: float = 0.0, keep_waters: bool = False) -> Atoms:
    """Atoms of the first model, centred at their centre of mass; hydrogens as far as the file has them.

    Parameters
    ----------
    b_factor : of all atoms, in A^2. Those of the file tell of disorder in a crystal.
    keep_waters : also the waters that the file lists.

    Raises
    ------
    InputFileError
        The file is missing, no structure, or has an element without a form factor.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; correct structure_file")
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError) as error:
        raise InputFileError(f"{path}: is no readable PDB or mmCIF file ({error})") from None
    if not keep_waters:
        structure.remove_waters()
    if not len(structure):
        raise InputFileError(f"{path}: holds no model")
    found: dict[str, list[list[float]]] = {}
    weights, masses = [], []
    for place in structure[0].all():
        atom = place.atom
        found.setdefault(atom.element.name, []).append([*atom.pos.tolist(), atom.occ])
        weights.append(atom.element.weight * atom.occ)
        masses.append(atom.pos.tolist())
    if not found:
        raise InputFileError(f"{path}: holds no atoms")
    centre = np.average(masses, axis=0, weights=weights)
    table = {element: np.array(rows) for element, rows in found.items()}
    return Atoms(
        positions={element: rows[:, :3] - centre for element, rows in table.items()},
        occupancies={element: rows[:, 3] for element, rows in table.items()},
        factors={element: _factor(path, element) for element in table},
        b_factor=b_factor,
    )


def _factor(path: Path, element: str) -> FormFactor:
    coefficients = gemmi.Element(element).it92
    if coefficients is None:
        raise InputFileError(f"{path}: there is no form factor for the element {element!r}; remove or rename its atoms")
    return FormFactor(tuple(coefficients.a), tuple(coefficients.b), float(coefficients.c))
