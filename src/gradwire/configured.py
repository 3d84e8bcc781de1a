"""Configured: a frozen dataclass with a name, whose fields are its configuration. Codecs, parts, data sets and models are that."""

from dataclasses import fields
from typing import ClassVar


class Configured:
    """Base of everything that a specification string can name."""

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]

    @property
    def spec(self):
        """The specification string: the name and every field that differs from its default. `gw.codec(c.spec) == c`."""
        changed = {f.name: _typed(f, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default}
        return self.name + (f"({', '.join(f'{k}={_literal(v)}' for k, v in changed.items())})" if changed else "")

    def __str__(self):
        return self.spec


def _typed(field, value):
    """1 as 1.0 where the field is a float: equal configurations have equal specifications."""
    return float(value) if field.type in (float, "float") and isinstance(value, int) else value


def _literal(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    if isinstance(value, str):
        return value if value.isidentifier() and value.lower() not in ("true", "false", "none") else f'"{value}"'
    return str(value)
