from __future__ import annotations

import json
import subprocess
import sys

IMPORTED = """
import json, sys
touched = []
sys.addaudithook(lambda event, given: touched.append(str(given[0])) if event == "open" else None)
from rag.interfaces.page.gradio_import import import_gradio
gradio = import_gradio()
with gradio.Blocks() as blocks:
    box = gradio.Textbox()
    box.submit(str.upper, box, box)
import gradio as again
print(json.dumps({
    "type files": [path for path in touched if path.endswith(".pyi")],
    "sources": sum("gradio" in path and path.endswith((".py", ".pyc")) for path in touched),
    "handlers": len(blocks.fns),
    "same": again is gradio is import_gradio(),
    "finders": [type(finder).__name__ for finder in sys.meta_path if type(finder).__module__.startswith("rag.")],
}))
"""


def test_gradio_is_imported_whole_and_writes_no_files_of_types(
    child_environment: dict[str, str],
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED], env=child_environment, capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found.pop("sources") > 50  # the hook sees what is opened
    assert found == {"type files": [], "handlers": 1, "same": True, "finders": []}
