"""Every error that docsort raises on purpose. Knows nothing about what went wrong, only its kind.

DocsortError                a message for the user; commands print it and exit with 2
├── ConfigError             a setting is wrong
├── DataError               a labelled table, or a file of documents, is wrong
├── ModelError              a pretrained model is missing or is not what it should be
├── BundleError             a bundle is missing, truncated, changed, or of another schema
├── ArchiveError            an archive (.mar) is wrong, or could not be proved
├── ServingError            TorchServe, Nginx, or what they need from the machine
├── StorageError            a disk is full
└── RequestError            one request is refused; carries its HTTP status

Beside them, StoppedError: a signal ended a run that can go on; no error of anybody's.

A message names the setting or file, the value received, what is accepted, and the next step.
"""

# the exit status of a command that stops for one of these
USER_ERROR = 2


class DocsortError(Exception):
    """Something that the user can put right."""


class ConfigError(DocsortError):
    """A setting is wrong."""


class DataError(DocsortError):
    """A labelled table, or a file of documents, is wrong."""


class ModelError(DocsortError):
    """A pretrained model is missing or is not what it should be."""


class BundleError(DocsortError):
    """A bundle is missing, truncated, changed, or of another schema."""


class ArchiveError(DocsortError):
    """An archive is wrong, or could not be proved."""


class ServingError(DocsortError):
    """TorchServe, Nginx, or what they need from the machine."""


class StorageError(DocsortError):
    """A disk is full."""


class StoppedError(Exception):
    """A signal ended a run; the message says how to go on, or that it begins anew.

    Not a DocsortError, so that no sweep takes it for one failed job and goes on with the next.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        # the exit status of a command that this signal ended, as shells say it
        self.exit_status = 128 + signal_number


class RequestError(DocsortError):
    """One classification request is refused.

    ``status`` is an HTTP status, ``type`` a stable word for programs, ``index`` the place of the
    offending document in the request's list (None: the request as a whole).
    """

    def __init__(self, status: int, type: str, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message
        self.index = index

    def __str__(self) -> str:
        return self.message if self.index is None else f"document {self.index}: {self.message}"
