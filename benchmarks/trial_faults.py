"""What fails, and how long until all is ready again, when something is killed, hangs or is broken.

    python -m benchmarks.trial_faults [--kills 20] [--clients 16]

The model is tiny and random: what is tried is the server. Full disks want root, who may mount small
ones. Writes a dated table under benchmarks/results.
"""

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fault_trial import RESPONSE_TIMEOUT_S, Outcome, Trial, start
from benchmarks.full_disks import full, on_small_disks
from benchmarks.tables import write_table
from benchmarks.tiny_archives import TinyArchives, build_tiny_archives
from docsort.serving.control_client import ask

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
            looped = trial.try_fault(
                "a canary of 10 % crash-loops",
                lambda: said.append(trial.crash_loop()),
            )
        finally:
            trial.server.stop()
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
            f"The canary that crash-loops: {said[0]}.",
            *(f"{change.capitalize()}: {answer}." for change, answer in refusals.items()),
        ],
    )


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
