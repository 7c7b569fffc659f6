"""A bare Debian in a folder: what a new user's machine has, README's packages included, and nothing more.

    python tests/bare_root.py trixie 'make run MINUTES=0.2' 'make test'

makes Debian 13 in a temporary folder, copies this checkout into it, without .git, runs the commands there one after the other
as an ordinary user, and removes the folder. Needs root, debootstrap, git and a network. All mounts are in a namespace
of their own, which ends with its last process, however that ends; nothing of the machine's /dev or /proc is seen inside.
"""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
USER = "user"
FOLDER = f"/home/{USER}/fable6-nano"  # of the checkout's copy in the root
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # the authorities that Debian's pip trusts

# Everything that runs in the root is in namespaces of mounts and processes. The processes die with the first of them.
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
ENTER = """
mount -t proc proc "$0/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
exec chroot "$@"
"""


class CannotMake(Exception):
    """No bare root can be made on this machine; the text says why."""


def readme_packages():
    """What README says a Debian needs: the words after its one `apt install`."""
    (line,) = re.findall(r"`apt install ([^`]+)`", (CHECKOUT / "README.md").read_text(encoding="utf-8"))
    return line.split()


def missing():
    """What this machine lacks for a bare root, or None."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "a bare root can only be made by root on Linux"
    for program, package in ("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git"):
        if shutil.which(program) is None:
            return f"{program} is missing; on Debian: apt install {package}"
    if not (CHECKOUT / ".git").exists():
        return "the list of source files needs a git checkout"
    tried = subprocess.run([*NAMESPACES, "--mount-proc", "true"], stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        return f"namespaces of mounts and processes are not allowed here: {tried.stderr.strip()}"
    return None


def source_files():
    """The files of the checkout as they lie there, those included that are not committed yet."""
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout
    return [name for name in os.fsdecode(names).split("\0") if name and os.path.lexists(CHECKOUT / name)]


# ---- the machine's way into the network: proxies, mirrors and certificates


def output(*command):
    """What a program prints; nothing where it is missing or fails."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def apt_settings():
    """The mirror of Debian that the machine's apt uses, or [], and lines of configuration for the root's apt."""
    mirror = output("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian", "Component: main").split()[:1]
    wanted = r"Acquire::(?:https?::|Check-|Retries).*"
    return mirror, [line for line in output("apt-config", "dump", "Acquire").splitlines() if re.fullmatch(wanted, line)]


def network_environment():
    """Variables for the programs in the root: those set here, and what pip and npm have in their configuration."""
    found = {}
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        match = re.fullmatch(r"[^.]*\.(cert|index-url|proxy|retries|timeout|default-timeout|trusted-host)=(.*)", line)
        if match:
            found["PIP_" + match[1].upper().replace("-", "_")] = str(ast.literal_eval(match[2]))
    npm = json.loads(output("npm", "config", "list", "--json") or "{}")
    for key in ("cafile", "registry", "proxy", "https-proxy"):
        if npm.get(key):
            found["npm_config_" + key.replace("-", "_")] = npm[key]
    wanted = r"(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS"
    found.update((name, value) for name, value in os.environ.items() if re.fullmatch(wanted, name))
    return found


# ---- a root


def inside(root, command, user=None, environment=(), **options):
    """Runs a command in the root, as root if no user is named; the completed process."""
    settings = {"PATH": "/usr/local/bin:/usr/bin:/bin" + ("" if user else ":/usr/sbin:/sbin"), "LANG": "C.UTF-8", **dict(environment)}
    as_user = [f"--userspec={user}:{user}"] if user else []
    run = ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), *command]
    enter = [*NAMESPACES, "sh", "-ec", ENTER, str(root), *as_user, str(root), *run]
    return subprocess.run(
        enter, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
    )


def set_up(root, command):
    """Runs a command as root in the root; an AssertionError with its last words if it fails."""
    done = inside(root, command, environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}"


def make(suite, root, packages=None):
    """Debian's release `suite` in the folder `root`, with README's packages (or these) and a copy of the checkout; an environment for `run`."""
    mirror, apt = apt_settings()
    environment = network_environment()
    # Its own mounts, which it does not always undo, go into a namespace too.
    debootstrap = [*NAMESPACES, "debootstrap", "--variant=minbase", suite, str(root), *mirror]
    done = subprocess.run(debootstrap, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise CannotMake(f"debootstrap {suite}: " + (done.stdout.strip().splitlines() or ["no word"])[-1])

    root.chmod(0o755)  # a temporary folder is its maker's only
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    (root / "etc/apt/apt.conf.d/99machine").write_text("".join(line + "\n" for line in apt))
    set_up(root, ["apt-get", "update"])
    set_up(root, ["apt-get", "install", "-y", "--no-install-recommends", *(packages or readme_packages())])

    (root / BUNDLE[1:]).parent.mkdir(parents=True, exist_ok=True)
    if os.path.isfile(BUNDLE):
        shutil.copy(BUNDLE, root / BUNDLE[1:])
    for name, value in environment.items():
        if value.startswith("/") and os.path.isfile(value):  # a file of certificates: a place that every user there can read
            environment[name] = "/etc/ssl/certs/" + value[1:].replace("/", "-")
            shutil.copy(value, root / environment[name][1:])

    set_up(root, ["useradd", "--create-home", USER])
    copy = root / FOLDER[1:]
    for name in source_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, copy / name, follow_symlinks=False)
    set_up(root, ["chown", "-R", f"{USER}:{USER}", FOLDER])
    return {**environment, "HOME": f"/home/{USER}", "USER": USER}


def run(root, command, environment):
    """Runs a command of the shell in the copy of the checkout, as an ordinary user; the completed process."""
    return inside(root, ["sh", "-c", f"cd {FOLDER} && {command}"], user=USER, environment=environment)


def main(argv):
    if len(argv) < 2 or argv[0].startswith("-"):
        print(__doc__)
        return 2
    if missing():
        print(missing(), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        try:
            environment = make(argv[0], root)
        except CannotMake as problem:
            print(problem, file=sys.stderr)
            return 1
        for command in argv[1:]:
            done = run(root, command, environment)
            print(f"$ {command}\n{done.stdout}", flush=True)
            if done.returncode != 0:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
