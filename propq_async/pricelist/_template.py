"""Templates: a name that is made of several columns, such as `{Portal}-{Planta}{Puerta}`."""

from __future__ import annotations

import re
from typing import Final, Self

import attrs

from propq_async._messages import tr

from ._problems import PriceListError

__all__ = ["Part", "Template", "is_template"]

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{(?P<column>[^{}?]+)(?P<optional>\??)\}|(?P<brace>[{}])")


def is_template(text: str) -> bool:
    """Return whether what is stated of a column is a template, and no name of a column."""
    return "{" in text


@attrs.frozen
class Part:
    """A part of a template.

    Args:
        text: what stands before the column.
        column: the name of the column, nothing after the last one.
        is_optional: whether its cell may be empty.
    """

    text: str
    column: str = ""
    is_optional: bool = False


@attrs.frozen
class Template:
    """A template over columns.

    Args:
        source: the template as it is written.
        parts: what it is made of.
    """

    source: str
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, source: str) -> Self:
        """Parse a template.

        Raises:
            PriceListError: it is none.
        """
        parts: list[Part] = []
        text, at = "", 0
        for token in _TOKEN.finditer(source):
            text += source[at : token.start()]
            at = token.end()
            if token["brace"] or (token["column"] is not None and not token["column"].strip()):
                raise PriceListError(
                    tr(
                        "{source!r} is no template: it has the names of columns in braces, such as "
                        "{{Portal}}-{{Puerta}}, a ? where a cell may be empty, such as "
                        "{{Portal?}}, and {{{{ or }}}} for a brace"
                    ).format(source=source)
                )
            if token["column"] is None:
                text += token[0][0]
                continue
            parts.append(Part(text, token["column"].strip(), bool(token["optional"])))
            text = ""
        if not any(part.column for part in parts):
            raise PriceListError(
                tr("{source!r} is no template: it names no column").format(source=source)
            )
        return cls(source, (*parts, Part(text + source[at:])))

    @property
    def columns(self) -> list[str]:
        """Return the names of its columns, in their order."""
        return [part.column for part in self.parts if part.column]
