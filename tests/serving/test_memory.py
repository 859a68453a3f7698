"""What a worker took for a moment goes back to the system."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
from pathlib import Path
from serving.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

{call}
largest = bytearray(8 * 2**20)
del largest
before = resident()
block = bytearray(b"x") * (4 * 2**20)
del block
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library has the bound")
@pytest.mark.parametrize(("call", "kept"), [("give_back()", False), ("", True)])
def test_a_block_goes_back_though_a_larger_one_did_before(call, kept):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(call=call)], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 3 * 2**20) is kept
