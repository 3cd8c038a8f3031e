"""The service as a definition: what `system.yaml` says, for whoever needs it in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainspring import System, config

FILE = Path(__file__).resolve().parents[1] / "system.yaml"


def make_system(*layers: Any, profile: str | None = None, environ: Mapping[str, str] = os.environ) -> System:
    """Define the service.

    Parameters:
        layers: more settings, on top of what the file says: files, or mappings such as `{"env": {"port": 0}}`.
        profile: dev, test or prod; by default what MAINSPRING_PROFILE says, and failing that dev.
        environ: the environment variables.

    Returns:
        the definition. Nothing is started.

    Raises:
        mainspring.DefinitionError: something in the file, the layers or the environment is wrong. It says what and where.

    Example:
        >>> system = make_system(profile="test", environ={}).override({"env.worker": False})
    """
    return config.load(FILE, *layers, profile=profile, environ=environ)


def ask(part: Any) -> Any:
    """Ask a part how it is: the status handler of all components that have no other."""
    return part.status()
