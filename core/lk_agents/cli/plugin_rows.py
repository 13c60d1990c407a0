"""The installed plugins as rows: what ``plugins`` prints and ``doctor`` judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.hooks.info import PluginInfo
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.plugin import Plugin

__all__ = ["PluginRow", "offered_by", "rows_of", "tells_missing_files"]


@dataclass(frozen=True, kw_only=True)
class PluginRow:
    """One plugin.

    :param in_use: None where no file was given, so nothing can be said.
    :param missing_files: files that ``download-files`` would fetch; None if the plugin does not tell.
    :param offers: kind and name of each provider that it offers, such as ``"stt deepgram"``.
    """

    name: str
    distribution: str
    version: str
    hooks: Sequence[str]
    missing_files: Sequence[str] | None
    in_use: bool | None
    disabled: str = ""
    error: str = ""
    offers: Sequence[str] = ()

    @property
    def files(self) -> str:
        """Whether the plugin's files are there, in a word."""
        if self.missing_files is None:
            return "-"
        return f"{len(self.missing_files)} missing" if self.missing_files else "present"

    @property
    def state(self) -> str:
        """Whether the plugin is used, in a word or with what is wrong."""
        if self.error:
            return f"broken: {self.error}"
        if self.disabled:
            return f"disabled by {self.disabled}"
        return {None: "installed", True: "in use", False: "not in use"}[self.in_use]

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {**asdict(self), "hooks": list(self.hooks), "offers": list(self.offers)}


def offered_by(registry: PluginRegistry) -> Mapping[str, Sequence[str]]:
    """Return by plugin what the installed ones offer; asks them, so broken hooks are logged."""
    from lk_agents.hooks.lookup import offers
    from lk_agents.hooks.provider_records import PROVIDER_KINDS

    found: dict[str, list[str]] = {}
    for kind in PROVIDER_KINDS:
        for offer in offers(kind, registry):
            found.setdefault(offer.plugin, []).append(f"{kind.kind} {offer.provider.name}")
    return found


def rows_of(
    infos: Sequence[PluginInfo], *, decided: bool, offered: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> list[PluginRow]:
    """Return a row for each plugin; the user's own functions are left out.

    :param decided: whether it has been decided which plugins are in use.
    :param offered: what :func:`offered_by` says.
    """
    return [_row(info, decided, offered.get(info.name, ())) for info in infos if not info.own]


def _row(info: PluginInfo, decided: bool, offers: Sequence[str]) -> PluginRow:
    missing, error = _missing_files(info)
    return PluginRow(
        name=info.name,
        distribution=info.distribution,
        version=info.version,
        hooks=list(info.hooks),
        missing_files=missing,
        in_use=info.in_use if decided else None,
        disabled=info.disabled,
        error=info.error or error,
        offers=offers,
    )


def tells_missing_files(plugin: Plugin) -> bool:
    """Whether the plugin can say which of its files are missing."""
    from lk_agents.plugin import Plugin as Base

    return type(plugin).missing_files is not Base.missing_files


def _missing_files(info: PluginInfo) -> tuple[Sequence[str] | None, str]:
    """Return what is missing, None where the plugin does not tell, and what went wrong in finding out."""
    if info.record is None or not tells_missing_files(info.record):
        return None, ""
    try:
        return [str(name) for name in info.record.missing_files()], ""
    except Exception as error:  # noqa: BLE001  one plugin's fault must not hide the others
        return None, f"it cannot tell which files are missing: {error}"
