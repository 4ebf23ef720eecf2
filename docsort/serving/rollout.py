"""Every change of versions while they serve: the wanted state first, then TorchServe and Nginx.

Each happens whole or not at all, and loses no request. Knows no processes.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from docsort.core.errors import DocsortError, ServingError
from docsort.serving.canaries import Canaries
from docsort.serving.differences import check_task, differences
from docsort.serving.external_front import ExternalFront
from docsort.serving.front import Front
from docsort.serving.loading import forget, hidden, load, make_gate
from docsort.serving.mar import read_archive
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.standing import described, shares_of
from docsort.serving.store import file_of, publish, staged
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel, WantedVersion, find_model
from docsort.serving.wanted import WANTED, WantedFile, read_version, read_wanted, version_of
from docsort.serving.watch import Watch

_POLL_S = 0.1


class Rollout:
    """The versions of one supervisor, through the lives of several TorchServes."""

    def __init__(
        self,
        settings: ServeSettings,
        run_dir: RunDir,
        front: Front | ExternalFront,
        wanted: Sequence[WantedModel],
        report: Callable[[str], None],
    ) -> None:
        self.file = WantedFile(settings.store)
        self._settings = settings
        self._run_dir = run_dir
        self._front = front
        self._wanted = tuple(wanted)
        self._report = report
        self._watch: Watch | None = None
        self._loaded: Watch | None = None  # in whose TorchServe the others have been loaded too
        self._canaries = Canaries(report)
        self._unwritten: str | None = None  # why the file lacks a withdrawn canary
        self._has_begun = False
        self._retiring: set[tuple[str, str]] = set()
        self._ending = threading.Event()
        # Loading takes long, and a rollback must not wait for it. Who needs both takes this first.
        self._loading = threading.Lock()
        self._changing = threading.Lock()

    @property
    def has_begun(self) -> bool:
        """Whether the default versions have been proved in a TorchServe at least once."""
        return self._has_begun

    def begin(self, api: TorchServeApi) -> Watch:
        """Load and prove the default versions in a new TorchServe. Raises DocsortError.

        Those who name another wanted version get 503 until ``load_others`` has tried to load it.
        """
        with self._loading, self._changing:
            watch = Watch(api, self._run_dir, self._settings.store, self._wanted)
            self._close_others()
            for model in self._wanted:
                self._load(watch, model.name, model.default_version)
                api.set_default(model.name, model.default)
            self._watch = watch
            self._has_begun = True
            return watch

    def _close_others(self) -> None:
        for model in self._wanted:
            for version in model.versions:
                is_retiring = (model.name, version.version) in self._retiring
                if version.version != model.default and not is_retiring:
                    make_gate(self._run_dir.unloaded(model.name, version.version))

    def load_others(self) -> None:
        """Load what is no default. One that fails is told and left out: the defaults serve on.

        Once TorchServe has ended, nothing more is loaded or told: the next one waits for this.
        """
        watch = self._watch
        if watch is None:
            return
        try:
            with self._loading:
                for model in self._wanted:
                    for version in model.versions:
                        if version.version != model.default and watch is self._watch:
                            self._try_to_load(watch, model.name, version)
            with self._changing:
                if watch is self._watch:  # else /readyz and Nginx are another TorchServe's by now
                    self._loaded = watch
                    self._tell(watch)
                    self._front.apply(shares_of(self._wanted, watch))
        except (DocsortError, OSError) as error:  # nobody reads this thread's exceptions
            self._report(str(error))

    def follow_canaries(self) -> None:
        """Withdraw a canary whose workers cannot be kept alive."""
        watch = self._watch
        if watch is None or watch is not self._loaded:
            return
        if self._unwritten:
            with self._changing:
                if watch is self._watch:
                    self._write_down(watch)
        for name, version, reason in self._canaries.hopeless(watch, self._wanted):
            try:
                self._withdraw_canary(watch, name, version, reason)
            except (DocsortError, OSError) as error:
                self._report(f"the canary {name} {version} is not withdrawn: {error}")

    def _withdraw_canary(self, watch: Watch, name: str, version: str, reason: str) -> None:
        """Nginx first: where nothing can be written down, its share shall reach the default."""
        with self._changing:
            before = self._wanted
            model = find_model(before, name)
            if watch is not self._watch or model.canary_version != version:
                return
            self._wanted = _with(before, model.with_canary_withdrawn())
            try:
                self._front.apply(shares_of(self._wanted, watch))
            except BaseException:
                self._wanted = before
                raise
            self._report(f"the canary {name} {version} is withdrawn: {reason}")
            self._write_down(watch)

    def _write_down(self, watch: Watch) -> None:
        """Have file and /readyz say what is wanted; the file is tried again at the next look."""
        try:
            self.file.write(self._wanted)
            self._unwritten = None
        except (DocsortError, OSError) as error:
            if self._unwritten != str(error):
                self._report(f"that could not be written down: {error}")
            self._unwritten = str(error)
        self._tell(watch)

    def _tell(self, watch: Watch) -> None:
        """Have /readyz name what is in force already, so that nothing fails for want of that."""
        try:
            # what it cannot write now, its own next look does
            watch.tell([self._without_retiring(model) for model in self._wanted])
        except (DocsortError, OSError) as error:
            self._report(f"/readyz does not name that yet: {error}")

    def _without_retiring(self, model: WantedModel) -> WantedModel:
        for name, version in self._retiring:
            if name == model.name and model.has(version):
                model = model.without(version)
        return model

    def suspend(self) -> None:
        """TorchServe is gone; changes are refused until the next one has begun."""
        self._watch = None

    def end(self) -> None:
        """Have changes that wait give up."""
        self.suspend()
        self._ending.set()

    def take_over(self) -> Sequence[WantedModel]:
        """Own the store's wanted state, and follow what its last owner made of it until it ended.

        Raises ServingError.
        """
        self.file.own()
        if (self._settings.store / WANTED).exists():
            self._wanted = read_wanted(self._settings.store)
        return self._wanted

    def remember(self) -> None:
        """Write down what is wanted, unless it stands there. Raises ServingError or StorageError.

        Not into a read-only store, which is served as it is. Not where that failed before:
        ``follow_canaries`` tries again, and ends no server.
        """
        with self._changing:
            if not self._unwritten and not self.file.is_read_only:
                self.file.write(self._wanted)

    def list(self) -> list[dict[str, Any]]:
        """What is wanted and how it fares, a version each."""
        return described(self._wanted, self._watch, self._retiring)

    def register(self, file: str, sha256: str | None) -> str:
        """Take an archive into the store and let it answer those who name its version.

        Raises DocsortError, and then store, TorchServe and wanted state are as they were.
        """
        self.file.own()
        self.file.check()
        store, limit = self._settings.store, self._settings.max_archive_bytes
        with self._loading, staged(Path(file), store, limit, sha256) as info, ExitStack() as undo:
            watch = self._serving()
            known = {model.name: model for model in self._wanted}.get(info.name)
            if known and known.has(info.version):
                raise ServingError(f"{info.name} {info.version} is registered already")
            self._report(f"loading {info.name} {info.version}")
            # a new name's first version is TorchServe's default before it has proved anything
            with nullcontext() if known else hidden(self._run_dir, info.name):
                load(watch, info, self._settings)
            undo.callback(forget, watch, info)
            target = file_of(store, info.name, info.version)
            if publish(info.path, target):
                undo.callback(target.unlink)
            version = version_of(read_archive(target))
            with self._changing:
                known = {model.name: model for model in self._wanted}.get(info.name)
                new = WantedModel(info.name, info.version, (version,))
                self._commit(watch, known.with_version(version) if known else new)
            undo.pop_all()
        said = f"{info.name} {info.version} is registered, and answers those who name it"
        default = watch.verified_archive(info.name, known.default) if known else None
        return f"{said}.{changed}" if default and (changed := differences(default, info)) else said

    def promote(self, name: str, version: str, force: bool = False) -> str:
        """Let a version answer all who name none; with ``force`` one of another task too.

        Raises DocsortError.
        """
        with self._changing:
            self.file.check()
            return self._make_default(find_model(self._wanted, name).promoted(version), force)

    def rollback(self, name: str) -> str:
        """Let the previous default answer again, whatever its task. Raises DocsortError."""
        with self._changing:
            self.file.check()
            return self._make_default(find_model(self._wanted, name).rolled_back(), force=True)

    def canary(self, name: str, version: str, percent: int, force: bool = False) -> str:
        """Let a version answer a fraction of those who name none.

        Args:
            name: The model.
            version: One of its versions other than the default.
            percent: Of the requests that name no version; 0 ends the canary.
            force: Whether its task may differ from the default's.

        Raises:
            DocsortError: it is refused, and nothing has changed.
        """
        changed = ""
        with self._changing:
            self.file.check()
            watch = self._serving()
            model = find_model(self._wanted, name).with_canary(version, percent)
            if percent:
                self._check_serves(watch, model, version)
                changed = self._changed_answers(watch, name, version, force)
            self._commit(watch, model, lambda: self._front.apply(shares_of(self._wanted, watch)))
        return f"{name} {version} answers {percent} % of the requests that name no version{changed}"

    def retire(self, name: str, version: str) -> str:
        """Let no request reach a version any more, and unload it once it has answered all.

        Its archive stays in the store. Raises DocsortError.
        """
        with self._changing:
            self.file.check()
            watch = self._serving()
            find_model(self._wanted, name).without(version)
            if (name, version) in self._retiring:
                raise ServingError(f"{name} {version} is retiring already")
            self._retiring.add((name, version))
            self._tell(watch)
        try:
            self._run_dir.unloaded(name, version).unlink(missing_ok=True)
            with hidden(self._run_dir, f"{name}/{version}"):
                self._drain(name, version)
                with self._loading, self._changing:
                    watch = self._serving()
                    model = find_model(self._wanted, name).without(version)
                    self._commit(watch, model, partial(watch.api.unregister, name, version))
        finally:
            with self._changing:
                self._retiring.discard((name, version))
                if last := self._watch:
                    self._tell(last)
        return f"{name} {version} is retired; its archive stays in the store"

    def _changed_answers(self, watch: Watch, name: str, version: str, force: bool) -> str:
        """How a version's answers differ from the default's. Raises ServingError for its task."""
        default = watch.verified_archive(name, find_model(self._wanted, name).default)
        other = watch.verified_archive(name, version)
        assert default
        assert other
        if not force:
            check_task(default, other)
        changed = differences(default, other)
        return f".{changed}" if changed else ""

    def _make_default(self, model: WantedModel, force: bool) -> str:
        watch = self._serving()
        self._check_serves(watch, model, model.default)
        changed = self._changed_answers(watch, model.name, model.default, force)

        def act() -> None:
            watch.api.set_default(model.name, model.default)
            self._front.apply(shares_of(self._wanted, watch))  # a canary has ended

        self._commit(watch, model, act)
        return f"{model.name} {model.default} answers all requests that name no version{changed}"

    def _check_serves(self, watch: Watch, model: WantedModel, version: str) -> None:
        if (model.name, version) in self._retiring:
            raise ServingError(f"{model.name} {version} is retiring; register it again afterwards")
        archive = self._settings.store / model.version(version).file
        if not archive.is_file():  # what is loaded would answer, but the next start would fail
            raise ServingError(f"the archive {archive} is gone; put it back")
        watch.ensure(model.name, model.version(version))

    def _drain(self, name: str, version: str) -> None:
        """Wait until every request that has reached a version has its answer.

        Not for one that Nginx still reads, which no status names: see docs/versions.md.
        TorchServe counts those that wait, not those of the batch being scored; that has its answer
        within the response timeout. After ``answer_timeout_s`` no client waits any longer.
        """
        given_up = time.monotonic() + self._settings.answer_timeout_s
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < given_up:
            if self._serving().api.num_pending(name, version):
                quiet_since = now
            if now - quiet_since >= self._settings.response_timeout_s:
                return
            if self._ending.wait(_POLL_S):
                raise ServingError(f"docsort serve ends; {name} {version} is not retired")

    def _commit(
        self, watch: Watch, model: WantedModel, act: Callable[[], None] = lambda: None
    ) -> None:
        """Write the wanted state, then have ``act`` make it so; if it fails, neither."""
        if watch is not self._watch:
            raise ServingError("TorchServe was started anew meanwhile; try again")
        before = self._wanted
        wanted = _with(before, model)
        self.file.write(wanted)
        self._wanted = wanted
        try:
            act()
        except BaseException:
            self._restore(watch, before, model.name)
            raise
        self._tell(watch)

    def _restore(self, watch: Watch, before: tuple[WantedModel, ...], name: str) -> None:
        """Make all as it was; each part is tried though another fails, which is told."""
        self._wanted = before
        parts: list[Callable[[], None]] = [partial(self.file.write, before)]
        for model in before:
            if model.name == name:
                parts.append(partial(watch.api.set_default, name, model.default))
        parts.append(lambda: self._front.apply(shares_of(self._wanted, watch)))
        for part in parts:
            try:
                part()
            except (DocsortError, OSError) as error:
                self._report(f"a change of {name} failed, and not all of it is undone: {error}")

    def _serving(self) -> Watch:
        if self._watch is None:
            raise ServingError(
                "TorchServe is starting or ending; try again once /readyz answers 200"
            )
        return self._watch

    def _load(self, watch: Watch, name: str, version: WantedVersion) -> None:
        info = read_version(self._settings.store, name, version)
        self._report(f"loading {info.name} {info.version}")
        load(watch, info, self._settings)

    def _try_to_load(self, watch: Watch, name: str, version: WantedVersion) -> None:
        try:
            self._load(watch, name, version)
        except (DocsortError, OSError) as error:
            if watch is self._watch:
                self._report(f"{version.file} is left out: {error}")
        self._run_dir.unloaded(name, version.version).unlink(missing_ok=True)


def _with(wanted: Sequence[WantedModel], model: WantedModel) -> tuple[WantedModel, ...]:
    """The same with this model in the place of the one of its name."""
    others = [other for other in wanted if other.name != model.name]
    return tuple(sorted([*others, model], key=lambda model: model.name))
