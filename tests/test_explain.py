"""Explaining before running: all problems at once, plans with reasons, and the graph as data and as drawings."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from mainspring import (
    BadArguments,
    BadComponent,
    Component,
    CycleError,
    DefinitionError,
    Edge,
    Id,
    ReferenceToOff,
    RequiredMissing,
    Signal,
    Site,
    System,
    UnknownReference,
    build,
    local_ref,
    ref,
    required,
)


def given(**config: Any) -> Any:
    """A component that takes any config."""
    return Component(dict, config=config)


def picky(dsn: str, size: int = 1) -> Any:
    """A start that takes certain arguments."""


# --- check --------------------------------------------------------------------------------------------------------------


def troubled() -> System:
    """A system with a problem of each kind, in the order of their names."""
    return System({
        "a": {
            "unknown": given(x=ref("b.nothing")),
            "group": given(x=ref("nothing")),
            "deep": given(x={"k": [ref("env.http.prot")]}),
            "off": Component(dict, enabled=False),
            "to_off": given(x=ref("a.off")),
            "missing": Component(picky),
            "too_much": Component(picky, config={"dsn": 1, "sise": 2}),
            "required": given(x=[required]),
            "handler": Component(dict, handlers={"relaod": print}),
            "one": given(x=ref("a.two")),
            "two": given(x=[ref("a.one")]),
        },
        "b": {"itself": given(x=local_ref("itself"))},
        "env": {"http": {"port": 1}, "late": [ref("no.thing")]},
    })  # fmt: skip


def test_check_gives_every_problem_at_once() -> None:
    """`check` gives every problem of a definition at once, in the order as written."""
    found = [(str(problem.id), problem.error) for problem in troubled().check()]
    assert found == [
        ("a.unknown", UnknownReference),
        ("a.group", UnknownReference),
        ("a.deep", UnknownReference),
        ("a.to_off", ReferenceToOff),
        ("a.missing", BadArguments),
        ("a.too_much", BadArguments),
        ("a.required", RequiredMissing),
        ("a.handler", BadComponent),
        ("a.one", CycleError),
        ("b.itself", CycleError),
        ("env.late", UnknownReference),
    ]


def test_check_says_where() -> None:
    """Each problem has the path inside the component."""
    found = {str(problem.id): problem.path for problem in troubled().check()}
    assert found == {
        "a.unknown": ("config", "x"),
        "a.group": ("config", "x"),
        "a.deep": ("config", "x", "k", 0),
        "a.to_off": ("config", "x"),
        "a.missing": ("config", "dsn"),
        "a.too_much": ("config", "sise"),
        "a.required": ("config", "x", 0),
        "a.handler": ("handlers", "relaod"),
        "a.one": ("config", "x"),
        "b.itself": ("config", "x"),
        "env.late": (0,),
    }


def test_check_knows_file_and_line() -> None:
    """Each problem of a component has the file and line where the component was written."""
    line = sys._getframe().f_lineno + 1
    system = System({"a": {"b": Component(dict, config={"x": ref("no.thing")})}})
    assert [problem.site for problem in system.check()] == [Site(__file__, line)]


def test_check_of_one_component_gives_all_its_problems() -> None:
    """Several problems in one config are all given."""
    config = {"one": ref("a.x"), "two": [ref("a.y"), ref("a.z")], "sise": 1}
    found = [problem.path for problem in System({"a": {"b": Component(picky, config=config)}}).check()]
    assert sorted(found, key=str) == sorted(
        [
            ("config", "one"), ("config", "two", 0), ("config", "two", 1), ("config", "dsn"), ("config", "one"),
            ("config", "two"), ("config", "sise"),
        ],
        key=str,
    )  # fmt: skip


def test_same_reference_twice_is_two_problems() -> None:
    """A reference to nothing that stands in two places is said for each of them, also where it is one object."""
    nowhere = ref("no.where")
    found = [problem.path for problem in System({"a": {"b": given(x=nowhere, y=[nowhere])}}).check()]
    assert found == [("config", "x"), ("config", "y", 0)]


def test_check_starts_nothing() -> None:
    """`check` calls nothing of the user's."""
    called: list[int] = []
    system = System({"a": {"b": Component(lambda: called.append(1)), "c": given(x=build(called.append, 1))}})
    assert system.check() == []
    assert called == []


