"""`make-sym-op`: the operators of the Laue group, aux/sym-op.dat."""

from fxs_hpc.config.emc.orientation import Crystal
from fxs_hpc.emc.symmetry import of_lattice, of_space_group
from fxs_hpc.files.emc import sym_op
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context


def run(context: Context) -> None:
    """Write the operators of `space_group`, or where it is not given of the highest symmetry that the cell allows."""
    name, lattice = context.config.section(Crystal).space_group, inputs.lattice(context)
    group = of_space_group(name, lattice) if name else of_lattice(lattice)
    path = context.home / "aux" / "sym-op.dat"
    sym_op.write(path, group)
    context.say(f"{path}: {len(group)} operators of the Laue group {group.name}")
    if not name:
        cell = " ".join(f"{value:.6g}" for value in lattice.cell)
        context.say(f"  note: config.ini has no space_group; {group.name} is the highest symmetry that the cell {cell} allows")
