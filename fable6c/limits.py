"""What the system lets this process have: processors and memory, by affinity, control groups (a container's limits) and ulimit.

Control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html. `root` is that of the file system, for tests.
"""

import math
import os
from collections.abc import Iterator
from typing import Optional

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# A version 1 group without a limit says a number near 2^63.
UNLIMITED = 1 << 60


def free_memory(root: str = "/") -> Optional[int]:
    """Bytes that the process can still have: the least of what Linux says is available, what the container leaves and what `ulimit -v`
    leaves. None where nothing says so."""
    found = [_available(root), _address_space(), *_left_by_groups(root)]
    return min((size for size in found if size is not None), default=None)


def processors(root: str = "/") -> int:
    """How many processors the process may use: those of its affinity, no more than its container's share, at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _groups(root, ""):
        share = _first_line(os.path.join(folder, "cpu.max")).split()
        if len(share) == 2 and share[0].isdigit():
            count = min(count, math.ceil(int(share[0]) / int(share[1])))
    for folder in _groups(root, "cpu"):
        quota, period = (_number(os.path.join(folder, f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
        if quota is not None and period and quota > 0:
            count = min(count, math.ceil(quota / period))
    return max(1, count)


def _available(root: str) -> Optional[int]:
    for line in _lines(os.path.join(root, "proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def resident_memory() -> int:
    """Bytes that the process holds already; 0 where nothing says so."""
    pages = _first_line("/proc/self/statm").split()
    return int(pages[1]) * resource.getpagesize() if resource is not None and pages else 0


def _address_space() -> Optional[int]:
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    used = _first_line("/proc/self/statm").split()
    return max(0, limit - int(used[0]) * resource.getpagesize()) if limit != resource.RLIM_INFINITY and used else None


def _left_by_groups(root: str) -> Iterator[int]:
    """What each memory group of the process, and each above it, has left. Pages of files are given back when they are needed."""
    for controller, limit_name, used_name, prefix in (
        ("", "memory.max", "memory.current", ""),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        for folder in _groups(root, controller):
            limit, used = (_number(os.path.join(folder, name)) for name in (limit_name, used_name))
            if limit is None or used is None or limit >= UNLIMITED:
                continue
            pages = dict(line.split()[:2] for line in _lines(os.path.join(folder, "memory.stat")))
            files = sum(int(pages.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
            yield max(0, limit - max(0, used - files))


def _groups(root: str, controller: str) -> Iterator[str]:
    """The folders of the process's group and of those above it: of a controller of version 1, or ("") of version 2."""
    for line in _lines(os.path.join(root, "proc/self/cgroup")):
        _, controllers, path = line.rstrip("\n").split(":", 2)
        if (controller in controllers.split(",")) if controller else not controllers:
            base = os.path.join(root, "sys/fs/cgroup", controllers)
            if not os.path.isdir(base):  # `cpu,cpuacct` may be found by either name; version 2 may be mounted beside version 1
                base = os.path.join(root, "sys/fs/cgroup", controller or "unified")
            # In a container the path is often that of the machine, and only what is above it is there.
            path = path.strip("/")
            while True:
                yield os.path.join(base, path) if path else base
                if not path:
                    break
                path = os.path.dirname(path)


def _number(path: str) -> Optional[int]:
    line = _first_line(path).strip()
    return int(line) if line.lstrip("-").isdigit() else None


def _first_line(path: str) -> str:
    return next(iter(_lines(path)), "")


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readlines()
    except OSError:
        return []
