"""A JSON Schema for files that say a system, or settings for it: what editors complete and check by."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mainspring import Component, Secret, System, is_ref

from ..schemas import adapter_of, defaults_of, hints_of, mapped, name_of, parameters_of, pydantic_for, target_of
from ._hints import holds_secrets, sensible
from ._words import a

Schema = dict[str, Any]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TAG: Final[Schema] = {"$ref": "#/$defs/mainspring.tag"}
# Not beside other keywords: editors would show the title and the description of what is referred to.
_ALONE: Final[Schema] = {"$ref": "#/$defs/mainspring.alone"}
_ANNOTATIONS: Final = ("title", "description", "default", "examples", "deprecated")


def json_schema(system: System, *, profiles: Sequence[str] = (), yaml: bool = False) -> Schema:
    """A JSON Schema, of draft 2020-12, of a file that says this system or a part of it.

    It knows the arguments of each component by their annotations, with defaults and what the docstring says of them.
    Nothing is required, because a file may say a part only; groups and components may be added. Every value may also be a tag
    in its plain form, `{"$env": "PORT"}`. Secrets are never in it.

    Parameters:
        system: the system. It is not started.
        profiles: the names of the profiles that there are.
        yaml: for an editor of YAML, which takes `!env PORT` for the text "PORT": whether text, a list or a mapping may stand
            wherever a tag may.

    Returns:
        The schema, as data for JSON.

    Raises:
        MissingExtra: pydantic is not installed.

    Example:
        >>> from mainspring import Component, System
        >>> def server(port: int = 80): ...
        >>> schema = json_schema(System({"web": {"server": Component(server)}}))
        >>> server = schema["properties"]["web"]["properties"]["server"]
        >>> server["else"]["properties"]["config"]["properties"]["port"]
        {'default': 80, 'anyOf': [{'type': 'integer'}, {'$ref': '#/$defs/mainspring.tag'}]}
    """
    pydantic_for("A JSON Schema", "config")
    return _Writer(system, profiles, yaml).made()


class _Writer:
    def __init__(self, system: System, profiles: Sequence[str], yaml: bool) -> None:
        self.system, self.profiles, self.yaml = system, list(profiles), yaml
        self.defs: dict[str, Schema] = {}

    def made(self) -> Schema:
        groups = self.system.groups
        arguments = self._arguments(groups)
        properties: dict[str, Schema] = {"mainspring": {"$ref": "#/$defs/mainspring.section"}}
        for group, nodes in groups.items():
            members = {
                name: self._component(f"{group}.{name}", node, arguments.get((group, name), {}))
                if isinstance(node, Component)
                else _constant(node, is_top=True)
                for name, node in nodes.items()
            }
            properties[group] = _object(members, more={"$ref": "#/$defs/mainspring.member"})
        self.defs |= self._own_defs()
        schema = {
            "$schema": _DRAFT,
            "title": self.system.name or "A system",
            **_top(properties, _object({}, more={"$ref": "#/$defs/mainspring.member"})),
            "$defs": dict(sorted(self.defs.items())),
        }
        if self.yaml:
            schema = _for_yaml(schema)
        return schema

    # --- Components ---

    def _arguments(self, groups: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Schema]]:
        """The schemas of the arguments of each component; with one set of definitions for all of them."""
        inputs: list[tuple[Any, Any, Any]] = []
        wanted: dict[tuple[str, str], dict[str, Any]] = {}
        keys: dict[int, tuple[Any, int]] = {}  # each annotation once, kept so that no other gets its identity
        hides_defaults = False
        for group, nodes in groups.items():
            for name, node in nodes.items():
                target = target_of(node) if type(node) is Component else None
                if target is None:
                    continue
                hints = hints_of(target)
                wanted[group, name] = hints.named | ({"**": hints.rest[0]} if hints.rest else {})
                for hint in wanted[group, name].values():
                    if id(hint) in keys:
                        continue
                    hides_defaults = hides_defaults or holds_secrets(hint)
                    keys[id(hint)] = hint, len(keys)
                    try:
                        inputs.append((keys[id(hint)][1], "validation", adapter_of(mapped(hint, sensible))))
                    except Exception:
                        pass  # what pydantic cannot make sense of may be anything
        schemas, self.defs = _generated(inputs)
        found = {
            place: {name: _described(hint, schemas.get(keys[id(hint)][1]), self.defs) for name, hint in hints.items()}
            for place, hints in wanted.items()
        }
        self.defs = {name: _valued(schema, self.defs, is_place=False) for name, schema in self.defs.items()}
        if hides_defaults:
            # Which of the defaults in a class are secret cannot be told any more.
            self.defs = {name: _without_defaults(schema) for name, schema in self.defs.items()}
        return found

    def _component(self, id: str, node: Component[Any], arguments: dict[str, Schema]) -> Schema:
        slots = {slot: {"$ref": f"#/$defs/mainspring.slot.{slot}"} for slot in _SLOTS}
        schema = _object({**slots, "config": True}, more=False)
        head = {"title": id, **({"description": _SECTIONS.split(node.doc)[0].strip()} if node.doc else {})}
        target = target_of(node)
        if type(node) is not Component or target is None:
            return {**head, **schema}
        named = f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"
        # Where a file puts another component there, nothing is known of its arguments.
        other = {"required": ["component"], "properties": {"component": {"not": {"const": named}}}}
        config = self._config(node, target, arguments)
        return {**head, **schema, "if": other, "else": {"properties": {"config": config}}}

    def _config(self, node: Component[Any], target: Any, arguments: dict[str, Schema]) -> Schema:
        rest = arguments.pop("**", True)
        parameters = parameters_of(node)
        is_open = parameters is None
        hints = hints_of(target).named
        defaults, said = defaults_of(node), _documented(target)
        names = list(dict.fromkeys([*(parameters or ()), *arguments, *defaults]))
        properties: dict[str, Schema] = {}
        for name in names:
            head: Schema = {"description": said[name]} if name in said else {}
            if name in defaults and _is_plain(defaults[name]) and not holds_secrets(hints.get(name)):
                head["default"] = defaults[name]
            properties[name] = {**head, **arguments.get(name, {}), **head}
        made = _object(properties, more=rest if is_open else False)
        # In files names may have hyphens, and end in a question mark.
        spelled = "|".join(re.escape(name).replace("_", "[-_]") for name in names)
        if spelled:
            made["patternProperties"][f"^(?:{spelled})[?!]*$"] = True
        return made

    # --- What is the same for all ---

    def _own_defs(self) -> dict[str, Schema]:
        profile: Schema = {"enum": self.profiles} if self.profiles else {"type": "string"}
        by_profile = {"type": "object", "properties": dict.fromkeys([*self.profiles, "default"], True)}
        tag: Schema = {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {"$profile": by_profile, "$env": True, "$ref": True},
            "patternProperties": {"^\\$": True},
            "additionalProperties": False,
        }
        if self.yaml:
            tag = {"type": ["string", "array", "object"]}
        slots = {
            f"mainspring.slot.{name}": _valued({"description": text, **schema}, {})
            for name, (text, schema) in _SLOTS.items()
        }
        base: dict[str, Schema] = {n: {"$ref": f"#/$defs/mainspring.slot.{n}"} for n in _SLOTS if n not in _OWN_SLOTS}
        base["config"] = {"type": "object"}
        count: Schema = {"type": "integer", "minimum": 1}
        section: dict[str, Schema] = {
            "system": {"type": "string", "description": "The system written in Python that this file has settings for."},
            "profiles": {"type": "array", "items": {"type": "string"}, "description": "The profiles that there are."},
            "profile": {**_one_or_several(profile), "description": "The profile that is taken where nobody says which."},
            "name": {"type": "string", "description": "What the system is called."},
            "base": {"description": "What is merged under every component.", **_object(base, more=False)},
            "plugins": {**_one_or_several({"type": "string"}), "description": "Plugins by name, or by where they are."},
            "deadlines": {**_DEADLINES, "description": "Seconds that a handler may take."},
            "limits": {**_by_name(count), "description": "How many handlers may be called at once, in all or by group."},
            "workers": {"type": "integer", "minimum": 0, "description": "How many threads there are for sync handlers."},
            "signals": {"type": ["array", "object"], "description": "Rows for the signal table."},
            "values": {"enum": ["convert", "check", "as written"], "description": "What is done with arguments."},
        }  # fmt: skip
        head = {"title": "mainspring", "description": "About the system as a whole."}
        component = _object(
            {**{n: {"$ref": f"#/$defs/mainspring.slot.{n}"} for n in _SLOTS}, "config": {"type": "object"}}, more=False
        )
        section = {name: part if name == "base" else _valued(part, {}) for name, part in section.items()}
        return {
            "mainspring.tag": tag,
            "mainspring.alone": {
                "if": {"propertyNames": {"not": {"pattern": "^\\$"}}},
                "else": {"maxProperties": 1},
            },
            "mainspring.section": {**head, **_object(section, more=False)},
            "mainspring.component": {"description": "A component.", **component, "required": ["component"]},
            "mainspring.member": {
                "description": "A component or a constant that is added.",
                "if": {"type": "object", "required": ["component"]},
                "then": {"$ref": "#/$defs/mainspring.component"},
            },
            **slots,
        }


# --- Slots ------------------------------------------------------------------------------------------------------------


def _by_name(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "object", "additionalProperties": schema}]}


def _one_or_several(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


_DEADLINES: Final = _by_name({"type": "number", "exclusiveMinimum": 0})
_FUNCTION: Final[Schema] = {"type": "string"}
_HANDLERS: Final[Schema] = {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]}

# What a file can say of a component, beside its config.
_SLOTS: Final[dict[str, tuple[str, Schema]]] = {
    "component": ("What the component is made of: package.module:name.", _FUNCTION),
    "start": ("What starts it.", {}),
    "stop": ("What stops it; it gets the instance.", _FUNCTION),
    "scope": ("Start and stop in one.", _FUNCTION),
    "handlers": ("Handlers of further signals, by signal.", {"type": "object"}),
    "status": ("Reports how the component is doing.", _FUNCTION),
    "suspend": ("Pauses the component.", _FUNCTION),
    "resume": ("Lets a suspended component go on.", _FUNCTION),
    "pre": ("Handlers to be called before a signal's own, by signal.", {"type": "object", "additionalProperties": _HANDLERS}),
    "post": ("Handlers to be called after a signal's own, by signal.", {"type": "object", "additionalProperties": _HANDLERS}),
    "resolve": ("Makes of the instance what others see of it.", _FUNCTION),
    "doc": ("A description.", {"type": "string"}),
    "tags": ("Any texts, to select by and to refer to.", {"type": "array", "items": {"type": "string"}}),
    "enabled": ("Whether the component is switched on.", {"type": "boolean"}),
    "deadlines": ("Seconds that a handler may take: for all signals, or by signal.", _DEADLINES),
    "retry": ("How often start is tried.", {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "object"}]}),
    "thread": ("Where sync handlers are called.", {"enum": ["caller", "worker", "own"]}),
    "on_crash": ("What is stopped when the component breaks by itself.", {"enum": ["stop", "dependents", "keep"]}),
    "schema": ("What checks the config.", {}),
    "instance_schema": ("What checks the instance.", {}),
    "cached": ("Whether an instance cache keeps the component, or under which key.", {"type": ["boolean", "string"]}),
}  # fmt: skip
_OWN_SLOTS: Final = ("component", "start", "stop", "scope")


# --- Schemas ----------------------------------------------------------------------------------------------------------


def _generated(inputs: Sequence[tuple[Any, Any, Any]]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schemas of annotations, by key, and the definitions that they share."""
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Generate(GenerateJsonSchema):
        """Takes what cannot be said in JSON for anything, instead of failing."""

        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Any:
            return {}

        def dataclass_schema(self, schema: Any) -> Any:
            return _closed(super().dataclass_schema(schema))

        def typed_dict_schema(self, schema: Any) -> Any:
            return _closed(super().typed_dict_schema(schema))

    found, defs = TypeAdapter.json_schemas(inputs, ref_template="#/$defs/{model}", schema_generator=Generate)
    return {key: schema for (key, _), schema in found.items()}, dict(defs.get("$defs", {}))


