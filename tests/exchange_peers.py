"""Peers of the exchange, each a process in a network namespace of its own, all on one bridge: `with Room() as room: room.run("a", …)`.

A room is a mount of nothing but names: `unshare --net` makes the outer namespace, so that nothing leaves this machine, and the peers' namespaces
hang on a bridge in it. Needs root and the programs unshare, nsenter and ip.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAIT = 300.0  # until a test that hangs says so; nothing passes or fails for being quick


def missing():
    """Why there can be no room here; "" if there can."""
    if os.name == "nt" or os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"the program {program} is not here (Debian: util-linux, iproute2)"
    probe = "ip link add pair-1 type veth peer name pair-2 && ip link add bridge type bridge"
    if subprocess.run(["unshare", "--net", "sh", "-c", probe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return "this kernel gives no network namespaces with bridges"
    return ""


class Room:
    """A network of peers named by letters; the first is 10.77.0.1, the next 10.77.0.2, and so on."""

    def __init__(self, peers):
        self.peers, self.holders, self.started = peers, {}, []

    def __enter__(self):
        self.holders["room"] = self._hold()
        self._in("room", "ip link add bridge type bridge && ip link set bridge up && ip link set lo up")
        for number, peer in enumerate(self.peers, 1):
            self.holders[peer] = self._hold()
            self._in(
                "room",
                f"ip link add to-{peer} type veth peer name net netns {self.holders[peer].pid} && ip link set to-{peer} master bridge up",
            )
            self._in(peer, f"ip addr add {self.address(peer)}/24 dev net && ip link set net up && ip link set lo up")
        return self

    def __exit__(self, *exception):
        for process in [*self.started, *self.holders.values()]:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def address(self, peer):
        return f"10.77.0.{1 + self.peers.index(peer)}"

    def _hold(self):
        """A process that keeps a new namespace alive, says when it is there, and ends with this one."""
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo here; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"here\n"
        return process

    def _in(self, peer, script):
        subprocess.run(self.command(peer, "sh", "-c", script), check=True)

    def command(self, peer, *command):
        return ["nsenter", "-t", str(self.holders[peer].pid), "-n", *command]

    def run(self, peer, *arguments, status=0):
        """Run a command of the exchange there; returns its output and what it complained of."""
        done = subprocess.run(
            self._exchange(peer, arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=WAIT
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, peer, *arguments, until):
        """Start one that goes on, and wait until it has printed a line with these words."""
        log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        process = subprocess.Popen(self._exchange(peer, arguments), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        process.log = log
        self.started.append(process)
        ends = time.monotonic() + WAIT
        while True:
            with open(log.name) as file:
                said = file.read()
            if until in said:
                return process
            assert process.poll() is None and time.monotonic() < ends, said
            time.sleep(0.1)

    def stop(self, process):
        process.kill()
        process.wait()

    def _exchange(self, peer, arguments):
        return self.command(peer, sys.executable, "-m", "fable6c.exchange", *map(str, arguments))
