"""How Sphinx builds the pages: `sphinx-build -W docs build/docs`."""

import inspect
import re
from typing import Any

from propq_async import __version__
from propq_async._cli.commands import app as commands

project = "propq-async"
author = "The propq-async authors"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
# Headings can be linked to, down to this level.
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"propq-async {__version__}"
html_show_sphinx = False
# A page must not ask anybody else for a font or a script.
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": True}
# Single backquotes in docstrings are code.
default_role = "code"
# Two hyphens are an option, and no dash.
smartquotes = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False


def setup(sphinx: Any) -> None:
    """Have the page of options written from the commands, and the API as users see it."""
    sphinx.connect("source-read", _with_options)
    sphinx.connect("autodoc-process-bases", _public_bases)
    sphinx.connect("autodoc-process-signature", _with_values)


def _with_options(_sphinx: Any, page: str, source: list[str]) -> None:
    if page == "reference/options":
        text = commands.generate_docs()
        # From the first command on: the page has a beginning and a table of contents of its own.
        source[0] += text[text.index("\n## propq ") :]


def _public_bases(_sphinx: Any, _name: str, _shown: Any, _options: Any, bases: list[Any]) -> None:
    bases[:] = [base for base in bases if "._" not in getattr(base, "__module__", "")] or [object]


def _with_values(
    _sphinx: Any,
    _what: str,
    _name: str,
    shown: Any,
    _options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    """Show the value of a default such as `TIMEOUT_SECONDS`, whose name tells a user nothing."""
    if signature is None:
        return None
    function = inspect.unwrap(shown.__init__ if inspect.isclass(shown) else shown)
    names = getattr(function, "__globals__", {})

    def value(match: re.Match[str]) -> str:
        found = names.get(match[1])
        return f"= {found!r}" if isinstance(found, int | float | str) else match[0]

    return re.sub(r"= ([A-Z][A-Z_]+)\b", value, signature), returned
