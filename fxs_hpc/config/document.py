"""Settings explained: a markdown table for the docs, commented YAML for the command line and for `init`.

`python -m fxs_hpc.config.document [FILE]` writes the table.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from fxs_hpc.config.commands import COMMANDS, Command
from fxs_hpc.config.emc.sections import SECTIONS
from fxs_hpc.config.fields import Section, as_tree, extra_of
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp
from fxs_hpc.config.types import of_field

INTRODUCTION = """# Settings of the FXS commands, keys of EMC

Made from the definitions in `fxs_hpc/config` by `python -m fxs_hpc.config.document docs/settings.md`: change them there.
Lengths are in Angstrom, q = 2 pi / period in 1/A. `{command: "expression"}` may stand for any value: numbers, strings, lists,
arithmetic, list comprehensions, `np.arange`, `np.linspace`, `np.pi`, `np.inf` and other functions of numpy, `range`, `len`, `slice`,
`max`, `min`, `Multiprocessing.free_cpus`. Keys that a file does not set take the default. Keys marked *fixed* exist so that files
written for the reference program load; another value is refused.
"""


@dataclass(frozen=True)
class Row:
    """One setting."""

    key: str
    type: str
    default: Any
    unit: str
    description: str
    fixed: bool


def rows(model: type[Section], prefix: str = "", defaults: Section | None = None) -> Iterator[Row]:
    """All settings of `model`, depth first."""
    for name, field in model.model_fields.items():
        key = name if not prefix else f"{prefix}.{name}"
        default = getattr(defaults, name) if defaults is not None else _default(field)
        annotation = field.annotation
        if _is_fixed(model, name, default):
            yield _row(model, name, key, default)
        elif isinstance(annotation, type) and issubclass(annotation, Section) and annotation not in (LinearRamp, ExponentialRamp):
            yield from rows(annotation, key, default if isinstance(default, Section) else None)
        elif named := _named_section(annotation):
            yield from rows(named, f"{prefix}.<block>" if name == "loops" else f"{key}.<method>")
        else:
            yield _row(model, name, key, default)


def _default(field: Any) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _named_section(annotation: Any) -> type[Section] | None:
    inner = [argument for argument in get_args(annotation) if isinstance(argument, type) and issubclass(argument, Section)]
    return inner[0] if inner and getattr(annotation, "__origin__", None) is dict else None


def _is_fixed(model: type[Section], name: str, default: Any) -> bool:
    """Whether no other value than the default works."""
    only = extra_of(model, name).get("only")
    return only is not None and (len(set(map(str, only))) == 1 or default == only)


def _row(model: type[Section], name: str, key: str, default: Any) -> Row:
    field, extra = model.model_fields[name], extra_of(model, name)
    only, fixed = extra.get("only"), _is_fixed(model, name, default)
    words = of_field(field)
    description = field.description or ""
    if only is not None and not fixed:
        description += f" (now: {', '.join(str(value) for value in only)})"
    if fixed:
        description = (f"{description}; " if description else "") + f"*fixed*: {extra.get('instead', '')}".rstrip(": ")
    shown = "(required)" if default is None and field.is_required() else _inline(default)
    return Row(key, words, shown, str(extra.get("unit", "")), description, fixed)


def _inline(value: Any) -> str:
    return yaml.safe_dump(as_tree(value), default_flow_style=True, width=10**6, sort_keys=False).removesuffix("\n...\n").strip()


EMC_INTRODUCTION = """
# Keys of EMC in config.ini

One key a line, `key = value`. The sections only order them: a key counts wherever it stands, as in the files of the reference program.
Relative paths start at `home_dir`. True and False are written yes and no, None (null) auto.
"""


def markdown() -> str:
    """Tables of all commands and of all sections of EMC."""
    parts = [INTRODUCTION]
    for command in COMMANDS.values():
        parts.extend(_table(command.name, command.summary, command.model))
    parts.append(EMC_INTRODUCTION)
    for name, model in SECTIONS.items():
        parts.extend(_table(f"[{name}]", (model.__doc__ or "").splitlines()[0].rstrip("."), model))
    return "\n".join(parts) + "\n"


def _table(name: str, summary: str, model: type[Section]) -> list[str]:
    head = f"\n## {name}\n\n{summary[0].upper()}{summary[1:]}.\n"
    return [head, "| key | type | default | unit | meaning |\n|---|---|---|---|---|", *(_table_line(row) for row in rows(model))]


def _table_line(row: Row) -> str:
    default = row.default if len(row.default) <= 90 else row.default[:87] + "..."
    cells = [f"`{row.key}`", row.type, f"`{default}`", row.unit, row.description]
    return (
        "| "
        + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") if "`" not in cell else cell.replace("|", "\\|") for cell in cells)
        + " |"
    )


def commented_yaml(command: Command, full: bool, active: bool = True) -> str:
    """The defaults of `command` as YAML with a comment per key.

    Parameters
    ----------
    full : bool
        Also the fixed keys and the IO section.
    active : bool
        False puts every value into a comment, so that the file changes nothing until a line is made active.
    """
    lines = [f"# {command.name}: {command.summary}."]
    if not active:
        lines.append(
            "# Every line is a comment and shows the default; remove the # before a key to change the default of all settings here."
        )
    path: list[str] = []
    for row in rows(command.model):
        if not full and (row.fixed or row.key.startswith("IO.")):
            continue
        parts = row.key.split(".")
        if any(part.startswith("<") for part in parts):
            continue
        lines.extend(_headers(parts[:-1], path))
        path = parts[:-1]
        lines.extend(_entry_lines(row, len(path), active))
        if row.key == "main_loop.sub_loops.order":
            lines.extend(_loop_lines(command, len(path), active))
    return "\n".join(lines) + "\n"


def _headers(sections: list[str], path: list[str]) -> list[str]:
    common = 0
    while common < min(len(sections), len(path)) and sections[common] == path[common]:
        common += 1
    return [f"{'  ' * depth}{sections[depth]}:" for depth in range(common, len(sections))]


def _entry_lines(row: Row, depth: int, active: bool) -> list[str]:
    pad, mark = "  " * depth, "" if active and row.default != "(required)" else "#"
    unit = f" [{row.unit}]" if row.unit else ""
    note = f"{row.description}{unit} ({row.type})".strip()
    return [f"{pad}# {note}", f"{pad}{mark}{row.key.rpartition('.')[2]}: {row.default}"]


def _loop_lines(command: Command, depth: int, active: bool) -> list[str]:
    loops = command.model().main_loop.sub_loops.tree()  # type: ignore[attr-defined]
    text = yaml.safe_dump({name: loop for name, loop in loops.items() if name != "order"}, sort_keys=False)
    mark = "" if active else "#"
    return [f"{'  ' * depth}{mark}{line}" for line in text.splitlines()]


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/settings.md").write_text(markdown(), encoding="utf-8")
