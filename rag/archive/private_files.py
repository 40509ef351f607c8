"""Files and folders that their owner alone may read, whatever the umask. Windows has no such modes: there, nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_HAS_MODES = os.name == "posix"


def make_folder(folder: Path) -> None:
    """Makes a folder for its owner alone; one that exists keeps its mode. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise


def make_file(path: Path) -> None:
    """Makes an empty file for its owner alone where there is none; SQLite gives its mode to -wal and -shm. OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def tighten(*paths: Path) -> None:
    """Takes what others may do from files and folders of ours that an earlier program left open.

    One that is missing, a link, or another user's is left as it is.
    """
    for path in paths if _HAS_MODES else ():
        with suppress(OSError):
            if path.is_symlink():
                continue
            mode = path.stat().st_mode
            if mode & 0o077:
                path.chmod(mode & 0o700)