def _closed(schema: Any) -> Any:
    # The check of values tells of keys that are no fields.
    if schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def _described(hint: Any, schema: Schema | None, defs: Mapping[str, Schema]) -> Schema:
    if not schema:
        is_class = isinstance(hint, type) and hint not in (object, Any)
        return {"description": f"A{a(name_of(hint))[1:]}: refer to a component."} if is_class else {}
    if holds_secrets(hint):
        schema = _without_defaults(schema)
    described: Schema = _valued(schema, defs)
    return described


def _object(properties: Mapping[str, Any], *, more: Any) -> Schema:
    """A mapping, or a tag instead."""
    return {
        "type": "object",
        "allOf": [_ALONE],
        **({"properties": dict(properties)} if properties else {}),
        "patternProperties": {"^\\$": True},
        "additionalProperties": more,
    }


def _top(groups: Mapping[str, Any], more: Schema) -> Schema:
    """The top of a file: as a mapping, where `$schema` is what editors look for, and no tag."""
    made = _object({"$schema": {"type": "string"}, **groups}, more=more)
    has_schema: Schema = {"required": ["$schema"]}
    return {
        **{key: part for key, part in made.items() if key != "allOf"},
        "if": has_schema,
        "else": {"allOf": [_ALONE]},
    }


def _valued(schema: Any, defs: Mapping[str, Schema], *, is_place: bool = True) -> Any:
    """A schema for what may also be a tag, and of which a file may say a part only.

    Parameters:
        schema: as pydantic writes it.
        defs: what it refers to.
        is_place: whether it is one of a value; not where it is one of several choices, or a definition that others refer to.
    """
    if not isinstance(schema, dict) or not schema or schema.keys() <= set(_ANNOTATIONS):
        return schema
    made = {key: part for key, part in schema.items() if key not in ("required", "discriminator")}
    for key in ("properties", "patternProperties"):
        if key in made:
            made[key] = {name: _valued(part, defs) for name, part in made[key].items()}
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _valued(made[key], defs)
    if "prefixItems" in made:
        made["prefixItems"] = [_valued(part, defs) for part in made["prefixItems"]]
        made.pop("minItems", None)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in made:
            parts = [_valued(part, defs, is_place=False) for part in made.pop(key)]
            # A tag may stand for every one of several mappings, and so fits more than one of them.
            made["allOf" if key == "allOf" else "anyOf"] = parts
    if made.get("type") == "object" and (
        made.get("properties") or made.get("additionalProperties") not in (None, True)
    ):
        made.setdefault("patternProperties", {})["^\\$"] = True
        made["allOf"] = [*made.get("allOf", ()), _ALONE]
    if {} in made.get("anyOf", ()):
        return {key: part for key, part in made.items() if key != "anyOf"}
    if not is_place or _takes_tags(made, defs):
        return made
    if set(made) <= {"anyOf", *_ANNOTATIONS}:
        return {**made, "anyOf": [*made["anyOf"], _TAG]}
    head = {key: made.pop(key) for key in _ANNOTATIONS if key in made}
    return {**head, "anyOf": [made, _TAG]}


