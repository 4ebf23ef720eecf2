"""From answers to figures and files, with literal expectations."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.serving.__main__ import _parser
from benchmarks.serving.documents import join, spread
from benchmarks.serving.results import write
from benchmarks.serving.session import best_setting
from benchmarks.serving.stages import stage_times
from benchmarks.serving.summary import percentile, summarise
from docsort.core.bundle import read_bundle, seal


def test_percentiles_are_nearest_ranks() -> None:
    hundred = [float(value) for value in range(1, 101)]
    assert [percentile(hundred, p) for p in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0


def test_a_point_counts_answers_of_its_time_and_latencies_of_requests_due_then() -> None:
    answers = [
        (0, 0.0, 0.4, 200),
        (0, 0.4, 0.5, 200),  # the warm-up's last: from here on answers count
        (0, 0.9, 1.5, 200),  # sent in the warm-up, answered after it
        (1, 1.5, 2.5, 200),  # the last before the end
        (0, 2.5, 3.5, 200),  # answered after the end: not in the rate, but in the latencies
        (1, 2.0, 2.1, 503),
        (1, 2.0, 2.1, -1),
    ]
    point = summarise(answers, tokens=[10, 100], warm_up_s=1.0, end_s=3.0)
    assert point["requests_per_s"] == 1.0
    assert point["tokens_per_s"] == 55
    assert (point["seconds"], point["answers"]) == (2.0, 2)
    assert point["errors"] == {"503": 1, "-1": 1}
    assert point["latency_ms"] == {"num": 4, "p50": 1000.0, "p95": "failed", "p99": "failed"}
    assert point["short_latency_ms"]["num"] == 1  # under 64 tokens


def test_a_point_with_no_answer_has_no_latency() -> None:
    point = summarise([(0, 1.0, 1.1, 0)], tokens=[10], warm_up_s=0.0, end_s=2.0)
    assert point["requests_per_s"] == 0
    assert point["latency_ms"] == {"num": 1, "p50": "failed", "p95": "failed", "p99": "failed"}


@pytest.mark.parametrize(("num_failed", "p99"), [(1, 100.0), (2, "failed")])
def test_p99_fails_when_more_than_one_in_a_hundred_did(num_failed: int, p99: float | str) -> None:
    statuses = [503] * num_failed + [200] * (100 - num_failed)
    answers = [(0, 1.0, 1.1, status) for status in statuses]
    assert summarise(answers, [10], warm_up_s=0.0, end_s=2.0)["latency_ms"]["p99"] == p99


def test_a_setting_with_errors_does_not_win_the_grid() -> None:
    fast = {"total": 30.0, "errors": 1}
    assert best_setting([{"total": 10.0, "errors": 0}, {"total": 20.0, "errors": 0}, fast]) == 1
    with pytest.raises(LookupError, match="no setting"):
        best_setting([fast])


def test_the_sample_is_like_the_whole_in_length() -> None:
    tokens = [n * n for n in range(1000)]
    chosen = spread(tokens, 100)
    assert len(set(chosen)) == 100
    mean = sum(tokens[i] for i in chosen) / 100
    assert mean == pytest.approx(sum(tokens) / 1000, rel=0.01)
    assert chosen != sorted(chosen)
    assert chosen == spread(tokens, 100)


def test_long_documents_are_joined_to_what_every_system_reads_whole() -> None:
    tokens = [100, 600, 30, 250, 90, 400] * 20
    texts = [f"{index}" for index in range(len(tokens))]
    joined = join(texts, tokens, 8)
    assert len(joined) == 8
    for text in joined:
        assert 380 <= sum(tokens[int(part)] for part in text.split("\n")) <= 510


def test_stages_add_up_to_the_request() -> None:
    lines = [
        {"request_s": 0.110, "model_s": "0.100"},
        {"request_s": 0.130, "model_s": "0.020, 0.100"},
    ]
    grown = {
        ("docsort_queue_seconds", "sum"): 0.04,
        ("docsort_queue_seconds", "count"): 2.0,
        ("docsort_tokenize_seconds", "sum"): 0.01,
        ("docsort_tokenize_seconds", "count"): 1.0,
        ("docsort_model_seconds", "sum"): 0.06,
        ("docsort_model_seconds", "count"): 1.0,
    }
    found = stage_times(lines, grown)
    assert found["request_ms"] == 120.0
    assert found["stage_ms"] == {
        "nginx": 10.0,
        "frontend_and_queue": 20.0,
        "tokenize": 10.0,
        "model": 60.0,
        "encode_and_return": 20.0,
    }
    assert found["requests_per_pass"] == 2.0
    assert found["model_ms_per_document"] == 30.0


def test_a_metric_that_is_missing_is_shown_as_such() -> None:
    found = stage_times([{"request_s": 0.11, "model_s": "0.1"}], {})
    assert found["stage_ms"]["model"] is None
    assert found["requests_per_pass"] is None


def point(connections: int, rate: float, p99: float, documents: str = "mixed") -> dict[str, Any]:
    times = {"num": 9, "p50": p99 / 2, "p95": p99, "p99": p99}
    return {
        "documents": documents,
        "mode": "closed",
        "connections": connections,
        "requests_per_s": rate,
        "errors": {},
        "latency_ms": times,
        "short_latency_ms": times,
        "cpu_ms_per_answer": 50.0,
        "peak_rss_mb": 900.0,
    }


def result() -> dict[str, Any]:
    ours = [point(8, 26.0, 400.0), point(32, 27.0, 1000.0), point(32, 5.0, 9000.0, "long")]
    theirs = [point(8, 13.0, 800.0), point(32, 18.0, 4000.0), point(32, 4.0, 9500.0, "long")]
    stage = stage_times([{"request_s": 0.11, "model_s": "0.1"}], {})
    return {
        "command": "python -m benchmarks.serving",
        "commit": "abc",
        "machine": "a machine",
        "cores": 2,
        "sgemm_gflop_per_s": 140.0,
        "load_average": 0.1,
        "data": "r8.csv",
        "documents": {key: {"num": 128, "mean_tokens": 114.0} for key in ("mixed", "long")},
        "seconds_a_point": 8,
        "minutes": 12,
        "skipped": {"infinity": "not there"},
        "systems": {
            "LitServe": {
                "setting": "no batching",
                "points": theirs,
                "grid": [{"setting": "no batching", "requests_per_s": {"8": 13.0, "32": 18.0}}],
            },
            "docsort": {
                "setting": "defaults",
                "points": ours,
                "stages": [{"connections": 32, **stage}],
                "offline": {"mixed": 30.0, "long": 6.0},
                "offline_before_after": {"mixed": [29.0, 31.0], "long": [6.0, 6.0]},
            },
        },
    }


def test_a_result_is_written_as_json_table_and_pictures(tmp_path: Path) -> None:
    given = result()
    text = write(given, tmp_path)
    files = {path.suffix: path for path in tmp_path.iterdir() if "rate" in path.name}
    assert json.loads(next(tmp_path.glob("*.json")).read_text()) == given
    assert next(tmp_path.glob("*.md")).read_text() == text
    assert "docsort serves 90% of its own offline rate" in text
    assert (
        "At 8 connections: 2.00 x the requests/s of LitServe; 0.50 x the p99 of LitServe; "
        "0.50 x the p99 of short documents of LitServe." in text
    )
    assert "| docsort | 32 | 27.0 | 500.0 | 1000.0 | 1000.0 | 500.0, 1000.0 | 50.0 | 0 |" in text
    assert "| LitServe | no batching (chosen) | 13.0 | 18.0 |" in text
    assert "Skipped: infinity: not there" in text
    for picture in tmp_path.glob("*.svg"):
        root = ElementTree.parse(picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "LitServe" in picture.read_text()
    assert files[".svg"].name in text


def test_another_bundle_is_compared_with_no_peer(tmp_path: Path) -> None:
    text = write(result() | {"bundle": "r8-cascade"}, tmp_path)
    assert "docsort serves 90% of its own offline rate" in text
    assert "docsort served the bundle r8-cascade" in text
    assert " x the requests/s" not in text


def test_a_p99_that_failed_is_said_and_not_divided(tmp_path: Path) -> None:
    given = result()
    docsort = given["systems"]["docsort"]["points"][0]
    docsort["latency_ms"] = {"num": 9, "p50": 1.0, "p95": "failed", "p99": "failed"}
    given["systems"]["LitServe"]["points"][1]["latency_ms"] = docsort["latency_ms"]
    text = write(given, tmp_path)
    assert "At 8 connections: 2.00 x the requests/s of LitServe; p99 failed; 0.50 x" in text
    assert "At 32 connections: 1.50 x the requests/s of LitServe; 0.25 x the p99 of short" in text


def test_a_bundle_for_several_labels_is_refused(
    tiny_bundle_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _parser().parse_args(["--bundle", str(tiny_bundle_copy)]).bundle == tiny_bundle_copy
    seal(tiny_bundle_copy, replace(read_bundle(tiny_bundle_copy).manifest, task="multi_label"))
    with pytest.raises(SystemExit):
        _parser().parse_args(["--bundle", str(tiny_bundle_copy)])
    assert "multi_label; accepted is a single_label bundle" in capsys.readouterr().err