def test_sound_system_has_no_problems() -> None:
    """A system without problems gives an empty list, which is the caller's own."""
    system = System({"a": {"b": given()}})
    system.check().append(None)  # type: ignore[arg-type]
    assert system.check() == []


@pytest.mark.parametrize("request_", ["start", "started", "plan", "graph"])
def test_problems_are_raised_where_a_sound_definition_is_needed(request_: str) -> None:
    """Starting, planning and drawing raise the same problems as one error."""
    system = troubled()

    def ask() -> None:
        asked = getattr(system, request_)()
        if request_ == "started":
            asked.__enter__()

    with pytest.raises(DefinitionError) as caught:
        ask()
    assert list(caught.value.problems) == system.check()
    assert type(caught.value) is DefinitionError
    assert "11 problems in the definition" in str(caught.value)


def test_problems_of_one_kind_are_raised_as_that_kind() -> None:
    """Where all problems are of one kind, the error is of that kind too."""
    with pytest.raises(UnknownReference) as caught:
        System({"a": {"x": given(x=ref("a.z")), "y": given(x=ref("a.z"))}}).start()
    assert len(caught.value.problems) == 2


def test_describe_works_on_a_troubled_definition() -> None:
    """A definition with problems can still be described."""
    assert "a.unknown" in str(troubled().describe())


# --- Unknown references -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        (ref("db.pol"), ["db.pol", "Did you mean db.pool?"]),
        (ref("bd.pool"), ["bd", "no group", "Did you mean db.pool?"]),
        (ref("db.poll.size"), ["db.poll.size", "Did you mean db.pool?"]),
        (ref("DB.POOL"), ["DB", "db.pool"]),
        (ref("web.pool"), ["web", "db.pool"]),
        (ref("dbs"), ["dbs", "Did you mean db?"]),
        (ref("zzz.qqq"), ["zzz", "db", "web"]),
        (local_ref("pool"), ["web.pool", "db.pool"]),
        (local_ref("serber"), ["web.serber", "web.server"]),
        (ref("env.http.prot"), ["env.http", "prot", "Did you mean port?"]),
        (ref("env.http.port.x"), ["env.http.port", "int", "x"]),
        (ref("env.hosts.7"), ["env.hosts", "7"]),
    ],
    ids=repr,
)
def test_unknown_reference_has_near_misses(reference: Any, parts: list[str]) -> None:
    """A reference to nothing says what it refers to, what there is, and what is near."""
    system = System({
        "env": {"http": {"port": 80}, "hosts": ["a"]},
        "db": {"pool": given()},
        "web": {"app": given(x=reference), "server": given()},
    })  # fmt: skip
    [problem] = system.check()
    assert problem.error is UnknownReference
    for part in [*parts, "web.app", "config.x"]:
        assert part in str(problem), part


# --- Cycles -------------------------------------------------------------------------------------------------------------


def test_cycle_is_drawn() -> None:
    """A cycle is drawn as a whole: each component, and the path of the reference that leads to the next."""
    system = System({
        "web": {"server": given(app=[ref("web.app")])},
        "db": {"pool": given(url=ref("env.x"), watcher={"k": ref("web.server")})},
        "env": {"x": 1},
    }).merge(System({"web": {"app": given(pool=ref("db.pool"))}}))  # fmt: skip
    [problem] = system.check()
    assert problem.error is CycleError
    assert problem.details["cycle"] == ["web.server", "web.app", "db.pool"]
    assert problem.details["reasons"] == ["config.app.0", "config.pool", "config.watcher.k"]
    drawing = [" ".join(line.split()) for line in problem.what.splitlines()[1:]]
    assert drawing == [
        "┌─> web.server needs, in config.app.0,",
        "│ web.app needs, in config.pool,",
        "│ db.pool needs, in config.watcher.k,",
        "└── web.server (again)",
    ]


