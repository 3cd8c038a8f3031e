"""Slots without a component: mostly settings of a component whose name is misspelt."""

from __future__ import annotations

import pytest

from mainspring import BadComponent, config


def test_slots_without_a_component_are_refused() -> None:
    """A layer that says the config of a component that there is not is told, with the nearest name."""
    base = config.text('db: {pool: {component: "builtins:dict"}}', "yaml", name="base.yaml")
    local = config.text("db: {pol: {config: {size: 1}}}", "yaml", name="local.yaml")
    with pytest.raises(BadComponent) as caught:
        config.load(base, local)
    (problem,) = caught.value.problems
    assert (str(problem.id), str(problem.site)) == ("db.pol", "local.yaml:1:11")
    assert "Did you mean pool?" in problem.hint


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("!literal {config: {a: 1}}", {"config": {"a": 1}}),
        ("{config: {a: 1}, level: 2}", {"config": {"a": 1}, "level": 2}),
        ("{doc: a, tags: [b]}", {"doc": "a", "tags": ["b"]}),
    ],
)
def test_constants_may_have_the_names_of_slots(said: str, value: object) -> None:
    """What has more than slots, no config, or a tag in front is a constant."""
    assert config.load(config.text(f"x: {{y: {said}}}", "yaml"))["x.y"] == value
