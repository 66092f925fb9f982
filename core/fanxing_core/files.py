"""Files from anyone: read whole, and only where they are regular ones."""

import os
import stat
from pathlib import Path

from fanxing_core.errors import ModelError


def regular_bytes(path: Path, most: int | None = None) -> bytes:
    """A regular file's bytes, at most so many; ModelError for anything else.

    Read, since whoever cut or rewrote a mapped file would end the process, or fool it; and opened without waiting,
    since a pipe that nobody writes to would never answer.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(-1 if most is None else most + 1) if regular else None
    except (OSError, ValueError, MemoryError) as error:
        raise ModelError(f"{path}: {error}") from error
    if content is None:
        raise ModelError(f"{path} is no regular file")
    if most is not None and len(content) > most:
        raise ModelError(f"{path} is larger than {most} bytes")
    return content
