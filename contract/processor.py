"""What a processor can do, where answers or their speed depend on it."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux lists what a processor can do; flags that a virtual machine hides are not there either."""

VNNI = frozenset({"avx512_vnni", "avx_vnni"})
"""Instructions that add products of int8 in 32 bits; without them onnxruntime adds pairs in 16 bits, which saturate."""


def adds_int8_exactly(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether the processor has VNNI; False where that cannot be known."""
    try:
        text = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:  # no Linux
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not VNNI.isdisjoint(flags.split())
