"""The contract's description is true: schemathesis asks the running server what it allows."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from docsort.core import rest
from docsort.core.rest import parse_request
from docsort.serving.error_pages import error_pages
from docsort.serving.openapi import openapi
from docsort.serving.settings import ServeSettings
from handlers import docsort_handler
from tests.serving.conftest import RunningServer

# A schema cannot say which names are served, nor that top_k is bounded by a model's labels and
# that white space and control characters alone make no word.
CONFIG = """
[parameters]
name = "tiny"
version = "1.0"
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "422"]
"""
SETTINGS = ServeSettings(Path("store"), Path("/tmp/run"))


def violations(url: str, description: str, folder: Path, *options: str) -> tuple[int, str]:
    """What schemathesis says, seeded; 0 where it finds none."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = ("--checks=all", "--seed=1", "--no-color", "--url", url, *options)
    said = subprocess.run(
        [*command, description, *options], capture_output=True, text=True, cwd=folder, check=False
    )
    return said.returncode, said.stdout + said.stderr


def test_the_server_does_what_its_description_says(server: RunningServer, tmp_path: Path) -> None:
    status, said = violations(
        server.url, f"{server.url}/openapi.json", tmp_path, "--max-examples=20"
    )
    assert status == 0, said
    assert "No issues found" in said
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_schemathesis_would_find_what_is_not_so(server: RunningServer, tmp_path: Path) -> None:
    described = httpx.get(f"{server.url}/openapi.json").json()
    described["components"]["schemas"]["Prediction"]["required"].append("colour")
    (tmp_path / "spoilt.json").write_text(json.dumps(described))
    status, said = violations(
        server.url, "spoilt.json", tmp_path, "--phases=examples", "--max-examples=1"
    )
    assert status == 1
    assert "Response violates schema: 2" in said


def test_its_examples_are_requests_that_the_handler_reads() -> None:
    for path in ("/predictions/{name}", "/predictions/{name}/{version}"):
        bodies = described()["paths"][path]["post"]["requestBody"]["content"]
        parse_request(bodies["text/plain"]["example"].encode(), "text/plain")
        for example in bodies["application/json"]["examples"].values():
            parse_request(json.dumps(example["value"]).encode(), "application/json")


def test_every_error_of_a_prediction_is_described() -> None:
    responses = described()["paths"]["/predictions/{name}"]["post"]["responses"]
    elsewhere = {405, 414}
    statuses = {page.status for page in error_pages(1)} | {200, 400, 422}
    assert set(responses) == {str(status) for status in statuses - elsewhere - {401}}


def test_every_type_that_the_handler_answers_is_described() -> None:
    raised = set()
    for module in (rest, docsort_handler):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "RequestError":
                raised.add(tuple(ast.literal_eval(argument) for argument in node.args[:2]))
    assert (422, "empty_document") in raised
    told = set()
    responses = described()["paths"]["/predictions/{name}"]["post"]["responses"]
    for status, response in responses.items():
        if status != "200":
            told |= {(int(status), type) for type in response["x-error-types"]}
    assert raised <= told


def test_every_type_of_any_path_is_named(server: RunningServer) -> None:
    detail = described()["components"]["schemas"]["ErrorDetail"]
    types = detail["properties"]["type"]["x-extensible-enum"]
    assert {page.type for page in error_pages(1)} | {"not_json"} <= set(types)
    assert types == sorted(set(types))
    assert httpx.get(f"{server.url}/nowhere").json()["error"]["type"] in types


def test_every_schema_has_a_name_and_every_operation_an_id() -> None:
    """Generators make up a name for each schema that has none."""
    document = described()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 6
    assert [server["url"] for server in document["servers"]] == ["/", "http://127.0.0.1:1337"]
    for name, schema in document["components"]["schemas"].items():
        for part in schema.get("properties", {}).values():
            assert "properties" not in part, name


def test_an_answers_fields_are_those_described(server: RunningServer) -> None:
    """The schemas of answers leave room for later fields, so nobody else would find one amiss."""
    schemas = described()["components"]["schemas"]
    answer = httpx.post(f"{server.url}/predictions/tiny", json={"text": "a bank"}).json()
    assert set(answer) == set(schemas["Prediction"]["properties"]) - {"labels"}
    assert set(answer["scores"][0]) == set(schemas["LabelScore"]["properties"]) - {"threshold"}
    for name in ("receipt", "model"):
        assert set(answer[name]) == set(schemas[name.capitalize()]["properties"])


@pytest.mark.parametrize("keys", [None, Path("keys.txt")])
def test_keys_are_asked_for_where_there_are_some(keys: Path | None) -> None:
    document = described(keys)
    operation = document["paths"]["/predictions/{name}"]["post"]
    assert ("security" in operation) == ("401" in operation["responses"]) == (keys is not None)
    assert ("securitySchemes" in document["components"]) == (keys is not None)


def described(keys: Path | None = None) -> dict[str, Any]:
    settings = ServeSettings(SETTINGS.store, SETTINGS.run_dir, api_keys=keys)
    return openapi(settings, error_pages(settings.max_body_bytes))
