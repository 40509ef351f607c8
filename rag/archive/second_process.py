"""A second process that fills the keyword index and finds the near-duplicates while this one fills the vector index.

Chroma holds the global interpreter lock while it writes, so that no thread of this process could do so meanwhile. What
the second process leaves undone, for whatever reason, this one does afterwards: its failure costs time alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rag.archive.catalog import Catalog
from rag.archive.followers import KeywordFollower
from rag.archive.indexes import keyword_index
from rag.archive.near_duplicates import NearDuplicateFollower
from rag.archive.priority import Priority

# An archive of so many passages is worth it. CPU seconds one after another, and then on the longer path of the two, to
# fill one with generated articles: 3.9 and 2.5 for 2,000 passages, 20.8 and 14.5 for 10,000. The start of the
# process and its imports take .3 of them.
LEAST_PASSAGES = 2_000
_LOOK_SECONDS = 0.05  # between the calls of `step` during the wait
_NICE = 5  # searches of the first process go first


def is_worth_it(catalog: Catalog, mark: str = keyword_index.NAME) -> bool:
    """Whether the keyword index, `mark` in the catalogue, is to be filled from its beginning, with much, and there is a
    core for it."""
    unfilled = catalog.followed(mark) == 0
    return unfilled and (os.cpu_count() or 1) > 1 and catalog.count_passages() >= LEAST_PASSAGES


@contextmanager
def filling(folder: Path, step: Callable[[], object], url: str = "") -> Iterator[None]:
    """A context during which the second process works on the archive at `folder`; it ends when that process has ended.

    `step` is called again and again while the end is waited for; an error that it or the body raises ends the process.
    Where none can be started, nothing happens. The caller holds the locks of the indexes and keeps away from the
    keyword index meanwhile, but for reading. `url` is that of a catalogue in PostgreSQL.
    """
    process = _started(folder, url)
    if process is None:
        yield
        return
    with process:
        try:
            yield
            while process.poll() is None:
                step()
                _wait_a_moment(process)
        finally:
            process.kill()


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return


def _started(folder: Path, url: str) -> subprocess.Popen[bytes] | None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # -P: files in the working directory must not be imported as modules.
    command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()", str(folder)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed by the system when this process ends, however it ends
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal must reach the first process only, which then ends this one
        )
    except OSError:
        return None
    assert process.stdin is not None
    with suppress(OSError):  # it may have ended already
        os.write(process.stdin.fileno(), f"{url}\n".encode())  # no argument: everybody on the machine may read those
    return process


def main() -> None:
    """Brings the keyword index and the near-duplicates of the archive named on the command line up to date.

    Ends at once when the standard input closes. Raises StorageError.
    """
    url = sys.stdin.buffer.readline().decode().strip()
    threading.Thread(target=_end_with_the_first_process, daemon=True).start()
    if os.name != "nt":
        os.nice(_NICE)
    folder, priority = Path(sys.argv[1]), Priority()
    with closing(Catalog(folder / "catalogue.sqlite", url=url)) as catalog:
        with closing(KeywordFollower(catalog, folder / keyword_index.NAME, priority)) as words:
            words.bring_up(None)
        NearDuplicateFollower(catalog, priority).bring_up()


def _end_with_the_first_process() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
