"""Three runs killed by SIGKILL at random steps end as one that was not (`make trial`: twenty)."""

from pathlib import Path

from benchmarks.resume import kill_and_compare
from tests.commands.conftest import toy_rows, write_csv


def test_killed_runs_end_bit_identical(overrides: list[str], tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", toy_rows(160, 1))
    small = [*overrides, "data=csv", f"data.train={train}", "trainer.max_epochs=2"]
    small.append("refit_up_to=1000")
    kills = list(kill_and_compare(small, tmp_path, kills=3, seed=1))
    assert [kill.differing for kill in kills] == [(), (), ()]
    assert max(kill.resumed_from_step for kill in kills) > 0
    # 145 documents in batches of 8: some were killed while they learned once more
    assert max(kill.died_at_step for kill in kills) > 38 > min(kill.died_at_step for kill in kills)
