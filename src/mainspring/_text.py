"""Drawing only: strings in, strings out. Nothing here knows what a component is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

PathPart = str | int


class Dotted(str):
    """Several parts of a path, quoted and joined already."""

    __slots__ = ()


def quote(part: PathPart) -> str:
    """One part of a dotted path, in quotation marks where a plain spelling would be read as something else."""
    if isinstance(part, Dotted):
        return part
    text = str(part)
    if text.isidentifier() or (text and not any(c in '."\\' or c.isspace() for c in text)):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def dotted(parts: Iterable[PathPart]) -> str:
    """A path as it is written everywhere: parts joined by dots, quoted where needed."""
    return ".".join(quote(part) for part in parts)


def split_dotted(text: str) -> tuple[str, ...]:
    """The parts of a dotted path; the inverse of `dotted` for parts that are strings.

    Raises:
        ValueError: with a sentence that says what is wrong with `text`.
    """
    if '"' not in text:
        parts = tuple(text.split("."))
        if "" in parts:
            raise ValueError("it is empty" if not text else "it has an empty part")
        return parts
    found: list[str] = []
    at = 0
    while True:
        if at < len(text) and text[at] == '"':
            part, at = _quoted(text, at + 1)
        else:
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            part, at = text[at:end], end
            if '"' in part:
                raise ValueError("a quotation mark may only stand around a whole part")
            if not part:
                raise ValueError("it has an empty part")
        found.append(part)
        if at == len(text):
            return tuple(found)
        if text[at] != ".":
            raise ValueError("a quoted part must be followed by a dot or the end")
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    part: list[str] = []
    while at < len(text):
        char = text[at]
        if char == '"':
            if not part:
                raise ValueError("it has an empty part")
            return "".join(part), at + 1
        if char == "\\":
            at += 1
            if at == len(text):
                break
            char = text[at]
        part.append(char)
        at += 1
    raise ValueError("a quotation mark is not closed")


def near(word: str, candidates: Iterable[str], *, most: int = 3) -> list[str]:
    """The candidates that look most like `word`, best first; one that differs in case only comes before all others."""
    import difflib

    known = list(dict.fromkeys(candidates))
    folded = word.casefold()
    letters = sorted(folded)
    exact = [c for c in known if c.casefold() == folded]
    exact += [c for c in known if sorted(c.casefold()) == letters]  # letters that changed places
    close = difflib.get_close_matches(word, known, n=most, cutoff=0.6)
    return list(dict.fromkeys(exact + close))[:most]


def either(words: Sequence[str], conjunction: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def hint_near(word: str, candidates: Iterable[str], *, what: str, most: int = 8) -> str:
    """A sentence with near misses, or failing those, a list of what there is."""
    known = list(dict.fromkeys(candidates))
    close = near(word, known)
    if close:
        return f"Did you mean {either(close)}?"
    if not known:
        return f"There is no {what}."
    shown = ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
    return f"There is: {shown}."


def a(noun: str) -> str:
    """`a dict`, `an int`."""
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"


def count(number: int, noun: str) -> str:
    """`1 component`, `2 components`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def indent(text: str, by: str) -> str:
    """Every line but the first, moved to the right."""
    return text.replace("\n", "\n" + by)


def cycle(names: Sequence[str], reasons: Sequence[str]) -> str:
    """A closed chain, drawn one link a line; `reasons[i]` says how `names[i]` comes to need the next."""
    width = max(len(name) for name in names)
    lines = [
        f"{'┌─>' if i == 0 else '│  '} {name:<{width}}  {reason}"
        for i, (name, reason) in enumerate(zip(names, reasons, strict=True))
    ]
    lines.append(f"└── {names[0]:<{width}}  (again)")
    return "\n".join(lines)


def numbered(texts: Sequence[str]) -> str:
    """Texts of one or several lines as a numbered list."""
    width = len(str(len(texts)))
    return "\n".join(f"{i:>{width}}. {indent(text, ' ' * (width + 2))}" for i, text in enumerate(texts, 1))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, left-aligned, two spaces apart, the last one ragged."""
    if not rows:
        return ""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def duration(seconds: float) -> str:
    """A time in the unit that fits: `850 µs`, `12.3 ms`, `2.41 s`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s"


