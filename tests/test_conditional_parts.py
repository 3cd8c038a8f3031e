"""Parts that are switched on and off by a flag in the settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainspring import (
    BadComponent,
    Component,
    CycleError,
    DefinitionError,
    Id,
    ReferenceToOff,
    RequiredMissing,
    Secret,
    System,
    UnknownComponent,
    UnknownReference,
    build,
    component,
    local_ref,
    one_tagged,
    opaque,
    ref,
    required,
    subsystem,
    tagged,
)
from mainspring.cli import main as command_line


def given(**config: Any) -> Any:
    """A component whose instance is the config it was started with."""
    return Component(dict, config=config)


def switched(by: Any, **slots: Any) -> Any:
    """A component that is switched."""
    return Component(dict, enabled=by, **slots)


def started(system: System) -> list[str]:
    """What a start of the system starts."""
    return [str(step.id) for step in system.plan()]


def only_problem(system: System) -> Any:
    """The one problem that a system has."""
    (problem,) = system.check()
    return problem


# --- The flag -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        (ref("env.mail"), "env.mail"),
        (ref("env.features.mail"), "env.features.mail"),
        (ref("env.features.all.0.on"), "env.features.all.0.on"),
        (ref("env.alias"), "env.alias"),
        (ref("env.nested.inside.all.0.on"), "env.nested.inside.all.0.on"),
        (local_ref("mail"), "app.mail"),
        (ref("env.secret"), "env.secret"),
        (ref("env.opaque"), "env.opaque"),
    ],
    ids=repr,
)
def test_component_is_switched_by_a_flag(flag: Any, path: str) -> None:
    """The flag is a constant, a place deep in one, or an alias of either; the reason that is given names it as written."""
    env = {
        "mail": False,
        "features": {"mail": False, "all": [{"on": False}]},
        "alias": ref("env.mail"),
        "nested": {"inside": ref("env.features")},
        "secret": Secret(False),
        "opaque": opaque(False),
    }
    system = System({"env": env, "app": {"mail": False, "sender": switched(flag), "site": given()}})
    assert system.check() == []
    assert started(system) == ["app.site"]
    assert system.graph().off[Id("app", "sender")].startswith(f"{path} is False")


def test_flag_that_is_true_switches_on() -> None:
    """A component whose flag is True is a component like any other."""
    system = System({"env": {"mail": True}, "app": {"sender": switched(ref("env.mail"))}})
    assert started(system) == ["app.sender"]
    assert system.graph().off == {}


def test_override_of_a_flag_switches_all_that_go_by_it() -> None:
    """One flag may switch several parts, on and off."""
    app = {"sender": switched(ref("env.mail")), "queue": switched(ref("env.mail")), "site": given()}
    system = System({"env": {"mail": False}, "app": app})
    assert started(system) == ["app.site"]
    assert started(system.override({"env.mail": True})) == ["app.sender", "app.queue", "app.site"]


def test_override_of_the_switch_itself() -> None:
    """A part is switched by its id, whatever the flag says."""
    system = System({"env": {"mail": True}, "app": {"sender": switched(ref("env.mail"))}})
    off = system.override({"app.sender.enabled": False})
    assert (started(off), off.graph().off) == ([], {Id("app", "sender"): "enabled is False"})
    assert off.override({"app.sender.enabled": ref("env.mail")}) == system


def test_override_of_a_part_that_is_off_puts_one_that_is_on() -> None:
    """A fake in the place of a part that is off has no switch, and runs."""
    system = System({"env": {"mail": False}, "app": {"sender": switched(ref("env.mail"))}})
    with system.override({"app.sender": "a fake"}).started() as live:
        assert live["app.sender"] == "a fake"


def test_flag_is_there_before_the_component() -> None:
    """A flag is something that the component needs: an edge of the graph, kept by a selection."""
    system = System({"app": {"sender": switched(ref("env.mail"))}, "env": {"mail": True, "more": 1}})
    assert system.graph().dependencies("app.sender") == (Id("env", "mail"),)
    assert str(system.select("app.sender")) == "<System: app.sender, env.mail>"


def test_switch_of_a_component_function() -> None:
    """The switch may be given with the component, and holds for all definitions made by it."""

    @component(enabled=local_ref("on"))
    def sender() -> str:
        return "sender"

    groups = {"north": {"on": True, "sender": sender()}, "south": {"on": False, "sender": sender()}}
    assert started(System(groups)) == ["north.sender"]


# --- What refers to a part that is off ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        ref("app.sender"),
        local_ref("sender"),
        ref("app.sender.inside.deep"),
        one_tagged("mail"),
        [{"a": ref("app.sender")}],
    ],
    ids=repr,
)
def test_reference_to_what_is_off_is_an_error_that_names_the_flag(reference: Any) -> None:
    """A part that needs one that is off could not be started: that is said before anything is, with the flag."""
    app = {"sender": switched(ref("env.features.mail"), tags=["mail"]), "site": given(mail=reference)}
    problem = only_problem(System({"env": {"features": {"mail": False}}, "app": app}))
    assert (problem.error, problem.id, problem.details["target"]) == (ReferenceToOff, Id("app", "site"), "app.sender")
    assert "app.sender" in problem.what
    assert "env.features.mail is False" in problem.what
    assert "optional=True" in problem.hint


@pytest.mark.parametrize(
    "reference",
    [
        ref("app.sender", optional=True),
        local_ref("sender", optional=True),
        ref("app.sender.inside.deep", optional=True),
        one_tagged("mail", optional=True),
        one_tagged("mail", "inside", optional=True),
    ],
    ids=repr,
)
def test_optional_reference_to_what_is_off_is_none(reference: Any) -> None:
    """An optional reference gives None for what is off, however deep it reaches in, and the instance for what is on."""
    sender = switched(ref("env.mail"), config={"inside": {"deep": 7}}, tags=["mail"])
    system = System({"env": {"mail": False}, "app": {"sender": sender, "site": given(mail=reference)}})
    with system.started() as live:
        assert live["app.site"] == {"mail": None}
    with system.override({"env.mail": True}).started() as live:
        assert live["app.site"]["mail"] is not None


def test_optional_reference_to_nothing_is_an_error_still() -> None:
    """Optional is for what is off. What does not exist at all is a typing error."""
    system = System({"app": {"sender": switched(False), "site": given(mail=ref("app.sendr", optional=True))}})
    assert only_problem(system).error is UnknownReference


def test_part_that_is_off_with_what_it_needs() -> None:
    """Parts that go by the same flag may refer to each other plainly."""
    app = {"sender": switched(ref("env.mail")), "queue": switched(ref("env.mail"), config={"to": ref("app.sender")})}
    system = System({"env": {"mail": False}, "app": app})
    assert system.check() == []
    with system.override({"env.mail": True}).started() as live:
        assert live["app.queue"] == {"to": {}}


def test_what_a_part_that_is_off_says_is_not_looked_at() -> None:
    """Arguments of a part that is off may be missing or lead nowhere: it is not to be started."""
    off = switched(False, config={"a": required, "b": ref("no.thing")})
    system = System({"app": {"off": off}})
    assert system.check() == []
    assert {problem.error for problem in system.override({"app.off.enabled": True}).check()} == {
        RequiredMissing,
        UnknownReference,
    }


def test_constant_that_refers_to_what_is_off() -> None:
    """A constant is no different: its references have to be optional, too."""
    system = System({"env": {"mail": False, "all": [ref("app.sender")]}, "app": {"sender": switched(ref("env.mail"))}})
    problem = only_problem(system)
    assert (problem.error, problem.id, problem.path) == (ReferenceToOff, Id("env", "all"), (0,))
    assert "switch this component off" not in problem.hint


def test_groups_tags_and_patterns_pass_over_what_is_off() -> None:
    """Who asks for all of something gets those that are on."""
    app = {"sender": switched(ref("env.mail"), tags=["part"]), "site": switched(True, tags=["part"])}
    admin = {"group": given(all=ref("app")), "tag": given(all=tagged("part"))}
    system = System({"env": {"mail": False}, "app": app, "admin": admin})
    assert [started(system.select(selection)) for selection in ("app", "app.*", "tag:part")] == [["app.site"]] * 3
    with system.started() as live:
        assert live["admin.group"] == {"all": {"site": {}}}
        assert live["admin.tag"] == {"all": {Id("app", "site"): {}}}
        assert dict(live["app"]) == {"site": {}}


def test_group_and_tag_with_nothing_on_are_empty() -> None:
    """Who asks for all of something gets nothing where all is off, and that is no error."""
    admin = {"group": given(all=ref("app")), "tag": given(all=tagged("part"))}
    system = System({"app": {"sender": switched(False, tags=["part"])}, "admin": admin})
    with system.started() as live:
        assert (live["admin.group"], live["admin.tag"]) == ({"all": {}}, {"all": {}})


def test_naming_what_is_off_is_an_error_that_says_why() -> None:
    """A selection that names a part which is off cannot be meant: the error names the flag."""
    system = System({"env": {"mail": False}, "app": {"sender": switched(ref("env.mail")), "site": given()}})
    for request in (lambda: system.plan("start", "app.sender"), lambda: system.select("app.sender")):
        with pytest.raises(UnknownComponent, match=r"app\.sender is switched off: env\.mail is False"):
            request()
    with system.started() as live, pytest.raises(UnknownComponent, match=r"env\.mail is False"):
        live["app.sender"]


def test_selection_stays_as_right_as_the_whole() -> None:
    """What is cut out keeps the parts that are off to which it refers, with their flags."""
    sender = switched(ref("env.alias.on"), tags=["mail"])
    site = given(a=ref("app.sender", optional=True), b=tagged("mail"), c=one_tagged("mail", optional=True))
    env = {"flags": {"on": False}, "alias": ref("env.flags"), "more": 1}
    part = System({"env": env, "app": {"sender": sender, "site": site}, "x": {"y": given()}}).select("app.site")
    assert str(part) == "<System: env.flags, env.alias, app.sender, app.site>"
    with part.started() as live:
        assert live["app.site"] == {"a": None, "b": {}, "c": None}


# --- Subsystems ---------------------------------------------------------------------------------------------------------


def mail_system() -> System:
    """A system with a flag of its own."""
    return System(
        {
            "flags": {"mail": required},
            "mail": {"sender": switched(ref("flags.mail")), "site": given(sender=ref("mail.sender", optional=True))},
        }
    )


def test_flag_that_is_imported() -> None:
    """A part of a subsystem is switched by a flag of the system around it, given as an import."""
    system = System({"env": {"mail": False}, "app": {"one": subsystem(mail_system(), {"flags.mail": ref("env.mail")})}})
    assert system.check() == []
    with system.started() as live:
        assert live["app.one.mail.site"] == {"sender": None}
    with system.override({"env.mail": True}).started() as live:
        assert live["app.one.mail.site"] == {"sender": {}}


def test_same_subsystem_with_the_flag_on_and_off() -> None:
    """A subsystem that is there twice has a flag for each."""
    one, two = (subsystem(mail_system(), {"flags.mail": on}) for on in (True, False))
    system = System({"app": {"one": one, "two": two}})
    assert [str(id) for id in system.graph().off] == ["app.two.mail.sender"]


def test_reference_into_a_subsystem_to_a_part_that_is_off() -> None:
    """The error has the whole path of the part, and of the flag that is to be changed."""
    inner = subsystem(mail_system(), {"flags.mail": ref("env.mail")})
    system = System({"env": {"mail": False}, "app": {"one": inner, "site": given(x=ref("app.one.mail.sender"))}})
    problem = only_problem(system)
    assert (problem.error, problem.details["target"]) == (ReferenceToOff, "app.one.mail.sender")
    assert "env.mail" in problem.what


def test_subsystem_that_is_off() -> None:
    """Of a subsystem that is off there is nothing: neither itself nor any of its parts."""
    inner = System({"db": {"pool": given()}})
    site = given(all=ref("app.one", optional=True), pool=ref("app.one.db.pool", optional=True))
    system = System({"env": {"on": False}, "app": {"one": subsystem(inner, enabled=ref("env.on")), "site": site}})
    assert started(system) == ["app.site"]
    assert system.graph().off == {Id("app", "one"): "env.on is False"}
    with system.started() as live:
        assert live["app.site"] == {"all": None, "pool": None}
    with system.override({"env.on": True}).started() as live:
        assert live["app.site"]["pool"] == {}


@pytest.mark.parametrize("reference", [ref("app.one"), ref("app.one.db.pool"), ref("app.one.db.pool.deep")], ids=repr)
def test_reference_into_a_subsystem_that_is_off(reference: Any) -> None:
    """What refers to anything in a subsystem that is off gets an error that names the subsystem's flag."""
    inner = System({"db": {"pool": given()}})
    app = {"one": subsystem(inner, enabled=ref("env.on")), "site": given(x=reference)}
    problem = only_problem(System({"env": {"on": False}, "app": app}))
    assert (problem.error, problem.id) == (ReferenceToOff, Id("app", "site"))
    assert "app.one, which is switched off: env.on is False" in problem.what


