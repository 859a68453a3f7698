"""A file that is written whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: Path, *, mode: int = 0o666, replaces: bool = True) -> Iterator[Path]:
    """Yield an empty file beside `path`; it takes the place of `path` when the block ends well, and vanishes otherwise.

    Readers see the old file or the new one, never a half; what it holds is on the disk before it is seen. Missing folders are made.

    Args:
        path: where the file is to lie.
        mode: who may read and write it, less the process's umask.
        replaces: a file that is there gives way; False: it stays, so that of several writers at once the first one wins.

    Raises:
        OSError: the place cannot be written; where that is known beforehand, before the block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name[:100]}.{uuid4().hex[:12]}.tmp")
    temporary.touch(mode=mode, exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        if replaces:
            temporary.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        with suppress(OSError):  # what went wrong before says more
            temporary.unlink(missing_ok=True)
