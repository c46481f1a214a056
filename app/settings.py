"""Reading the configuration: a YAML file and `--set` overrides into a validated `Config`."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from app.addresses import redacted
from app.config import Config
from app.errors import InputError
from app.shipped import find_config

if TYPE_CHECKING:
    from reid_model.training.config import TrainConfig

Schema = TypeVar("Schema")

UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
COMMAND_LINE = "--set"


class ConfigError(InputError):
    """A configuration that does not hold.

    Args:
        problems: A line for each, at least one.

    Attributes:
        problems: The same.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        more = len(self.problems) - 1
        rest = f" ({more} more: `run.py check` names them)" if more else ""
        super().__init__(self.problems[0] + rest)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, which plain YAML would silently settle by taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Reads and validates a configuration.

    Args:
        path: A YAML file, or None for the defaults alone.
        overrides: `a.b=c` each, applied in order over the file; the value is YAML.

    Raises:
        InputError: Naming the file, the key's path, what was given, what is allowed and, for an unknown key, the
            nearest known one.
    """
    return _load(path, overrides, Config)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Reads and validates a training recipe.

    Raises:
        InputError: As `load_config` does.
    """
    from reid_model.training.config import TrainConfig

    return _load(path, overrides, TrainConfig)


def load_as(schema: type[Schema], path: Path) -> Schema:
    """Reads and validates a YAML file of any schema.

    Raises:
        InputError: As `load_config` does.
    """
    return _load(path, (), schema)


def _load(path: Path | None, overrides: Sequence[str], schema: type[Schema]) -> Schema:
    path = None if path is None else find_config(path)
    values = _read(path) if path is not None else {}
    overridden = {_override(values, text) for text in overrides}
    return validated(values, schema, path, overridden)


def validated(
    values: dict[str, Any], schema: type[Schema], path: Path | None, overridden: Collection[str] = ()
) -> Schema:
    """Validates values as they were read.

    Args:
        values: Sections and settings.
        schema: What they are to be.
        path: The file they came from; None for the command line.
        overridden: Paths of those that the command line has set.

    Raises:
        InputError: As `load_config` does.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        raise ConfigError(
            [_located(problem, path, overridden, schema) for problem in error.errors(include_url=False)]
        ) from None
    except UnicodeEncodeError as error:
        where = COMMAND_LINE if path is None else str(path)
        raise InputError(f"{where}: a text in it holds half a letter ({error.reason}); write it anew") from None


def _located(problem: Any, path: Path | None, overridden: Collection[str], schema: type) -> str:
    """A problem in words, and where it comes from: the file, or the command line."""
    dotted = ".".join(str(part) for part in problem["loc"])
    ours = any(f"{key}.".startswith(f"{dotted}.") or f"{dotted}.".startswith(f"{key}.") for key in overridden)
    where = COMMAND_LINE if path is None or ours else str(path)
    return f"{where}: {_explain(problem, dotted, schema)}"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a YAML configuration, such as configs/default.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); name a YAML configuration") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}:{line} not valid YAML: {getattr(error, 'problem', error)}") from None
    except (ValueError, RecursionError) as error:  # a date that there is not, brackets without end
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected sections such as 'cameras:', given a {type(values).__name__}")
    return values


def _override(values: dict[str, Any], text: str) -> str:
    """Sets one `a.b=c` in the raw values and returns its path."""
    dotted, equals, raw = text.partition("=")
    keys = dotted.split(".")
    if not equals or not all(keys):
        raise InputError(f"{COMMAND_LINE} {text}: expected KEY=VALUE, such as detector.confidence=0.2")
    try:
        value = yaml.load(raw, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{COMMAND_LINE} {text}: the value is not valid YAML; quote it") from None
    target: Any = values
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        place: Any = key
        if isinstance(target, list):
            if not key.isdigit() or int(key) >= len(target):
                raise InputError(
                    f"{COMMAND_LINE} {text}: '{key}' is no entry of {'.'.join(keys[:depth])}; there are {len(target)}"
                )
            place = int(key)
        elif not isinstance(target, dict):
            raise InputError(f"{COMMAND_LINE} {text}: {'.'.join(keys[:depth])} has no parts to set")
        elif not last and target.get(key) is None:
            target[key] = {}
        if last:
            target[place] = value
        else:
            target = target[place]
    return dotted


def _fields(annotation: Any) -> dict[str, FieldInfo]:
    """The fields of a section's type, whether it is a model, a dataclass or a list of either."""
    for candidate in (annotation, *get_args(annotation)):
        fields = getattr(candidate, "__pydantic_fields__", None)
        if fields:
            return dict(fields)
        if dataclasses.is_dataclass(candidate) and isinstance(candidate, type):
            types = get_type_hints(candidate)
            return {each.name: FieldInfo(annotation=types[each.name]) for each in dataclasses.fields(candidate)}
    return {}


def _explain(problem: Any, dotted: str, schema: type) -> str:
    """One validation problem in words: path, what was given, what is allowed."""
    fields = _fields(schema)
    field: FieldInfo | None = None
    for part in problem["loc"]:
        if isinstance(part, str) and part in fields:
            field = fields[part]
            fields = _fields(field.annotation)
    if problem["type"] in UNKNOWN_KEY:
        near = difflib.get_close_matches(str(problem["loc"][-1]), fields, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(fields)}"
        return f"{dotted}: unknown key, given {_shown(problem['input'])}; {hint}"
    if problem["type"] == "missing":
        return f"{dotted}: required, but not given ({field.description if field else ''})"
    message: str = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected").replace("String should", "expected to")
    if not dotted:
        return message
    if isinstance(problem["input"], dict) and problem["type"] == "value_error":
        return f"{dotted}.{message}"  # a check over several settings names the one it refuses
    shown = _shown(problem["input"])
    if problem["type"] == "value_error" and shown.strip("'") in message:
        return f"{dotted}: {message}"  # our own words, which name it already
    about = f" ({field.description})" if field is not None and field.description else ""
    return f"{dotted}: given {shown}; {message}{about}"


def _shown(value: object) -> str:
    """A value as a message may hold it: short, and without the passwords of the addresses in it."""
    given = redacted(repr(value))
    return given if len(given) <= 60 else given[:57] + "..."
