from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from app import main
from rag.archive.indexer import lock_file
from rag.errors import SettingsError, StorageError
from rag.serving import api_keys
from rag.serving.api_keys import Keys, check_address, is_loopback


def test_a_key_opens_with_its_secret_and_with_nothing_else(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    key, secret = keys.create("newsroom", ["ingest", "read"])
    assert secret.startswith("dateline_")
    assert keys.check(secret) == key
    assert key.scopes == ("read", "ingest")
    assert keys.check(secret + "x") is None
    assert keys.check("") is None
    assert keys.check("\ud800") is None


def test_the_secret_is_nowhere_in_the_file_and_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    _, secret = keys.create("newsroom")
    text = keys.path.read_text()
    assert secret not in text
    assert secret.removeprefix("dateline_") not in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


def test_a_running_server_sees_keys_that_another_process_makes_and_revokes(tmp_path: Path) -> None:
    server, operator = Keys(tmp_path), Keys(tmp_path)
    assert server.all() == ()
    key, secret = operator.create("desk")
    assert server.check(secret) == key
    assert operator.revoke("desk")
    assert server.check(secret) is None
    assert not operator.revoke("desk")


def test_a_key_is_revoked_by_its_id_too(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    first, _ = keys.create("one")
    second, _ = keys.create("two")
    assert keys.revoke(first.id)
    assert keys.all() == (second,)


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "everything"]])
def test_an_unknown_scope_is_refused(tmp_path: Path, scopes: list[str]) -> None:
    with pytest.raises(SettingsError, match="expected one or more of read, ingest"):
        Keys(tmp_path).create("x", scopes)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.create("desk")
    with pytest.raises(SettingsError, match="'desk' is empty or taken"):
        keys.create(" desk".strip())
    with pytest.raises(SettingsError, match="'  ' is empty or taken"):
        keys.create("  ")


_MAKERS = """
import sys
import time
from pathlib import Path
from rag.errors import SettingsError
from rag.serving.api_keys import Keys
keys, name = Keys(Path(sys.argv[1])), sys.argv[2]
write = keys._write
def slowly(made):
    time.sleep(0.01)  # as on a slow disk, between what was read and what is written
    write(made)
keys._write = slowly
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    keys.create(f"{name}{number}")
    if number % 3 == 0:
        assert keys.revoke(f"{name}{number}")
try:
    keys.create("one name for both")
    print("made")
except SettingsError:
    print("taken")
"""


def test_two_processes_that_change_the_keys_at_once_lose_none(
    tmp_path: Path, python: str, child_environment: dict[str, str]
) -> None:
    makers = [
        subprocess.Popen(
            [python, "-c", _MAKERS, str(tmp_path), name],
            env=child_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    told = [maker.communicate(timeout=60)[0].strip() for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0]
    assert sorted(told) == ["made", "taken"]
    expected = {f"{name}{number}" for name in "ab" for number in range(15) if number % 3} | {"one name for both"}
    found = [key.name for key in Keys(tmp_path).all()]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_change_waits_for_another_process_and_says_so_when_that_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path)
    _, secret = keys.create("desk")
    lock = lock_file(tmp_path / "keys.lock", 0)
    assert lock is not None
    monkeypatch.setattr(api_keys, "_LOCK_SECONDS", 0.1)
    for change in (lambda: keys.create("paper"), lambda: keys.revoke("desk")):
        with pytest.raises(StorageError, match="Another process has been changing the keys .* then run this again"):
            change()
    assert keys.check(secret) is not None
    lock.release()
    assert keys.revoke("desk")
    assert stat.S_IMODE((tmp_path / "keys.lock").stat().st_mode) == 0o600


def test_looking_for_a_key_makes_nothing(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "absent")
    assert not keys.revoke("desk")
    keys.add([])
    assert keys.check("dateline_x") is None
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("content", ["", "{}", '{"keys": [{"id": 1}]}', "not json"])
def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path, content: str) -> None:
    keys = Keys(tmp_path)
    _, secret = keys.create("desk")
    keys.path.write_text(content)
    with pytest.raises(StorageError, match="cannot be read"):
        keys.check(secret)


def test_the_file_says_when_and_for_what_a_key_was_made(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    key, _ = keys.create("desk")
    assert json.loads(keys.path.read_text())["keys"] == [
        {"id": key.id, "name": "desk", "scopes": ["read"], "sha256": key.sha256, "created": key.created}
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_this_machine_alone_needs_no_key(tmp_path: Path, host: str) -> None:
    assert is_loopback(host)
    check_address(host, Keys(tmp_path), without_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "news.example", "localhost.example"])
def test_a_public_address_without_a_key_is_refused_unless_said(tmp_path: Path, host: str) -> None:
    keys = Keys(tmp_path)
    with pytest.raises(SettingsError, match=r"has no API key.*dateline key create.*--without-keys"):
        check_address(host, keys, without_keys=False)
    check_address(host, keys, without_keys=True)
    keys.create("desk")
    check_address(host, keys, without_keys=False)


def dateline(folder: Path, *arguments: str) -> int:
    return main([*arguments, "--data-dir", str(folder)])


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dateline(tmp_path, "key", "create", "desk", "--scope", "read", "--scope", "ingest", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["name"], made["scopes"]) == ("desk", ["read", "ingest"])
    found = Keys(tmp_path).check(made["key"])
    assert found is not None
    assert found.id == made["id"]
    assert dateline(tmp_path, "key", "create", "second") == 0
    shown = capsys.readouterr().out
    assert "This is shown once. It may: read." in shown
    assert dateline(tmp_path, "key", "list") == 0
    listed = capsys.readouterr().out
    assert "read+ingest   desk" in listed
    assert made["key"] not in listed
    assert dateline(tmp_path, "key", "revoke", "desk") == 0
    assert dateline(tmp_path, "key", "revoke", "desk") == 1
    assert "there is no key 'desk'" in capsys.readouterr().err
    assert dateline(tmp_path, "key", "list", "--json") == 0
    assert [key["name"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["second"]


def test_serving_the_world_without_a_key_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dateline(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0") == 2
    assert "dateline key create" in capsys.readouterr().err
