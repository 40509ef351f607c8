from __future__ import annotations

import json
import subprocess
import sys

IMPORTED = """
import json, sys, threading
touched = []
sys.addaudithook(lambda event, given: touched.append(str(given[0])) if event == "open" else None)
from rag.interfaces.page import gradio_import
elsewhere = {}
def import_elsewhere():
    import mcp.types
    elsewhere["mcp"] = mcp.types.Tool is not None
if sys.argv[1:]:
    # Before Gradio asks for the library, another thread imports it.
    finder = gradio_import._Sparing()
    sys.meta_path.insert(0, finder)
    thread = threading.Thread(target=import_elsewhere)
    thread.start()
    thread.join()
    sys.meta_path.remove(finder)
import_gradio = gradio_import.import_gradio
gradio = import_gradio()
hidden = "mcp" not in sys.modules
import mcp.types
with gradio.Blocks() as blocks:
    box = gradio.Textbox()
    box.submit(str.upper, box, box)
import gradio as again
print(json.dumps({
    "type files": [path for path in touched if path.endswith(".pyi")],
    "sources": sum("gradio" in path and path.endswith((".py", ".pyc")) for path in touched),
    "handlers": len(blocks.fns),
    "mcp": [hidden, elsewhere, hasattr(mcp.types, "Tool")],
    "same": again is gradio is import_gradio(),
    "finders": [type(finder).__name__ for finder in sys.meta_path if type(finder).__module__.startswith("rag.")],
}))
"""


def imported(environment: dict[str, str], *arguments: str) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_gradio_is_imported_whole_and_writes_no_files_of_types(child_environment: dict[str, str]) -> None:
    found = imported(child_environment)
    assert int(str(found["sources"])) > 50  # the hook sees what is opened
    assert (found["type files"], found["handlers"], found["same"], found["finders"]) == ([], 1, True, [])


def test_the_library_of_mcp_is_hidden_from_gradio_and_from_nobody_else(child_environment: dict[str, str]) -> None:
    assert imported(child_environment)["mcp"] == [True, {}, True]
    assert imported(child_environment, "elsewhere")["mcp"] == [False, {"mcp": True}, True]
