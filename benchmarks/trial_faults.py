"""What fails, and how long until all is ready again, when something is killed, hangs or is broken.

    python -m benchmarks.trial_faults [--kills 20] [--clients 16]

The model is tiny and random: what is tried is the server. Full disks are left out unless root asks,
who may mount small ones. Writes a dated table under benchmarks/results.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bad_archives import bad_archives, state
from benchmarks.fault_trial import RESPONSE_TIMEOUT_S, Outcome, Trial, start
from benchmarks.full_disks import full, on_small_disks
from benchmarks.tables import write_table
from benchmarks.tiny_archives import TinyArchives, build_tiny_archives
from docsort.core.errors import ServingError
from docsort.serving.control_client import ask
from docsort.serving.settings import MAX_ARCHIVE_BYTES

# of a full disk
_FULL_FOR_S = 10.0


def main() -> None:
    """Try all, print the table, write it."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="trial-") as name:
        folder = Path(name)
        archives = build_tiny_archives(folder)
        trial = Trial(folder, archives, options.clients, start(folder, archives))
        try:
            trial.server.wait_until_ready()
            ask(trial.control, "register", file=str(archives.second), sha256=None)
            kill, stop = signal.SIGKILL, signal.SIGSTOP
            outcomes = [
                trial.try_fault(
                    "worker killed mid-batch",
                    lambda: trial.signal_worker("1.0", kill),
                    options.kills,
                ),
                trial.try_fault("worker hangs", lambda: trial.signal_worker("1.0", stop)),
                trial.try_fault("Nginx killed", lambda: trial.kill_child("nginx")),
                trial.try_fault("TorchServe killed", lambda: trial.kill_child("ModelServer")),
                trial.try_fault("supervisor killed, started again", trial.kill_supervisor),
            ]
            said: list[str] = []
            refused: list[str] = []
            outcomes.append(
                trial.try_fault(
                    "six bad archives to register",
                    lambda: refused.extend(_register_bad_archives(trial)),
                )
            )
            looped = trial.try_fault(
                "a canary of 10 % crash-loops",
                lambda: said.append(trial.crash_loop()),
            )
        finally:
            trial.server.stop()
        on_full_disks: list[Outcome] = []
        refusals = {"full disks": "not tried, since only root may mount small ones"}
        if os.geteuid() == 0:
            on_full_disks, refusals = _on_full_disks(folder, archives, options.clients)
    write_table(
        "trial-faults",
        f"Faults under {options.clients} clients",
        f"python -m benchmarks.trial_faults --kills {options.kills} --clients {options.clients}",
        [
            "fault",
            "times",
            "ready after, median s",
            "slowest s",
            "answered",
            "failed",
            "same versions",
        ],
        [outcome.row() for outcome in [*outcomes, looped, *on_full_disks]],
        notes=[
            f"The response timeout was {RESPONSE_TIMEOUT_S} s. Ready: `/readyz` answers 200 and so "
            "does a prediction. Failed requests are those that clients saw, none was sent again "
            "but where an idle connection was closed.",
            *(f"A bad archive, {answer}." for answer in refused),
            f"The canary that crash-loops: {said[0]}.",
            *(f"{change.capitalize()}: {answer}." for change, answer in refusals.items()),
        ],
    )


def _register_bad_archives(trial: Trial) -> list[str]:
    """What was said to each, and whether it left anything behind."""
    store = trial.archives.store
    answers = []
    for bad in bad_archives(trial.archives.first, trial.folder, MAX_ARCHIVE_BYTES):
        before = state(store, trial.server)
        try:
            ask(trial.control, "register", file=str(bad.file), sha256=bad.sha256)
            said = "REGISTERED"
        except ServingError as error:
            is_right = bad.said in str(error)
            said = "refused" if is_right else f"REFUSED FOR ANOTHER REASON ({error})"
        left = "nothing" if state(store, trial.server) == before else "SOMETHING"
        answers.append(f"{bad.wrong}: {said}, {left} left behind")
    return answers


def _on_full_disks(
    folder: Path, archives: TinyArchives, num_clients: int
) -> tuple[list[Outcome], dict[str, str]]:
    """Rows, and what was said to changes that had no room."""
    timeout = ["--response-timeout-s", str(RESPONSE_TIMEOUT_S)]
    with on_small_disks(folder / "disks", archives, num_clients, *timeout) as disks:

        def fill_for_a_while(do: Callable[[], None], *places: Path) -> None:
            with full(*places):
                do()
                time.sleep(_FULL_FOR_S)

        others = disks.disks.but_the_store
        lasting = f"for {_FULL_FOR_S:.0f} s"
        outcomes = [
            disks.trial.try_fault(
                f"run directory, temp and log full {lasting}",
                lambda: fill_for_a_while(disks.ask_for_room_in_the_run_directory, *others),
            ),
            disks.trial.try_fault(
                f"the same, and the worker killed {lasting}",
                lambda: fill_for_a_while(
                    lambda: disks.trial.signal_worker("1.0", signal.SIGKILL), *others
                ),
            ),
            disks.trial.try_fault(
                f"store full {lasting}",
                lambda: fill_for_a_while(disks.ask_for_room_in_the_store, disks.disks.store),
            ),
        ]
        return outcomes, {k: v.replace(f"{folder}/", "") for k, v in disks.said.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.trial_faults")
    parser.add_argument("--kills", type=int, default=20, help="of workers")
    parser.add_argument("--clients", type=int, default=16)
    return parser


if __name__ == "__main__":
    main()
