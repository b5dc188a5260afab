"""The layer, built: it holds what the handlers need, nothing of the machine it was made on, and
fits; the recipe is repeatable byte for byte.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from instep.cdk.bytecode import Target
from instep.cdk.code import Code
from instep.cdk.config import Config
from instep.cdk.dependencies import LIMIT, SERVICES, build_dependencies, tree_size
from instep.cdk.packages import (
    LOCK,
    Packages,
    build_packages,
    content_hash,
    stage_library,
    target_of,
)
from tests.infrastructure.synthesis import Synthesized
from tests.support.marks import ROOT

BUILD = ROOT / ".build"
CODE = Code(
    ROOT,
    "receipt_domain:DOMAIN",
    ["receipt_chroma", "receipt_dynamo_stream"],
    handlers=ROOT / "functions",
)
LOCAL: dict[str, Any] = {"localCloud": True}
WITH_CHROMADB = {"apply_updates", "fold_snapshot"}
HANDLERS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
AARCH64 = 0xB7  # e_machine of ELF

# What chromadb-client 1.5.9 requires; it is not installed, since it and chromadb share files.
CHROMADB_CLIENT = "1.5.9"
OF_CHROMADB_CLIENT = {
    "httpx",
    "jsonschema",
    "numpy",
    "opentelemetry-api",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-sdk",
    "orjson",
    "overrides",
    "pybase64",
    "pydantic",
    "pydantic-settings",
    "pyyaml",
    "tenacity",
    "typing-extensions",
}
# chromadb names it, the exporter both share imports it.
OF_BOTH_IN_TRUTH = {"grpcio"}

# What Lambda itself sets, and what the local bootstrap does.
OF_LAMBDA = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


@pytest.fixture(scope="session")
def for_aws() -> Path:
    return build_dependencies(LOCK, Target("aarch64", "3.13"), BUILD)


@pytest.fixture(scope="session")
def for_here() -> Packages:
    return build_packages(Config.from_context(LOCAL.get), CODE)


def alone(*folders: Path, code: str, **environment: str) -> str:
    """Run code in a Python that sees these folders and its standard library, nothing else."""
    done = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-s", "-S", "-P", "-B", "-c", code],
        env={
            "HOME": "/nonexistent",
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_fits_with_our_library_and_room_to_spare(for_aws: Path) -> None:
    library = stage_library(CODE, Target("aarch64", "3.13"), BUILD)
    assert tree_size(for_aws) + tree_size(library) < LIMIT
    assert tree_size(for_aws) < 180 * 2**20  # a jump means that something crept in


def test_compiled_files_are_for_arm64_and_amazon_linux_2023(for_aws: Path) -> None:
    objects = [path for path in for_aws.rglob("*") if ".so" in path.suffixes]
    assert objects
    for path in objects:
        content = path.read_bytes()
        assert content[:4] == b"\x7fELF", path
        assert int.from_bytes(content[18:20], "little") == AARCH64, path
        tagged = re.search(r"\.cpython-(\d+)", path.name)
        assert tagged is None or tagged[1] == "313", path
        wanted = {tuple(map(int, found)) for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", content)}
        assert max(wanted, default=(0, 0)) <= (2, 34), path


def test_bytecode_is_never_checked_against_its_source(for_here: Packages) -> None:
    compiled = list(for_here.dependencies.rglob("*.pyc"))
    sources = list(for_here.dependencies.rglob("*.py"))
    assert len(compiled) > 0.95 * len(sources)
    for path in [*compiled, *for_here.library.rglob("*.pyc")]:
        flags = int.from_bytes(path.read_bytes()[4:8], "little")
        assert flags == 0b01, path  # hash-based, unchecked (PEP 552)


def test_without_the_targets_python_there_is_no_bytecode_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version's would not be read, and every cold start would compile anew all the same."""
    none_has = Target("aarch64", "3.99")

    def install(_lock: Path, _target: Target, tree: Path) -> None:
        tree.mkdir(parents=True)
        (tree / "module.py").touch()

    monkeypatch.setattr("instep.cdk.dependencies._install", install)
    built = build_dependencies(LOCK, none_has, tmp_path)
    assert list(built.rglob("*.py"))
    assert not list(built.rglob("*.pyc"))
    assert "no Python 3.99 on this machine" in capsys.readouterr().err


