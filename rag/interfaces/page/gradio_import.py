"""Imports Gradio without the work that it does for editors, and without the MCP library, which it can do without."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_MODULE, _WRITER = "gradio.component_meta", "create_or_modify_pyi"
_MCP = "mcp"


def import_gradio() -> ModuleType:
    """Gradio, which is imported at the first call. Raises ImportError.

    For every class of a component Gradio parses the source again, renders it with its events, and writes a file of
    types for editors beside it, into the installed package: 1.1 of the 3 CPU seconds of its import. It imports the
    library of MCP, where there is one, for a server of its own that Dateline does not use: another .35.
    """
    finder = _Sparing()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module("gradio")
    finally:
        sys.meta_path.remove(finder)


class _Sparing(MetaPathFinder):
    """Finds the one module of Gradio that writes those files, and hides the MCP library; all else is found as usual.

    For the thread that made it alone: others may import that library meanwhile.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with a loader that takes the writing out; None for others. Raises ModuleNotFoundError for MCP."""
        if threading.get_ident() != self._thread:
            return None
        if fullname == _MCP:
            raise ModuleNotFoundError(f"No module named '{_MCP}'", name=_MCP)
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Silenced(spec.loader)
        return spec


class _Silenced(Loader):
    """Loads the module as its own loader does, and then replaces the function that writes."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader makes it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Executes the module. A Gradio without that function is left as it is."""
        self._loader.exec_module(module)
        if hasattr(module, _WRITER):
            setattr(module, _WRITER, _write_nothing)


def _write_nothing(*_: object) -> None:
    pass
