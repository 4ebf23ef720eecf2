"""Charts are the same bytes each time, follow the page's colours and clash with no neighbour."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from docsort.report import audit_charts, charts
from docsort.report.calibration import Reliability
from docsort.report.curves import Coverage, LengthBin, PrecisionRecall
from docsort.report.results import LearningPoint
from tests.report.audits import LENGTHS

POINTS = (
    LearningPoint(0.5, 5, train_loss=1.0),
    LearningPoint(1, 10, val_loss=0.8, val_macro_f1=0.6),
    LearningPoint(2, 20, train_loss=0.4, val_loss=0.5, val_macro_f1=0.7),
)
STEPS = np.linspace(0, 1, 20)
DRAWN = {
    "learning-loss": lambda: charts.learning_losses(POINTS),
    "learning-f1": lambda: charts.learning_f1(POINTS),
    "reliability": lambda: charts.reliability_diagram(
        Reliability((0.5, 0.9), (0.4, 0.95), (0.3, 0.7), 0.05),
        Reliability((0.8,), (0.7,), (1.0,), 0.1),
    ),
    "coverage": lambda: charts.coverage_curve(Coverage(STEPS, 1 - STEPS / 9, 1 - STEPS)),
    "precision-recall": lambda: charts.precision_recall_curves(
        [PrecisionRecall("$a$ <b>", STEPS, 1 - STEPS, 0.5)] * 5,
        [PrecisionRecall("$a$ <b>", STEPS, 1 - STEPS, 0.5)] * 3,
    ),
    "label-counts": lambda: audit_charts.label_counts(
        {"train": [90, 3, 1], "val": [9, 1, 0], "test": [20, 1, 1]}
    ),
    "token-lengths": lambda: audit_charts.token_histogram(LENGTHS),
    "length": lambda: charts.length_bars([LengthBin(1, 9, 40, 1.0, 0.91, 1.0)] * 6),
}


@pytest.mark.parametrize("name", DRAWN)
def test_chart(name):
    svg = DRAWN[name]()
    assert svg == DRAWN[name](), "two drawings of the same values differ"
    assert ET.fromstring(svg).get("data-chart") == name
    assert svg.count("<path") > 5
    colors = set(re.findall(r"(?:fill|stroke|color): ([^;\"]+)", svg))
    assert {color for color in colors if color != "none" and "var(--" not in color} == set()
    assert "http" not in svg
    assert "<b>" not in svg


def test_ids_of_different_charts_never_clash():
    ids = [each for draw in DRAWN.values() for each in re.findall(r' id="([^"]+)"', draw())]
    assert len(ids) == len(set(ids)) > 50


def test_every_reference_has_its_target():
    for draw in DRAWN.values():
        svg = draw()
        wanted = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
        assert wanted <= set(re.findall(r' id="([^"]+)"', svg))


def test_one_point_of_training_is_still_seen():
    one = charts.learning_losses([LearningPoint(1, 10, train_loss=0.5, val_loss=0.4)])
    assert one.count("<use") >= 2


@pytest.mark.parametrize("counts", [[1], [5, 4], [1000, 1], list(range(300, 0, -1))])
def test_label_counts_of_any_number_and_spread(counts):
    drawn = audit_charts.label_counts({"train": counts, "val": counts, "test": counts})
    assert drawn.count("<path") > 3