def test_component_that_needs_itself() -> None:
    """A component that refers to itself is a cycle of one."""
    [problem] = System({"a": {"b": given(x=ref("a.b.inside"))}}).check()
    assert problem.error is CycleError
    assert problem.details["cycle"] == ["a.b"]
    assert "needs itself" in problem.what


def test_component_that_refers_to_its_own_group() -> None:
    """A component that refers to the group it is in needs itself."""
    [problem] = System({"a": {"b": given(x=ref("a")), "c": 1}}).check()
    assert (problem.error, problem.details["cycle"]) == (CycleError, ["a.b"])


def test_cycle_through_a_constant() -> None:
    """A cycle may go through a constant with references inside."""
    [problem] = System({"env": {"x": {"k": ref("a.b")}}, "a": {"b": given(x=ref("env.x"))}}).check()
    assert problem.details["cycle"] == ["env.x", "a.b"]
    assert problem.details["reasons"] == ["k", "config.x"]


def test_every_cycle_is_found() -> None:
    """Cycles that are apart are each a problem, and what only hangs on to one is no part of it."""
    system = System({
        "a": {"before": given(), "x": given(y=ref("a.y"), b=ref("a.before")), "y": given(x=ref("a.x"))},
        "b": {"x": given(y=ref("b.y")), "y": given(x=ref("b.x")), "after": given(x=ref("b.x"))},
    })  # fmt: skip
    assert [problem.details["cycle"] for problem in system.check()] == [["a.x", "a.y"], ["b.x", "b.y"]]


def test_cycle_of_optional_references() -> None:
    """A cycle of optional references is a cycle like any other."""
    system = System({"a": {"x": given(y=ref("a.y", optional=True)), "y": given(x=ref("a.x", optional=True))}})
    assert [problem.error for problem in system.check()] == [CycleError]


def test_long_cycle_needs_no_recursion() -> None:
    """A cycle of five thousand components is found."""
    parts = {f"c{i}": given(x=ref("a", f"c{(i + 1) % 5000}")) for i in range(5000)}
    [problem] = System({"a": parts}).check()
    assert len(problem.details["cycle"]) == 5000


# --- Plans --------------------------------------------------------------------------------------------------------------


def planned() -> System:
    """A small system to be planned."""
    return System(
        {
            "env": {"port": 80},
            "web": {
                "server": Component(
                    dict, print, config={"app": local_ref("app"), "port": ref("env.port")},
                    pre={"start": {"announce": print}}, handlers={"reload": print},
                ),
                "app": Component(dict, config={"pool": ref("db.pool")}, suspend=print),
            },
            "db": {"pool": Component(dict, print), "spare": Component(dict)},
        },
        signals=[Signal("reload", "dependents first")],
    )  # fmt: skip


def test_plan_is_a_sequence_of_steps() -> None:
    """A plan is the ordered steps: component, signal, what comes before, and the handlers that are called."""
    plan = planned().plan("start")
    assert [str(step.id) for step in plan] == ["db.pool", "web.app", "web.server", "db.spare"]
    assert len(plan) == 4
    assert plan[2].id == plan[-2].id == Id("web", "server")
    assert plan[2].signal == "start"
    assert plan[2].after == (Id("web", "app"),)
    assert plan[2].handlers == ("pre start: announce", "start")
    assert [step.after for step in plan[:2]] == [(), (Id("db", "pool"),)]


def test_plan_gives_the_reason_for_each_place() -> None:
    """Each step has the reason for its place."""
    reasons = {str(step.id): step.reason for step in planned().plan("start")}
    assert reasons["db.pool"] == "needs nothing"
    assert reasons["web.app"] == "after db.pool, which it needs"
    assert "web.app" in reasons["web.server"]
    assert "which it needs" in reasons["web.server"]