def test_subsystem_that_is_off_is_not_looked_at() -> None:
    """What is missing in a subsystem that is off is no problem."""
    system = System({"app": {"one": subsystem(mail_system(), enabled=False)}})
    assert system.check() == []
    assert only_problem(system.override({"app.one.enabled": True})).error is RequiredMissing


# --- Where it is shown --------------------------------------------------------------------------------------------------


def shown_system() -> System:
    """A system with a part that is off."""
    app = {"sender": switched(ref("env.mail")), "site": given(mail=ref("app.sender", optional=True))}
    return System({"env": {"mail": False}, "app": app})


def test_graph_shows_what_is_off() -> None:
    """The graph has the part, as off, with the reason; nothing points at it."""
    graph = shown_system().graph()
    assert "app.sender  off       off: env.mail is False" in str(graph)
    assert graph.edges == ()


def test_graph_formats_show_what_is_off() -> None:
    """So have the drawings and the data."""
    graph = shown_system().graph()
    assert '["sender (off)"]:::off' in graph.mermaid()
    assert '[label="sender", shape=box, style=dashed' in graph.dot()
    (node,) = [node for node in graph.as_dict()["nodes"] if node["id"] == "app.sender"]
    assert node == {"id": "app.sender", "kind": "off", "needs": [], "off": "env.mail is False"}


