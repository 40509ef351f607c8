"""The files for Docker Compose and Kubernetes."""

from __future__ import annotations

import re

import pytest
import yaml
from conftest import ROOT
from deploy_files import DEPLOY, deployment, of_image, pod, resources, services

from rag.errors import SettingsError
from rag.settings import Settings


def test_each_way_to_run_has_a_profile() -> None:
    assert {profile for service in services().values() for profile in service["profiles"]} == {
        "one-machine",
        "with-servers",
        "workers",
    }
    assert services()["with-servers"]["environment"]["DATELINE_CHROMA_URL"].startswith("http://chroma:")
    assert services()["with-servers"]["environment"]["DATELINE_LLM"] in " ".join(services()["model"]["command"])


@pytest.mark.parametrize("name", ["one-machine", "with-servers", "worker"])
def test_a_container_of_ours_can_do_little_and_is_reached_from_its_machine_alone(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") and port.endswith(":7860") for port in service["ports"])
    assert [volume.partition(":")[2] for volume in service["volumes"]] == of_image("VOLUME")
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_a_worker_runs_as_a_command_and_gets_the_catalogue_that_the_servers_get() -> None:
    worker = services()["worker"]
    assert worker["command"] == deployment()["spec"]["template"]["spec"]["containers"][0]["args"] == ["worker"]
    assert worker["ports"] == []
    assert worker["healthcheck"] == {"disable": True}  # that of the image asks a server
    for name in ("one-machine", "with-servers", "worker"):
        assert services()[name]["environment"]["DATELINE_CATALOG"] == "${DATELINE_CATALOG:-}"
        for variable in ("DATELINE_EMBEDDER", "DATELINE_EMBEDDER_URL", "DATELINE_EMBEDDER_KEY"):
            assert services()[name]["environment"][variable] == f"${{{variable}:-}}"
        # The vectors of the other one are on its Chroma server, and the settings refuse two places for them.
        assert services()[name]["environment"].get("DATELINE_INDEX", "") == (
            "" if name == "with-servers" else "${DATELINE_INDEX:-}"
        )
    unset = {name: "" for name, value in services()["worker"]["environment"].items() if value == f"${{{name}:-}}"}
    assert Settings.load(unset) == Settings.load({})


def test_the_server_can_get_the_catalogue_of_the_workers_on_kubernetes_too() -> None:
    text = (DEPLOY / "kubernetes.yaml").read_text()
    commented = "\n".join(
        re.findall(r"^ +# ((?:- name: DATELINE_CATALOG|  valueFrom:|    secretKeyRef:).*)$", text, re.M)
    )
    (catalogue,) = yaml.safe_load(commented)
    assert catalogue in deployment()["spec"]["template"]["spec"]["containers"][0]["env"]


def test_a_pod_of_a_worker_is_confined_as_that_of_the_server() -> None:
    spec, server = deployment()["spec"]["template"]["spec"], pod()
    (container,) = spec["containers"]
    assert container["securityContext"] == server["containers"][0]["securityContext"]
    assert container["image"] == server["containers"][0]["image"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    assert container["resources"]["limits"]["memory"]
    for name in ("runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile"):
        assert spec["securityContext"][name] == server["securityContext"][name]
    for name in ("enableServiceLinks", "automountServiceAccountToken", "terminationGracePeriodSeconds"):
        assert spec[name] == server[name]
    assert deployment()["spec"]["selector"]["matchLabels"] == deployment()["spec"]["template"]["metadata"]["labels"]


def test_servers_without_a_login_are_published_nowhere() -> None:
    for name in ("chroma", "model"):
        assert "ports" not in services()[name]
        assert "privileged" not in services()[name]
    assert services()["chroma"]["networks"] == ["private"]
    assert yaml.safe_load((DEPLOY / "compose.yaml").read_text())["networks"]["private"] == {"internal": True}


def test_the_chroma_server_has_the_version_of_its_client() -> None:
    pinned = re.search(r"^chromadb==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned
    assert services()["chroma"]["image"] == f"chromadb/chroma:{pinned[1]}"
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in services().values())


def test_there_is_one_pod_with_one_disk() -> None:
    spec = resources()["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    claim = spec["volumeClaimTemplates"][0]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod()["containers"][0]["volumeMounts"]}
    assert mounts["/data"] == claim["metadata"]["name"]
    assert set(mounts) == {"/data", "/tmp"}
    assert resources()["Service"]["spec"]["selector"] == spec["selector"]["matchLabels"]
    assert spec["template"]["metadata"]["labels"] == spec["selector"]["matchLabels"]


def test_a_pod_is_not_root_can_do_little_and_has_bounds() -> None:
    user = int(of_image("USER")[-1].partition(":")[0])
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert {pod()["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    for container in [*pod()["initContainers"], *pod()["containers"]]:
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]


def test_variables_of_a_service_with_our_name_stay_out_of_the_pod() -> None:
    with pytest.raises(SettingsError):
        Settings.load({"DATELINE_PORT": "tcp://10.0.0.1:80"})  # what Kubernetes would set
    with pytest.raises(SettingsError):
        Settings.load({"DATELINE_SERVICE_HOST": "10.0.0.1"})
    assert pod()["enableServiceLinks"] is False
