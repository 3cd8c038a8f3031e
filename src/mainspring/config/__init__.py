"""Systems and settings from files: YAML, JSON, TOML, EDN, in layers, for several profiles, with the place of every value.

_form.py       what a file says, before anything is worked out: forms with places
_yaml.py _json.py _toml.py _edn.py   text to forms
_sources.py    files, strings, streams, settings objects; what is included
_evaluate.py   working out what is written, lazily: nodes, layers, references within a file
_tags.py       what each tag means; tags.py   the same as functions of Python
_settings.py   several sources as one: Settings, read, load
_modules.py    one entry that becomes several components
_build.py      a system made of what is written
_schema.py _json_schema.py   what arguments have to be
_origins.py    where each value is from
"""

from . import tags
from ._build import Values
from ._evaluate import Deferred, Node, Origin, deferred
from ._form import Limits
from ._json_schema import json_schema
from ._origins import Provenance, Value, explain, unused
from ._settings import Reading, Settings, load, read, settings_of
from ._sources import Text, adaptive, package, relative, root, text
from ._tags import tag

__all__ = [
    "Deferred", "Limits", "Node", "Origin", "Provenance", "Reading", "Settings", "Text", "Value", "Values", "adaptive",
    "deferred", "explain", "json_schema", "load", "package", "read", "relative", "root", "settings_of", "tag", "tags", "text",
    "unused",
]  # fmt: skip

for _name in __all__:
    try:
        globals()[_name].__module__ = __name__
    except (AttributeError, TypeError):
        pass
