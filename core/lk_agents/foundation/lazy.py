"""Public names that are loaded when they are first used (PEP 562), so that importing a package costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["load_name"]


def load_name(package: str, name: str, names: Mapping[str, Collection[str]], submodules: Collection[str] = ()) -> Any:
    """Return a public name of a package; its ``__getattr__`` calls this, which imports even this module late.

    :param package: its ``__name__``.
    :param names: by the module below the package, what it defines.
    :param submodules: modules below the package that are names of it themselves.
    :raises AttributeError: there is no such name.
    """
    if name in submodules:
        return import_module(f"{package}.{name}")
    for home, defined in names.items():
        if name in defined:
            value = getattr(import_module(f"{package}.{home}"), name)
            setattr(sys.modules[package], name, value)  # the next time it is found without us
            return value
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
