"""What a real server measures, as Prometheus reads it, and whether the dashboard asks for that."""

import json
import re
import time
from pathlib import Path

import httpx
import yaml

from tests.serving.conftest import RunningServer

DOCKER = Path(__file__).parents[2] / "docker"
JSON = {"Content-Type": "application/json"}
OURS = 'ModelName="tiny",ModelVersion="1.0"'


def scrape(server: RunningServer) -> str:
    return httpx.get(f"{server.metrics_url}/metrics").raise_for_status().text


def sample(text: str, name: str, more: str = "") -> float:
    """The value of one of version 1.0's series; 0 while there is none."""
    found = re.search(rf"^{name}\{{[^}}]*{OURS}[^}}]*{more}[^}}]*\}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def labels(text: str, label: str = r"\w+") -> float:
    """How many labels version 1.0 gave."""
    found = re.findall(rf'docsort_labels_total{{Label="{label}",{OURS}.*}} (\S+)', text)
    return sum(map(float, found))


def test_documents_are_measured_in_buckets_that_tell_them_apart(server: RunningServer) -> None:
    before = scrape(server)
    inputs = ["a bank", "a bank " * 8]
    answer = httpx.post(
        f"{server.url}/predictions/tiny/1.0", content=json.dumps({"inputs": inputs}), headers=JSON
    )
    assert answer.status_code == 200
    # TorchServe reads its workers' measures beside their answers; labels are told last
    deadline = time.monotonic() + 240
    while labels(after := scrape(server)) < labels(before) + len(inputs):
        assert time.monotonic() < deadline

    def gained(name: str, more: str = "") -> float:
        return round(sample(after, name, more) - sample(before, name, more), 6)

    assert gained("docsort_document_kilotokens_count") == 2
    assert gained("docsort_document_kilotokens_sum") == 0.018
    assert gained("docsort_document_kilotokens_bucket", 'le="0.005"') == 1
    assert gained("docsort_document_kilotokens_bucket", 'le="0.025"') == 2
    assert gained("docsort_document_windows_sum") == sum(
        entry["receipt"]["windows"] for entry in answer.json()
    )
    doubt = sum(1 - entry["score"] for entry in answer.json())
    assert abs(gained("docsort_document_uncertainty_sum") - doubt) < 1e-5
    for name in ("queue", "tokenize", "model"):
        assert gained(f"docsort_{name}_seconds_count") == 1
        assert 0 < gained(f"docsort_{name}_seconds_sum") < 60
    label = answer.json()[0]["label"]
    same = sum(entry["label"] == label for entry in answer.json())
    assert labels(after, label) - labels(before, label) == same


def test_nothing_else_is_answered_beside_it(server: RunningServer) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/models", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/predictions/tiny", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
    ):
        answer = httpx.request(method, server.metrics_url + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    # nor are metrics where clients are
    assert httpx.get(f"{server.url}/metrics").status_code == 404


def test_the_dashboard_asks_for_metrics_that_there_are(server: RunningServer) -> None:
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", scrape(server), re.MULTILINE)
    there = {name for name, kind in typed if kind != "histogram"}
    for name, kind in typed:
        if kind == "histogram":
            there |= {f"{name}_{part}" for part in ("bucket", "count", "sum")}
    dashboard = json.loads((DOCKER / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    names = set(re.findall(r"\b((?:docsort|ts)_\w+|Requests\w+|\w+Time)\b", " ".join(asked)))
    assert len(names) > 10
    assert names <= there
    # whatever is named in braces or by "by" is a label that the series have
    dimensions = set(re.findall(r"(\w+)=~", " ".join(asked)))
    dimensions |= set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", " ".join(asked)))))
    series = set(re.findall(r'(\w+)="', scrape(server)))
    assert dimensions <= series


def test_the_example_for_prometheus_names_what_is_served() -> None:
    (job,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9137"]}]
