"""Every way the program can end, and the errors that a user can cause."""

from __future__ import annotations

from enum import IntEnum

NO_FILES_LEFT = "too many open files; raise the limit (ulimit -n)"
"""What is said where the system opens no more."""


class ExitCode(IntEnum):
    """The exit status of the program; scripts may rely on each."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    """Finished, but some inputs could not be read."""
    BELOW_BAR = 4
    """Evaluated below the ``--fail-under`` bar."""
    INTERRUPTED = 130


class DigitcliError(Exception):
    """A failure the user can understand and act on.

    The message is one line that names the thing, what was wrong with it and what to do next.
    """

    exit_code = ExitCode.FAILED


class UsageError(DigitcliError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class DataError(DigitcliError):
    """A dataset is missing, damaged or not what it claims to be."""


class ImageError(DigitcliError):
    """A picture cannot be decoded or holds no digit."""


class ModelError(DigitcliError):
    """A model file is missing, damaged or not a digitcli model."""


class DownloadError(DigitcliError):
    """No mirror served the file that was asked for."""


class TrainingError(DigitcliError):
    """Training cannot start or cannot go on."""
