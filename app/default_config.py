"""`python -m app.default_config` prints the default configuration with every key explained: configs/default.yaml."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from app.config import Config

WIDTH = 110
HEADER = """\
# Every setting with its default. Copy what you change into a file of your own and give it with --config;
# what a file leaves out keeps its default. Single settings can be changed with --set section.key=value.
"""


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _value(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def _section(name: str, field: FieldInfo, section: Any) -> list[str]:
    lines = ["", *_comment(field.description or "", ""), f"{name}:"]
    for key, inner in type(section).__pydantic_fields__.items():
        lines += [*_comment(inner.description or "", "  "), f"  {key}: {_value(getattr(section, key))}"]
    return lines


def default_yaml() -> str:
    """The default configuration as YAML, each key behind a comment that explains it."""
    config = Config()
    lines = [HEADER.rstrip()]
    for name, field in Config.model_fields.items():
        value = getattr(config, name)
        if isinstance(value, list):
            lines += ["", *_comment(field.description or "", ""), f"{name}: {_value(value)}"]
        else:
            lines += _section(name, field, value)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(default_yaml(), end="")