def test_two_builds_are_the_same_byte_for_byte(for_here: Packages, tmp_path: Path) -> None:
    target = target_of(Config.from_context(LOCAL.get))
    again = build_dependencies(LOCK, target, tmp_path)
    assert again.name == for_here.dependencies.name

    def files(tree: Path) -> dict[str, str]:
        found = (path for path in tree.rglob("*") if path.is_file())
        return {str(path.relative_to(tree)): content_hash(path) for path in found}

    assert files(again) == files(for_here.dependencies)


def variables_of(app: Synthesized, name: str) -> dict[str, str]:
    """Return a function's environment as the template sets it, references by their names."""
    function = app.one("AWS::Lambda::Function", name.title().replace("_", ""))
    variables: dict[str, Any] = function["Environment"]["Variables"]
    return {
        key: value if isinstance(value, str) else value.get("Ref", "resolved-at-deployment")
        for key, value in variables.items()
    }


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_imported_from_the_built_layers_and_its_own_environment_alone(
    app: Synthesized, for_here: Packages, name: str
) -> None:
    code = for_here.functions / name
    layers = (for_here.library / "python", for_here.dependencies / "python")
    shown = alone(
        code,
        *layers,
        code=(
            "import handler, json, sys\n"
            "assert callable(handler.handle)\n"
            "files = [getattr(m, '__file__', None) for m in list(sys.modules.values())]\n"
            "print(json.dumps([f for f in files if f]))"
        ),
        **OF_LAMBDA,
        **variables_of(app, name),
    )
    loaded = json.loads(shown.splitlines()[-1])
    homes = (str(code), *map(str, layers), str(Path(os.__file__).parent))
    assert [file for file in loaded if not file.startswith(homes)] == []
    assert any("/chromadb/" in file for file in loaded) == (name in WITH_CHROMADB)


def test_every_collection_call_works_from_the_layer_alone(
    for_here: Packages, tmp_path: Path
) -> None:
    shown = alone(
        for_here.dependencies / "python",
        code=(
            "import chromadb\n"
            f"client = chromadb.PersistentClient({str(tmp_path)!r})\n"
            "made = client.create_collection('words', embedding_function=None,\n"
            "    configuration={'hnsw': {'space': 'l2'}})\n"
            "made.add(ids=['a', 'b'], embeddings=[[1.0, 2.0], [3.0, 4.0]],\n"
            "    metadatas=[{'n': 1, 'tags': ['x']}, {'n': 2}], documents=['one', 'two'])\n"
            "made.update(ids=['a'], metadatas=[{'n': None, 'm': 'new'}])\n"
            "made.upsert(ids=['c'], embeddings=[[5.0, 6.0]], metadatas=[{'n': 3}])\n"
            "made.delete(ids=['b'])\n"
            "got = made.get(where={'tags': {'$contains': 'x'}})\n"
            "near = made.query(query_embeddings=[[1.0, 2.0]], n_results=1)\n"
            "print(got['ids'], sorted(got['metadatas'][0].items()), near['ids'], made.count())\n"
            "client.close()"
        ),
    )
    assert shown == "['a'] [('m', 'new'), ('tags', ['x'])] [['a']] 2\n"


def test_a_client_of_every_listed_service_is_made_and_of_no_other(for_here: Packages) -> None:
    layer = for_here.dependencies / "python"
    data = {path.name for path in (layer / "botocore" / "data").iterdir() if path.is_dir()}
    assert data == SERVICES
    alone(
        layer,
        code=(
            "import boto3\n"
            f"for name in {sorted(SERVICES)!r}:\n"
            "    boto3.client(name, region_name='us-east-1')"
        ),
    )


def test_what_is_left_out_is_what_the_client_only_package_does_without() -> None:
    """Upstream keeps the list for us: chromadb-client is chromadb without server and models."""
    settings = tomllib.loads((ROOT / "requirements" / "lambda.toml").read_text())
    excluded = set(settings["exclude-dependencies"])
    declared = [Requirement(text) for text in requires("chromadb") or []]
    needed = {
        one.name.lower()
        for one in declared
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    assert excluded == needed - OF_CHROMADB_CLIENT - OF_BOTH_IN_TRUTH, (
        f"chromadb has moved on: compare with chromadb-client {CHROMADB_CLIENT}'s successor"
    )
