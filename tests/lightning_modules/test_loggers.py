"""The log that a run goes on with."""

from pathlib import Path

from lightning_modules.loggers import ContinuedCSVLogger


def test_a_row_that_a_power_cut_left_incomplete(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "metrics.csv"
    log.parent.mkdir()
    log.write_text("train/loss,step\n0.5,1\n0.4,2\n0.3,3\n0.25,\n0.2\n", encoding="utf-8")
    logger = ContinuedCSVLogger(tmp_path, from_step=3)
    logger.log_metrics({"train/loss": 0.35}, step=3)
    assert log.read_text(encoding="utf-8").split() == [
        "step,train/loss",
        "1,0.5",
        "2,0.4",
        "3,0.35",
    ]