def secret_texts(value: object) -> set[str]:
    """The ways in which a secret may be written in a text: as it is, quoted, in a URL; the password of one that is a URL.

    Those of fewer than four characters are left out, because they would be found everywhere.

    Parameters:
        value: the secret; of one with parts, all of them are secret.
    """
    import re

    reveal = getattr(value, "get_secret_value", None) or getattr(value, "reveal", None)
    if callable(reveal):
        return secret_texts(reveal())
    if isinstance(value, Mapping):
        return set().union(*map(secret_texts, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return set().union(*map(secret_texts, value))
    if value is None or isinstance(value, bool):
        return set()
    try:
        text = value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # an object that cannot be written stands in no text
        return set()
    found = {text}
    password = re.search(r"://[^/@:\s]*:([^@\s]+)@", text)
    if password is not None:
        found |= {password[1], _unquoted(password[1])}
    for one in tuple(found):
        found |= {repr(one)[1:-1], one.replace("\\", "\\\\").replace('"', '\\"'), _quoted_for_url(one)}
    return {one for one in found if len(one) > 3}


def _unquoted(text: str) -> str:
    import re

    return re.sub(r"%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)


def _quoted_for_url(text: str) -> str:
    kept = [c if c.isascii() and (c.isalnum() or c in "_.-~") else "" for c in text]
    return "".join(
        one or "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "replace"))
        for one, c in zip(kept, text, strict=True)
    )


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """A text with secrets masked, the longest first.

    Parameters:
        text: the text.
        secrets: what must not stand in it, as `secret_texts` gives it.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def mermaid(
    groups: Mapping[str, Sequence[tuple[str, str, str]]],
    edges: Iterable[tuple[str, str, str]],
    *,
    keys: Mapping[str, str],
) -> str:
    """A Mermaid flow chart.

    Parameters:
        groups: group name to `(node, label, shape)`; shape is "component", "subsystem", "constant", "alias" or "off".
        edges: `(from, to, style)`; style is "" or "optional".
        keys: node to an identifier that Mermaid accepts.
    """
    shapes = {
        "component": '["{}"]',
        "constant": '(["{}"])',
        "alias": '(["{}"])',
        "subsystem": '[["{}"]]',
        "off": '["{} (off)"]:::off',
    }
    lines = ["flowchart TD"]
    for number, (group, nodes) in enumerate(groups.items()):
        lines.append(f'  subgraph g{number}["{_mermaid(group)}"]')
        lines += [f"    {keys[node]}{shapes[shape].format(_mermaid(label))}" for node, label, shape in nodes]
        lines.append("  end")
    lines += [f"  {keys[a]} {'-.->' if style else '-->'} {keys[b]}" for a, b, style in edges]
    lines.append("  classDef off stroke-dasharray: 5 5,opacity:0.5")
    return "\n".join(lines) + "\n"


def _mermaid(text: str) -> str:
    return (
        " ".join(text.splitlines())
        .replace("&", "&amp;")
        .replace('"', "&quot;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )


def dot(
    groups: Mapping[str, Sequence[tuple[str, str, str]]],
    edges: Iterable[tuple[str, str, str]],
    *,
    keys: Mapping[str, str],
) -> str:
    """A Graphviz digraph; parameters as for `mermaid`."""
    styles = {
        "component": "shape=box",
        "constant": "shape=box, style=rounded, fontcolor=gray40",
        "alias": "shape=ellipse",
        "subsystem": "shape=box, peripheries=2",
        "off": "shape=box, style=dashed, fontcolor=gray60",
    }
    lines = ["digraph system {", '  graph [rankdir="TB", fontname="sans-serif"]', '  node [fontname="sans-serif"]']
    for number, (group, nodes) in enumerate(groups.items()):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_dot(group)}"]
        lines += [f"    {keys[node]} [label={_dot(label)}, {styles[shape]}]" for node, label, shape in nodes]
        lines.append("  }")
    lines += [f"  {keys[a]} -> {keys[b]}{' [style=dashed]' if style else ''}" for a, b, style in edges]
    lines.append("}")
    return "\n".join(lines) + "\n"


def _dot(text: str) -> str:
    escaped = " ".join(text.splitlines()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
