"""The hooks of the command line: commands, and a server for ``lk-agents dev --server``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import Command, ServerInfo


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_commands() -> Iterable[Command]:
    """Add commands to ``lk-agents``.

    Called when the command line starts, for each installed plugin: return names and one-line helps only. ``build``
    is called when the user runs the command or asks for its help; import heavy modules there.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_commands() -> Iterable[Command]:
            yield Command("acme-voices", build=_voices_command, help="List the voices of the Acme service.")


        def _voices_command() -> click.Command:
            from lk_agents_acme.commands import voices

            return voices

    :returns: the commands; an empty iterable for none.

    Errors: logged with the plugin's name; its commands are left out. Two plugins that offer the same name, or one of
    the framework's own, get an error that names both; the other commands keep working.

    Called in: the command line. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_dev_server() -> AbstractAsyncContextManager[ServerInfo] | None:
    """Offer a LiveKit server for development and tests.

    Called by ``lk-agents dev --server`` and by the test fixture ``lk_server``. Return an asynchronous context
    manager that has not been entered: entering it starts the server and gives its address and credentials, leaving
    it stops the server. Start nothing in the hook itself.

    Example::

        @lk_agents.hookimpl
        def lk_agents_dev_server() -> AbstractAsyncContextManager[ServerInfo]:
            from lk_agents_acme.server import running_server

            return running_server()

    :returns: the context manager; None if the plugin cannot offer a server on this machine.

    Errors: logged with the plugin's name; another plugin's server is used if there is one.

    Called in: the command line and tests. For: every installed plugin. Since: 0.1.
    """