def test_plan_of_a_stop() -> None:
    """A stop is planned in the other direction, with its own reasons."""
    plan = planned().plan("stop")
    assert [str(step.id) for step in plan] == ["db.spare", "web.server", "web.app", "db.pool"]
    reasons = {str(step.id): step.reason for step in plan}
    assert reasons["web.server"] == "nothing needs it"
    assert reasons["db.pool"] == "after web.app, which needs it"


@pytest.mark.parametrize(
    ("signal", "select", "reasons"),
    [
        ("start", "web.app", {"db.pool": ["needed by web.app"], "web.app": ["after db.pool"]}),
        ("stop", "web.app", {"web.server": ["it needs web.app"], "web.app": ["after web.server"]}),
    ],
)
def test_plan_says_what_a_selection_draws_in(signal: str, select: str, reasons: dict[str, list[str]]) -> None:
    """Of what a selection draws in, the plan says for which of the selected."""
    plan = planned().plan(signal, select)
    assert {str(step.id) for step in plan} == reasons.keys()
    for step in plan:
        for part in reasons[str(step.id)]:
            assert part in step.reason
        assert ("drawn in" in step.reason) == (str(step.id) != select)


def test_plan_of_other_signals_has_those_with_handlers() -> None:
    """Of other signals only those components are planned that have a handler."""
    assert [str(step) for step in planned().plan("suspend")] == [str(step) for step in planned().plan("suspend", "web")]
    assert [str(step.id) for step in planned().plan("suspend")] == ["web.app"]
    assert [str(step.id) for step in planned().plan("reload")] == ["web.server"]
    assert [str(step.id) for step in planned().plan("status")] == []


def test_plan_of_nothing() -> None:
    """An empty selection has an empty plan."""
    assert list(planned().plan("start", [])) == []
    assert str(planned().plan("start", [])).splitlines() == ["start, 0 steps, dependencies first"]


def test_plan_prints_its_steps() -> None:
    """A plan prints as numbered steps with their reasons, and the handlers where there are several."""
    lines = [" ".join(line.split()) for line in str(planned().plan("start")).splitlines()]
    assert lines[0] == "start, 4 steps, dependencies first"
    assert lines[1] == "1. start db.pool needs nothing"
    assert lines[2] == "2. start web.app after db.pool, which it needs"
    assert lines[3].startswith("3. start web.server after web.app")
    assert "[pre start: announce, start]" in lines[3]


def test_plan_leaves_out_constants_and_what_is_off() -> None:
    """Constants and components that are off have no steps."""
    system = planned().override({"db.spare.enabled": False})
    assert [str(step.id) for step in system.plan("start")] == ["db.pool", "web.app", "web.server"]
    assert all(id.group != "env" for step in system.plan("start") for id in step.after)


def test_plan_runs_nothing() -> None:
    """Making and printing a plan calls nothing of the user's."""
    called: list[int] = []
    system = System({"a": {"b": Component(lambda: called.append(1), lambda it: called.append(2))}})
    assert "a.b" in f"{system.plan('start')} {system.plan('stop')}"
    assert called == []


# --- Graphs -------------------------------------------------------------------------------------------------------------


def test_graph_has_every_reference() -> None:
    """The graph has an edge for each reference: what needs, what is needed, where it stands, whether it is optional."""
    system = System({
        "a": {
            "x": given(one=ref("b.y"), two=[ref("b.y", optional=True), local_ref("z.inside")]),
            "z": {"inside": 1},
            "all": given(it=ref("b")),
            "off": Component(dict, enabled=False),
            "opt": given(it=ref("a.off", optional=True)),
        },
        "b": {"y": given(), "w": [ref("a.z")]},
    })  # fmt: skip
    x, z, y, w, everything = Id("a", "x"), Id("a", "z"), Id("b", "y"), Id("b", "w"), Id("a", "all")
    graph = system.graph()
    assert graph.edges == (
        Edge(x, y, ("config", "one"), False),
        Edge(x, y, ("config", "two", 0), True),
        Edge(x, z, ("config", "two", 1), False),
        Edge(everything, y, ("config", "it"), False),
        Edge(everything, w, ("config", "it"), False),
        Edge(w, z, (0,), False),
    )
    assert set(graph.dependencies("a.x")) == {z, y}
    assert set(graph.dependents(z)) == {x, w}


