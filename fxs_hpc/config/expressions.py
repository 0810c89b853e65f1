"""The closed grammar of `command:` strings: arithmetic, lists and a few numpy functions, never `eval`.

A string is parsed into Python's syntax tree and walked; a node, name or function that is not listed here is refused. Every
intermediate value is bounded, so that no expression can exhaust memory or time.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fxs_hpc.config.nearest import suggestion
from fxs_hpc.errors import SettingsError

MAX_ITEMS = 200_000
MAX_WORK = 10 * MAX_ITEMS
MAX_STRING = 10_000
MAX_EXPONENT = 1_000
MAX_INTEGER = 10**300
MAX_TEXT = 10_000
MAX_STEPS = 100_000

CONSTANTS = {"pi": math.pi, "inf": math.inf, "e": math.e, "nan": math.nan}
NUMPY_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        "arange linspace logspace geomspace array asarray ones zeros full concatenate sqrt sin cos tan arcsin arccos arctan arctan2 exp log"
        " log2 log10 abs floor ceil round deg2rad rad2deg radians degrees sum min max mean prod cumsum minimum maximum"
    ).split()
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    f.__name__: f for f in (range, len, slice, int, float, bool, max, min, abs, sum, list, tuple, round, sorted)
}
BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_}
COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def evaluate(text: str, names: Mapping[str, Any] | None = None) -> Any:
    """Value of the expression `text`.

    Parameters
    ----------
    text : str
        For example ``"np.arange(20,80,2)"`` or ``"[(140.0,np.pi/2,phi*2*np.pi/5) for phi in range(5)]"``.
    names : mapping, optional
        Dotted names that stand for plain values, for example ``{"Multiprocessing.free_cpus": 2}``.

    Raises
    ------
    SettingsError
        If the text is no expression, uses anything outside the grammar, or would grow beyond the bounds of this module.
    """
    if len(text) > MAX_TEXT:
        raise SettingsError(f"command: the expression has {len(text)} characters, at most {MAX_TEXT} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _Evaluator(dict(names or {})).value(tree.body)
    except SettingsError as error:
        raise SettingsError(f"command {_short(text)}: {error}") from None
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise SettingsError(f"command {_short(text)}: not an expression ({type(error).__name__})") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise SettingsError(f"command {_short(text)}: {error}") from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")


def _refuse(what: str) -> SettingsError:
    return SettingsError(
        f"{what} not allowed here; allowed are numbers, strings, lists, arithmetic, list comprehensions, np.<function>, range, len,"
        " slice, max, min and the like"
    )


class _Evaluator:
    """Walks one expression; counts its steps and the items that it makes on the way."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.steps = 0
        self.work = 0

    def value(self, node: ast.expr) -> Any:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise SettingsError(f"takes more than {MAX_STEPS} steps to evaluate")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise _refuse(f"{type(node).__name__} is")
        result = _bounded(method(node))
        self.work += _items(result)
        if self.work > MAX_WORK:
            raise SettingsError(f"makes more than {MAX_WORK} items on the way")
        return result

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (bool, int, float, str)) or node.value is None:
            return node.value
        raise _refuse(f"the constant {node.value!r} is")

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.value(item) for item in node.elts)

    def _list(self, node: ast.List) -> Any:
        return [self.value(item) for item in node.elts]

    def _dict(self, node: ast.Dict) -> Any:
        if any(key is None for key in node.keys):
            raise _refuse("** is")
        return {self.value(key): self.value(item) for key, item in zip(node.keys, node.values, strict=True) if key is not None}

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        raise SettingsError(f"the name {node.id!r} is unknown{suggestion(node.id, [*self.names, *FUNCTIONS, 'np'])}")

    def _attribute(self, node: ast.Attribute) -> Any:
        name = _dotted(node)
        if name in self.names:
            return self.names[name]
        if name.startswith(("np.", "numpy.")) and node.attr in CONSTANTS:
            return CONSTANTS[node.attr]
        known = [*self.names, *(f"np.{key}" for key in (*CONSTANTS, *NUMPY_FUNCTIONS))]
        raise SettingsError(f"the name {name!r} is unknown{suggestion(name, known)}")

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        if type(node.op) not in UNARY:
            raise _refuse(f"the operator {type(node.op).__name__} is")
        return UNARY[type(node.op)](self.value(node.operand))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if type(node.op) not in BINARY:
            raise _refuse(f"the operator {type(node.op).__name__} is")
        _check_operands(node.op, left, right)
        return BINARY[type(node.op)](left, right)

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self.value(item)
            if type(op) not in COMPARE:
                raise _refuse(f"the comparison {type(op).__name__} is")
            if not COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.value(node.body) if self.value(node.test) else self.value(node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        index = node.slice
        if isinstance(index, ast.Slice):
            bounds = (None if part is None else self.value(part) for part in (index.lower, index.upper, index.step))
            return self.value(node.value)[slice(*bounds)]
        return self.value(node.value)[self.value(index)]

    def _listcomp(self, node: ast.ListComp) -> Any:
        return list(self._loop(node.elt, list(node.generators)))

    def _loop(self, element: ast.expr, generators: list[ast.comprehension]) -> Iterator[Any]:
        if not generators:
            yield self.value(element)
            return
        first, rest = generators[0], generators[1:]
        outer = dict(self.names)
        for item in self.value(first.iter):
            self.names = {**outer, **_unpacked(first.target, item)}
            if all(self.value(condition) for condition in first.ifs):
                yield from self._loop(element, rest)
        self.names = outer

    def _call(self, node: ast.Call) -> Any:
        name = _dotted(node.func)
        prefix, _, short = name.rpartition(".")
        table = {"": FUNCTIONS, "np": NUMPY_FUNCTIONS, "numpy": NUMPY_FUNCTIONS}.get(prefix)
        if table is None or short not in table:
            known = [*FUNCTIONS, *(f"np.{key}" for key in NUMPY_FUNCTIONS)]
            raise SettingsError(f"the function {name!r} is unknown{suggestion(name, known)}")
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(word.arg is None for word in node.keywords):
            raise _refuse("* and ** are")
        arguments = [self.value(argument) for argument in node.args]
        words = {str(word.arg): self.value(word.value) for word in node.keywords}
        _check_call(name, arguments, words)
        return table[short](*arguments, **words)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise _refuse("an attribute or a call of something that is not a plain name is")


def _unpacked(target: ast.expr, item: Any) -> dict[str, Any]:
    if isinstance(target, ast.Name):
        return {target.id: item}
    if isinstance(target, ast.Tuple) and all(isinstance(part, ast.Name) for part in target.elts):
        return dict(zip((part.id for part in target.elts if isinstance(part, ast.Name)), item, strict=True))
    raise _refuse("this loop variable is")


def _items(value: Any) -> int:
    """Number of leaves of a nested list, the size of an array, the length of a range."""
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, range):
        return max(0, -((value.start - value.stop) // value.step))
    if isinstance(value, (list, tuple)):
        return sum(_items(item) for item in value) if len(value) <= MAX_ITEMS else len(value)
    if isinstance(value, dict):
        return sum(_items(item) for item in value.values())
    return 1


def _bounded(value: Any) -> Any:
    if _items(value) > MAX_ITEMS:
        raise SettingsError(f"makes more than {MAX_ITEMS} items")
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise SettingsError(f"makes a string of more than {MAX_STRING} characters")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise SettingsError("makes an integer of more than 300 digits")
    return value


def _check_operands(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse a power or a repetition before it is computed."""
    if isinstance(left, str) and isinstance(op, ast.Mod):
        raise _refuse("string formatting is")
    if isinstance(op, ast.Pow):
        exponents = np.ravel(np.asarray(right, dtype=float)) if not isinstance(right, str) else np.array([])
        if exponents.size and np.max(np.abs(exponents)) > MAX_EXPONENT:
            raise SettingsError(f"the exponent {right} is larger than {MAX_EXPONENT}")
    if isinstance(op, ast.Mult):
        for sequence, count in ((left, right), (right, left)):
            if isinstance(sequence, (list, tuple, str)) and isinstance(count, int):
                size = len(sequence) if isinstance(sequence, str) else _items(sequence)
                if size * max(count, 0) > (MAX_STRING if isinstance(sequence, str) else MAX_ITEMS):
                    raise SettingsError(f"repeating something {count} times makes too much")
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and left.size * right.size > MAX_ITEMS and left.shape != right.shape:
        raise SettingsError(f"combining arrays of shapes {left.shape} and {right.shape} makes more than {MAX_ITEMS} items")


def _check_call(name: str, arguments: list[Any], words: dict[str, Any]) -> None:
    """Refuse a call that would make something large before it is made."""
    short = name.rpartition(".")[2]
    numbers = [float(a) for a in [*arguments, *words.values()] if isinstance(a, (int, float)) and not isinstance(a, bool)]
    if "dtype" in words:
        raise _refuse("dtype is")
    if short in ("range", "arange") and numbers:
        start, stop, step = (0.0, numbers[0], 1.0) if len(numbers) == 1 else (numbers[0], numbers[1], (*numbers, 1.0)[2])
        if step == 0 or not math.isfinite((stop - start) / step) or (stop - start) / step > MAX_ITEMS:
            raise SettingsError(f"{name} makes no usable range, or one of more than {MAX_ITEMS} items")
    if short in ("linspace", "logspace", "geomspace") and max(numbers[2:], default=50.0) > MAX_ITEMS:
        raise SettingsError(f"{name} makes more than {MAX_ITEMS} items")
    if short in ("ones", "zeros", "full") and arguments:
        shape = arguments[0] if isinstance(arguments[0], (list, tuple)) else [arguments[0]]
        if math.prod(float(size) for size in shape) > MAX_ITEMS or "shape" in words:
            raise SettingsError(f"{name} makes more than {MAX_ITEMS} items")
    if short in ("int", "float", "round") and any(isinstance(a, str) and len(a) > 300 for a in arguments):
        raise SettingsError(f"{name}: the number is too long")
