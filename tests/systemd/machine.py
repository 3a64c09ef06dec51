"""A machine that boots the real systemd in namespaces of its own, and can be told.

It is this machine's own system on a throw-away copy of its file system, with its own
processes, network and control groups. It takes root; `why_not` says what is missing.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IMAGE = Path(__file__).with_name("image.sh")

TOOLS = ("bash", "unshare", "nsenter", "setpriv", "mount", "pivot_root", "systemctl",
         "journalctl", "systemd-analyze", "systemd-sysusers")  # fmt: skip

LEAST_VERSION = 250
"""Of systemd: older ones do not know all settings of the units."""

PROBE = """
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" "$1/merged" &&
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged" &&
mount -t proc none "$1/merged/proc" && mount -t sysfs -o ro none "$1/merged/sys" &&
mount -t cgroup2 none "$1/merged/sys/fs/cgroup"
"""
"""All kinds of mounts that the image takes."""

NAMESPACES = ("--mount", "--propagation", "private", "--pid", "--fork", "--uts",
              "--ipc", "--net", "--cgroup")  # fmt: skip


def why_not() -> str:
    """Say why no systemd can boot here; empty: it can."""
    if os.geteuid() != 0:
        return "booting systemd takes root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(missing)} not installed"
    said = subprocess.run(
        ["systemctl", "--version"], capture_output=True, text=True, check=True
    )
    version = int(said.stdout.split()[1])
    if version < LEAST_VERSION:
        return f"systemd {version} is older than {LEAST_VERSION}"
    if Path("/run/systemd/system").exists():
        return "this machine runs systemd itself: its control groups are not ours"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["unshare", *NAMESPACES, "sh", "-c", PROBE, "sh", folder],
            capture_output=True,
            text=True,
            check=False,
        )
    return "" if tried.returncode == 0 else f"refused: {tried.stderr.strip()}"


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait for something, no longer than that; say whether it has come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class ControlGroups:
    """A control group (version 2) for the machine, in a mount of our own if need be."""

    def __init__(self, folder: Path) -> None:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().split("\n")]
        found = [m[1] for m in mounts if len(m) > 2 and m[2] == "cgroup2"]
        self._mounted: Path | None = None
        if not found:
            self._mounted = folder / "cgroup2"
            self._mounted.mkdir()
            command = ["mount", "-t", "cgroup2", "cgroup2", str(self._mounted)]
            subprocess.run(command, check=True)
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        (own,) = (line[3:] for line in lines if line.startswith("0::"))
        above = Path(found[0]) if found else folder / "cgroup2"
        self.group = above / own.strip("/") / f"rigd-test-{os.getpid()}-{folder.name}"
        self.group.mkdir()

    def remove(self) -> None:
        """Remove the group, when all its processes have ended."""
        wait_until(self._is_removed, 5.0)
        if self._mounted is not None:
            subprocess.run(["umount", str(self._mounted)], check=True)

    def _is_removed(self) -> bool:
        folders = [*self.group.rglob("*/"), self.group]
        for folder in sorted(folders, key=lambda path: -len(path.parts)):
            try:
                folder.rmdir()
            except OSError:
                return False
        return True


class Machine:
    """One machine. Its disk (`state`, seen as /var/lib/rigd) outlives a power-off."""

    def __init__(self, folder: Path, program: Path) -> None:
        """Set it up; `folder` must be empty, `program` becomes /opt/rigd."""
        self.state = folder / "state"
        self.state.mkdir()
        self._folder = folder
        self._program = program
        self._groups = ControlGroups(folder)
        self._process: subprocess.Popen[str] | None = None
        self._init = 0

    # --- power --------------------------------------------------------------------

    def boot(self) -> None:
        """Switch it on and wait until it is up."""
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        into_group = f"echo $$ > {self._groups.group}/cgroup.procs && exec "
        unshared = "setpriv --pdeathsig KILL unshare --mount --propagation private -- "
        image = (IMAGE, work, self._program, sys.base_prefix, self.state)
        self._process = subprocess.Popen(
            ["bash", "-c", into_group + unshared + ' "$@"', "bash", *map(str, image)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert wait_until(self._has_init, 30.0), "systemd does not start"
        assert wait_until(self._is_up, 30.0), "the machine does not come up"

    def _has_init(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(self._process.communicate()[0])
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            with suppress(OSError):  # it may have ended since
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    self._init = int(child)
        return self._init != 0

    def _is_up(self) -> bool:
        said = self.run("systemctl", "is-system-running", check=False)
        return said.strip() in ("running", "degraded")

    def power_off(self, seconds: float = 60.0) -> None:
        """Switch it off as a person does, and wait until it is off."""
        self.run("systemctl", "poweroff", check=False)
        self.wait_until_off(seconds)

    def wait_until_off(self, seconds: float) -> None:
        """Wait until nothing of it runs any more."""
        assert self._process is not None
        self._process.communicate(timeout=seconds)
        self._process, self._init = None, 0

    def cut_power(self) -> None:
        """End it at once, with everything that runs in it."""
        if self._init:
            os.kill(self._init, signal.SIGKILL)
            self.wait_until_off(10.0)

    def close(self) -> None:
        """Leave nothing of it behind."""
        if self._process is not None:
            if self._init:
                self.cut_power()
            else:
                self._process.kill()
                self._process.communicate()
        self._groups.remove()

    # --- talking ------------------------------------------------------------------

    def command(self, *command: str) -> list[str]:
        """The command that runs another one inside the machine, as root."""
        inside = ("-m", "-p", "-u", "-i", "-n", "-C")
        return ["nsenter", "-t", str(self._init), *inside, "--", *command]

    def run(self, *command: str, check: bool = True, text: str | None = None) -> str:
        """Run a command inside, with `text` as its input; return what it printed."""
        done = subprocess.run(
            self.command(*command),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file inside."""
        self.run("mkdir", "-p", str(Path(path).parent))
        self.run("tee", path, text=text)

    def has(self, unit: str, **properties: str) -> bool:
        """Whether a unit has all these properties."""
        return all(self.property(unit, n) == value for n, value in properties.items())

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as `systemctl show` prints it."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def wait_for(self, unit: str, seconds: float, **properties: str) -> None:
        """Wait until a unit has all these properties."""
        came = wait_until(lambda: self.has(unit, **properties), seconds)
        now = {name: self.property(unit, name) for name in properties}
        assert came, f"{unit} has {now}, not {properties}: {self.journal(unit)[-3000:]}"

    def journal(self, unit: str, *more: str) -> str:
        """What the journal has of a unit."""
        self.run("journalctl", "--sync")
        return self.run(
            "journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit, *more
        )

    def drop_in(self, unit: str, text: str) -> None:
        """Change settings of a unit, as `systemctl edit` does."""
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.run("systemctl", "daemon-reload")


@contextmanager
def new_machine(program: Path) -> Iterator[Machine]:
    """A machine that is switched on, with `program` in /opt/rigd."""
    with tempfile.TemporaryDirectory(prefix="rigd-machine-") as folder:
        machine = Machine(Path(folder), program)
        try:
            machine.boot()
            yield machine
        finally:
            machine.close()
