"""How much memory this process has needed at most: what a function's memory setting is judged by.

VmHWM, the high water mark of this very program: getrusage's figure survives exec and would start at
what the parent held.
"""

from pathlib import Path


def peak_memory_mb() -> float:
    """Return the most memory this process has held at once so far, in MB of 2^20 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return round(int(peak.split()[1]) / 1024, 1)
