"""What stops the stack, said as one sentence with its mend: a user never sees a traceback."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

FREE_BYTES_MIN = 500 * 1024 * 1024


class StackError(Exception):
    """Something the user can mend; its text says what happened and how to mend it."""


def require_free_space(folder: Path, *, bytes_min: int = FREE_BYTES_MIN) -> None:
    """Refuse to start what would fail half-way: servers behave badly on a full disk."""
    free = disk_usage(folder).free
    if free < bytes_min:
        raise StackError(
            f"The disk that holds {folder} has {free // 2**20} MB free and this needs "
            f"{bytes_min // 2**20} MB: free some space, then start again."
        )


@contextmanager
def plain_words() -> Iterator[None]:
    """Turn the refusals of the operating system into sentences."""
    try:
        yield
    except OSError as error:
        raise StackError(_sentence(error)) from error


def _sentence(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{place}: free some space, then start again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"This user may not write or run something here{place}: mend its rights."
    if error.errno == errno.ENOENT and error.filename:
        return f"{error.filename} is missing: run `make run` again, which puts it back."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "Too many files are open: raise the limit with `ulimit -n 4096`, then start again."
    return f"The operating system refused: {error.strerror or error}{place}."
