"""The study goes on where it was: what was running is tried again, what was told is kept."""

from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from docsort.core.errors import ConfigError
from docsort.sweeps.study import StudySettings, SweepStudy, interrupted, tried_again
from docsort.sweeps.trial import RunningTrial, TrialAddress

SPACE = {
    "lr": FloatDistribution(1e-5, 1e-3, log=True),
    "model": CategoricalDistribution(("a", "b")),
}
SETTINGS = {"n_trials": 5, "n_startup_trials": 1, "prune_after": 1, "seed": 1, "storage": None}


def study_in(folder: Path, fixed: str = "1", **settings: object) -> SweepStudy:
    return SweepStudy(folder, StudySettings(**(SETTINGS | settings)), SPACE, {"seed": fixed})  # type: ignore[arg-type]


def test_goes_on_after_a_kill(tmp_path: Path) -> None:
    killed = study_in(tmp_path)
    trials = killed.trials()
    done, lost = next(trials), next(trials)
    killed.tell_complete(done.number, 0.8)

    study = study_in(tmp_path)
    rest = list(study.trials())
    # five trials with an outcome: one is told, the lost one doesn't count
    assert [trial.number for trial in rest] == [2, 3, 4, 5]
    assert rest[0].params == lost.params
    # the first numbers are not drawn again
    assert {t.params["lr"] for t in rest[1:]}.isdisjoint({done.params["lr"], lost.params["lr"]})
    for trial in rest:
        study.tell_complete(trial.number, 0.5)
    ended = study.ended()
    assert [interrupted(trial) for trial in ended] == [False, True, False, False, False, False]
    assert [tried_again(trial) for trial in ended] == [None, None, 1, None, None, None]
    assert study.best_number() == 0
    assert list(study_in(tmp_path).trials()) == []
    assert len(list(study_in(tmp_path, n_trials=6).trials())) == 1


def test_a_trial_killed_twice_is_tried_again_once_more(tmp_path: Path) -> None:
    (lost,) = [next(study_in(tmp_path).trials())]
    again = next(study_in(tmp_path).trials())
    once_more = next(study_in(tmp_path).trials())
    assert lost.params == again.params == once_more.params
    assert len(list(study_in(tmp_path, n_trials=1).trials())) == 1


def test_another_sweep_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    study_in(tmp_path)
    with pytest.raises(ConfigError, match="seed=1, now given 2"):
        study_in(tmp_path, fixed="2")


def test_a_failed_trial_ends_nothing_until_there_is_nothing_else(tmp_path: Path) -> None:
    study = study_in(tmp_path, n_trials=9)
    trials = study.trials()
    first = [next(trials) for _ in range(5)]
    study.tell_failed(first[0].number, "no memory")
    study.tell_failed(first[1].number, "no memory")
    study.tell_complete(first[2].number, 0.5)
    study.tell_complete(first[3].number, float("nan"))
    states = [trial.state.name for trial in study.ended()]
    assert states == ["FAIL", "FAIL", "COMPLETE", "FAIL"]
    assert len(list(trials)) == 4


def test_a_sweep_that_only_fails_is_ended(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    trials = study.trials()
    for _ in range(2):
        study.tell_failed(next(trials).number, "no such table")
    with pytest.raises(ConfigError, match=r"first 3 trials .* no such table"):
        study.tell_failed(next(trials).number, "no such table")


def test_the_trials_own_process_learns_that_it_is_hopeless(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    trials = study.trials()

    def hopeless(scores: list[float]) -> tuple[int, list[bool]]:
        trial = next(trials)
        address = TrialAddress.of_this_process(study.address(trial).environment())
        assert address is not None
        running = RunningTrial(address)
        verdicts = [running.is_hopeless(n, score) for n, score in enumerate(scores, 1)]
        return trial.number, verdicts

    good, verdicts = hopeless([0.4, 0.8])
    assert verdicts == [False, False]
    study.tell_complete(good, 0.8)
    bad, verdicts = hopeless([0.3])
    assert verdicts == [True]
    study.tell_pruned(bad)
    _, verdicts = hopeless([0.5, 0.7])
    assert verdicts == [False, True]
    assert study.trial(bad).intermediate_values == {1: 0.3}


def test_pruning_can_wait_and_can_be_left_out(tmp_path: Path) -> None:
    for prune_after, expected in ((2, [False, True]), (None, [False, False])):
        folder = tmp_path / str(prune_after)
        folder.mkdir()
        study = study_in(folder, prune_after=prune_after)
        verdicts = []
        for scores in ([0.8, 0.8], [0.1, 0.1]):
            trial = next(study.trials())
            running = RunningTrial(study.address(trial))
            verdicts = [running.is_hopeless(n, score) for n, score in enumerate(scores, 1)]
            study.tell_complete(trial.number, scores[-1])
        assert verdicts == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("study.db", "Could not parse"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("nodatabase://ann@localhost/studies", "nodatabase"),
        # parsed as a port; with any driver's words about it part of the password would be told
        ("postgresql://ann:sec@ret:secret@localhost/studies", "ValueError"),
        ("oracle://ann:secret@localhost/studies", "No module named"),
        ("sqlite://ann:secret@localhost/studies", "ArgumentError"),
        ("postgresql:/ann:secret@localhost/studies", "ArgumentError"),
        ("host=localhost password=secret", "ArgumentError"),
    ],
)
def test_a_database_that_cannot_be_opened(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"hydra.sweeper.storage.*{said}") as raised:
        study_in(tmp_path, storage=url)
    assert "sec" not in str(raised.value)


def test_a_run_that_is_no_trial() -> None:
    assert TrialAddress.of_this_process({}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_trials": 0}, "n_trials=0 is not accepted; give a whole number from 1"),
        ({"n_startup_trials": "few"}, "n_startup_trials=few"),
        ({"prune_after": 0}, "prune_after=0 .* null or a whole number from 1"),
        ({"seed": -1}, "seed=-1 is not accepted; give a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "seed=4294967296"),
    ],
)
def test_settings_that_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"hydra.sweeper.{said}"):
        StudySettings(**(SETTINGS | change))  # type: ignore[arg-type]


def test_importance_needs_two_different_scores(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    trials = study.trials()
    study.tell_complete(next(trials).number, 0.5)
    assert study.importance() == {}
    for trial in trials:
        study.tell_complete(trial.number, 1 - trial.params["lr"] * 500)
    assert set(study.importance()) == {"lr", "model"}
    assert max(study.importance(), key=study.importance().__getitem__) == "lr"
