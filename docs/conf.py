"""How the documentation is built: `make docs`."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import errors
from sphinx.application import Sphinx

errors.write()

project = "Mainspring"
author = "The Mainspring authors"
project_copyright = "2026, The Mainspring authors"
version = release = metadata.version("mainspring")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = True
# Names of the standard library, type variables and private protocols: there is no page of ours to link them to.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!mainspring\.).*|mainspring\.(_core|_engine|_part|live|system|config\._\w+)\..*"),
    (r"py:.*", r"mainspring\.config\.Literal"),  # the classes say that they are at home in the room
]

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

default_role = "code"  # docstrings put code in single backticks
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "Mainspring"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["mainspring.css"]
html_copy_source = False
html_show_sphinx = False


def before_napoleon(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Napoleon wants all names that share a description on one line, and ours may go on on the next."""
    for i in range(len(lines) - 1, 0, -1):
        if re.fullmatch(r" {4}(\w+, )+\w+,", lines[i - 1]) and re.match(r" {8}(\w+, )*\w+:", lines[i]):
            lines[i - 1] += " " + lines.pop(i).strip()
    sentences[name] = list(lines)


def after_napoleon(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """It takes what stands before a colon in the first line of a property for a type; with us it is a sentence."""
    if what == "property":
        lines[:] = sentences[name]


sentences: dict[str, list[str]] = {}


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
