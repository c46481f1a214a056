"""That memory which is free goes back to the system, whatever lies behind it."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from app.live.process import prepare_process
if sys.argv[1] == "prepared":
    prepare_process()
    assert sys.getswitchinterval() < 0.002
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.free(libc.malloc(8 << 20))
large = []
for size in range(50):
    large.append(libc.malloc((2 << 20) + (size << 12)))
    libc.malloc(100_000)  # stays, behind it
for block in large:
    libc.free(block)
class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks used free keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
libc.mallinfo2.restype = Info
print(libc.mallinfo2().free >> 20)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or newer")
def test_free_memory_is_given_back():
    found = {}
    for how in ("prepared", "plain"):
        out = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True).stdout
        found[how] = int(out)
    assert found["prepared"] < 20
    assert found["plain"] > 90  # else the preparation is needed no longer