def _takes_tags(schema: Schema, defs: Mapping[str, Schema], depth: int = 0) -> bool:
    """Whether a schema accepts a tag by itself, because it is one of a mapping."""
    if depth > 20:
        return False
    reference = str(schema.get("$ref", ""))
    if _ALONE in schema.get("allOf", ()) or schema.get("type") == "object":
        return True
    if reference:
        return _takes_tags(defs.get(reference.removeprefix("#/$defs/"), {}), defs, depth + 1)
    return any(_takes_tags(part, defs, depth + 1) for part in schema.get("anyOf", ()))


def _for_yaml(schema: Any) -> Any:
    """A schema in which text or a list may stand for a mapping: an editor sees them there behind a tag."""
    if isinstance(schema, list):
        return [_for_yaml(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _for_yaml(part) for key, part in schema.items()}
    if made.get("type") == "object" and _ALONE in made.get("allOf", ()):
        made["type"] = ["object", "string", "array"]
    return made


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_defaults(part) for name, part in inner.items()} if key == "properties" else _without_defaults(inner)
        for key, inner in schema.items()
        if key not in ("default", "examples")
    }  # fmt: skip


def _constant(value: Any, *, is_top: bool = False) -> Schema:
    """What a constant may be: loosely, by what it is now. Its value is not in it."""
    if isinstance(value, Secret):
        return {"description": "A secret."}
    if is_ref(value):
        return {}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return _object({key: _constant(part) for key, part in value.items()}, more=True)
    names: dict[type, Any] = {
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        tuple: "array",
    }
    if type(value) not in names:
        return {}
    # A component may be put in the place of a constant, and a tag in that of any value.
    return {
        "anyOf": [{"type": names[type(value)]}, _TAG, *([{"$ref": "#/$defs/mainspring.component"}] if is_top else [])]
    }