def test_switch_is_an_edge() -> None:
    """What switches a component is one of the things it needs, whatever its config."""
    system = System({"env": {"on": True}, "a": {"b": Component(dict, enabled=ref("env.on"))}})
    assert system.graph().edges == (Edge(Id("a", "b"), Id("env", "on"), ("enabled",), False),)
    assert system.graph().dependencies("a.b") == (Id("env", "on"),)


def test_graph_as_plain_data() -> None:
    """The graph as plain data can be written as JSON: nodes as written with their kind, and edges."""
    data = json.loads(json.dumps(planned().override({"db.spare.enabled": False}).graph().as_dict()))
    assert [(node["id"], node["kind"]) for node in data["nodes"]] == [
        ("env.port", "constant"), ("web.server", "component"), ("web.app", "component"), ("db.pool", "component"),
        ("db.spare", "off"),
    ]  # fmt: skip
    assert {"id": "web.app", "needs": "db.pool", "path": "config.pool", "optional": False} in data["edges"]


def test_graph_as_mermaid() -> None:
    """The graph as a Mermaid flow chart has a box for each group, a node for each part, and an arrow to what is needed."""
    text = System({"env": {"x": 1}, "a": {"b": given(x=ref("env.x"), y=ref("env.x")), "c": given()}}).graph().mermaid()
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].startswith("flowchart")
    assert 'subgraph g0["env"]' in lines
    assert 'n0(["x"])' in lines
    assert 'n1["b"]' in lines
    assert lines.count("n1 --> n0") == 1


def test_graph_as_dot() -> None:
    """The graph in Graphviz' language has a cluster for each group, a node for each part, and an edge to what is needed."""
    text = System({"env": {"x": 1}, "a": {"b": given(x=ref("env.x"))}}).graph().dot()
    assert text.startswith("digraph")
    assert text.count("subgraph cluster_") == 2
    assert "n1 -> n0" in text
    assert text.count("{") == text.count("}")


def test_drawings_show_optional_and_off() -> None:
    """Drawings show optional references and what is switched off differently."""
    graph = System(
        {"a": {"x": given(y=ref("a.y", optional=True)), "y": given(), "off": Component(dict, enabled=False)}}
    ).graph()
    assert "n0 -.-> n1" in graph.mermaid()
    assert "(off)" in graph.mermaid()
    assert "style=dashed" in graph.dot()


@pytest.mark.parametrize(
    "name", ['quo"te', "back\\slash", "<b>", "a.b", "a b", "end", "subgraph", "ä", "line\nbreak", "#35;"]
)
def test_drawings_survive_any_name(name: str) -> None:
    """Names with characters that mean something in a drawing's language do not break the drawing."""
    graph = System({name: {name: given()}, "a": {"b": given(x=ref(name, name))}}).graph()
    mermaid, dot = graph.mermaid(), graph.dot()
    assert "n1 --> n0" in mermaid
    assert "n1 -> n0" in dot
    plain = System({"plain": {"plain": given()}, "a": {"b": given(x=ref("plain.plain"))}}).graph()
    assert len(mermaid.splitlines()) == len(plain.mermaid().splitlines())
    assert len(dot.splitlines()) == len(plain.dot().splitlines())
    for line in mermaid.splitlines()[1:-1]:
        assert line.count('"') in (0, 2)
        assert "<b>" not in line


def test_graph_as_text() -> None:
    """The graph reads as text, each part with what it needs."""
    lines = [" ".join(line.split()) for line in str(planned().graph()).splitlines()]
    assert "web.app <- db.pool" in lines
    assert "env.port constant" in lines
