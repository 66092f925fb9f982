"""What a process that reads foreign files may still do: compute, read what it was given, answer, and end.

Limits on memory, time and output come from the kernel's rlimits; system calls pass a seccomp filter that lets through
the few below and answers everything else (sockets, files, processes, tracing) with EPERM.
"""

import ctypes
import errno
import os
import platform
import resource
import struct

_NO_NEW_PRIVILEGES, _SET_FILTER, _ALL_THREADS = 38, 1, 1
"""prctl's PR_SET_NO_NEW_PRIVS; seccomp's SECCOMP_SET_MODE_FILTER and SECCOMP_FILTER_FLAG_TSYNC."""
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""Opcodes of classic BPF: load a word, jump if equal, return."""
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
"""Where `struct seccomp_data` holds the call's number and the architecture."""

# Audit name, number of seccomp itself, and the numbers of the calls let through (linux/asm/unistd.h): those that read,
# write and close what is open, fstat, lseek, map and unmap memory, handle signals, sleep, lock, tell the time, the
# process and its use of means, draw random bytes, end.
_MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        317,
        (0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 35, 39, 60, 98, 131, 186, 202, 204, 219,
         228, 230, 231, 234, 273, 318, 324, 334),
    ),
    "aarch64": (
        0xC00000B7,
        277,
        (63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 67, 65, 66, 124, 216, 233, 101, 172, 93, 165, 132, 178,
         98, 123, 128, 113, 115, 94, 131, 99, 278, 283, 293),
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def limit(*, memory_bytes: int, cpu_s: int, output_bytes: int) -> None:
    """Bounds address space, CPU time and the size of files written; no core dumps. OSError where refused."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, output_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except ValueError as error:  # the hard limit is already lower
            raise OSError(str(error)) from error


def confine() -> None:
    """Lets this process do nothing but compute from now on, for good. OSError where the system cannot."""
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    code = _filter(machine)
    program = _Program(len(code) // 8, code)
    system = ctypes.CDLL(None, use_errno=True)
    if system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    call = ctypes.c_long(_MACHINES[machine][1])
    # Through seccomp(2), not prctl, so that threads which libraries started are held too.
    refused = system.syscall(call, ctypes.c_long(_SET_FILTER), ctypes.c_long(_ALL_THREADS), ctypes.byref(program))
    if refused:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter(machine: str) -> bytes:
    architecture, _, numbers = _MACHINES[machine]

    def instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    allow_in = range(len(numbers), 0, -1)  # how many instructions further on the last one stands
    return b"".join(
        (
            instruction(_LOAD, _ARCHITECTURE_AT),
            instruction(_JUMP_EQUAL, architecture, then=1),
            instruction(_RETURN, _KILL),
            instruction(_LOAD, _NUMBER_AT),
            *(instruction(_JUMP_EQUAL, number, then=far) for number, far in zip(numbers, allow_in, strict=True)),
            instruction(_RETURN, _REFUSE),
            instruction(_RETURN, _ALLOW),
        )
    )