def test_description_shows_what_is_off() -> None:
    """A description says that the part is off, and why; also that of a live system."""
    system = shown_system()
    with system.started() as live:
        for description in (system.describe(), live.describe()):
            entry = description["app.sender"]
            assert (entry.kind, entry.off) == ("off", "env.mail is False")
            assert "app.sender  (off: env.mail is False)" in str(description)
            assert description.as_dict()["app.sender"]["off"] == "env.mail is False"
            assert description["app.site"].off is None


def test_command_line_shows_what_is_off(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line counts, draws and describes it, and switches it with --set."""
    (tmp_path / "switched_app.py").write_text(
        "from mainspring import Component, System, ref\n"
        "sender = Component(dict, enabled=ref('env.mail'))\n"
        "system = System({'env': {'mail': False}, 'app': {'sender': sender}})\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def printed(*arguments: str) -> str:
        command_line(list(arguments))
        return "".join(capsys.readouterr())

    assert "1 of the components switched off" in printed("check", "switched_app:system")
    assert "app.sender  off       off: env.mail is False" in printed("graph", "switched_app:system")
    assert "(off: env.mail is False)" in printed("describe", "switched_app:system")
    described = json.loads(printed("describe", "switched_app:system", "--json"))
    assert described["app.sender"]["off"] == "env.mail is False"
    assert "app.sender is switched off: env.mail is False" in printed(
        "plan", "switched_app:system", "--select", "app.sender"
    )
    assert "start app.sender" in printed("plan", "switched_app:system", "--set", "env.mail=true")


# --- Flags that are none ------------------------------------------------------------------------------------------------


def refuse_to_run() -> bool:
    """What is not to be called by a check."""
    raise AssertionError


@pytest.mark.parametrize(
    "value",
    [0, 1, "no", None, {"on": True}, [], Secret("no"), build(refuse_to_run), [ref("app.site")], ref("app.site")],
    ids=repr,
)
def test_flag_that_is_no_bool_is_an_error(value: Any) -> None:
    """A flag is True or False: what is only taken for one would switch by accident. Nothing is called to find out."""
    system = System({"env": {"mail": value}, "app": {"sender": switched(ref("env.mail")), "site": given()}})
    problem = only_problem(system)
    assert (problem.error, problem.id, problem.path) == (BadComponent, Id("app", "sender"), ("enabled",))
    assert "env.mail, which is no constant True or False" in problem.what
    assert "has to be known before anything starts" in problem.hint


@pytest.mark.parametrize(
    ("value", "shown"), [("no", "a str"), (1, "an int"), (None, "None"), (Secret("hunter2"), "a str"), ([1], "a list")]
)
def test_error_of_a_flag_says_what_it_is_instead(value: Any, shown: str) -> None:
    """The kind of what stands there is told, and not the value, which may be a secret."""
    system = System({"env": {"mail": value}, "app": {"sender": switched(ref("env.mail"))}})
    problem = only_problem(system)
    assert problem.what == f"it is switched by env.mail, which is no constant True or False, but {shown}."


@pytest.mark.parametrize("flag", [ref("app.site"), ref("app.site.x"), local_ref("site"), ref("env")], ids=repr)
def test_flag_that_is_a_component_or_a_group_is_an_error(flag: Any) -> None:
    """What is known only when something runs cannot be a flag, nor can several values."""
    system = System({"env": {"mail": True}, "app": {"site": given(x=True), "sender": switched(flag)}})
    assert BadComponent in {problem.error for problem in system.check()}
    with pytest.raises(DefinitionError, match="no constant True or False"):
        system.start()


@pytest.mark.parametrize(
    ("flag", "hint"),
    [(ref("env.mial"), "env.mail"), (ref("env.deep.mial"), "mail"), (ref("evn.mail"), "env.mail")],
    ids=repr,
)
def test_flag_that_does_not_exist_is_an_error_with_near_misses(flag: Any, hint: str) -> None:
    """A flag with a typing error is an unknown reference, not a part that is on or off."""
    system = System({"env": {"mail": False, "deep": {"mail": False}}, "app": {"sender": switched(flag)}})
    problem = only_problem(system)
    assert (problem.error, problem.id, problem.path) == (UnknownReference, Id("app", "sender"), ("enabled",))
    assert hint in f"{problem.what} {problem.hint}"


def test_flag_that_is_required() -> None:
    """A flag that has to be given is one problem, that of the flag; it says whom it switches."""
    problem = only_problem(System({"env": {"mail": required}, "app": {"sender": switched(ref("env.mail"))}}))
    assert (problem.error, problem.id) == (RequiredMissing, Id("env", "mail"))
    assert "app.sender" in problem.what


@pytest.mark.parametrize("enabled", ["env.mail", 1, None, tagged("flag"), one_tagged("flag"), required], ids=repr)
def test_switch_that_is_neither_bool_nor_reference_is_an_error_at_once(enabled: Any) -> None:
    """A switch is a bool or a reference to one constant."""
    with pytest.raises(BadComponent, match="neither a bool nor a reference to a constant"):
        switched(enabled)


def test_component_that_is_switched_by_what_needs_it() -> None:
    """A flag beside a reference to the component that it switches is a cycle, drawn with the switch in it."""
    env = {"mail": {"on": True, "sender": ref("app.sender")}}
    problem = only_problem(System({"env": env, "app": {"sender": switched(ref("env.mail.on"))}}))
    assert problem.error is CycleError
    assert problem.details == {"cycle": ["env.mail", "app.sender"], "reasons": ["sender", "enabled"]}


def test_flags_that_are_aliases_of_each_other() -> None:
    """A circle of aliases has no value: it is a cycle."""
    env = {"a": ref("env.b"), "b": ref("env.a")}
    system = System({"env": env, "app": {"sender": switched(ref("env.a"))}})
    assert CycleError in {problem.error for problem in system.check()}