def _is_plain(value: Any) -> bool:
    """Whether a default can be said in JSON."""
    if type(value) in (list, dict):
        parts = value.values() if type(value) is dict else value
        return all(map(_is_plain, parts)) and len(json.dumps(value)) < 200
    return value is None or type(value) in (str, bool, int) or (type(value) is float and math.isfinite(value))


_SECTION: Final = re.compile(
    r"^[ \t]*(?:Parameters|Args|Arguments):[ \t]*\n((?:[ \t]+.*(?:\n|\Z)|[ \t]*\n)+)", re.MULTILINE
)
_SECTIONS: Final = re.compile(
    r"^(?:Parameters|Args|Arguments|Returns|Yields|Raises|Examples?|Notes?):[ \t]*$", re.MULTILINE
)
_ENTRY: Final = re.compile(r"(\*{0,2}\w+(?:, *\*{0,2}\w+)*)(?: *\([^)]*\))?: +(.+)")


def _documented(target: Any) -> dict[str, str]:
    """What a docstring says of each parameter, in a section as ours have it."""
    import inspect

    found: dict[str, str] = {}
    for owner in (target, getattr(target, "__wrapped__", None), getattr(target, "__init__", None)):
        match = _SECTION.search(inspect.getdoc(owner) or "") if owner is not None else None
        if match is None:
            continue
        names: list[str] = []
        depth = None
        for line in match[1].splitlines():
            indent = len(line) - len(line.lstrip())
            depth = indent if depth is None and line.strip() else depth
            if line.strip() and indent == 0:
                break
            entry = _ENTRY.fullmatch(line.strip())
            if entry is not None and indent == depth:
                names = [name.strip(" *") for name in entry[1].split(",")]
                for name in names:
                    found.setdefault(name, entry[2].strip())
            elif line.strip():
                for name in names:
                    found[name] += f" {line.strip()}"
    return found
