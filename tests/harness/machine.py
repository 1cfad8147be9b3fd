"""A machine of a test's own: systemd and whatever is installed, in namespaces, on a copy of a file system.

Nothing on it reaches the network, and nothing of it stays. It starts in a moment, because the copy is an overlay.
The script is called by itself, to pass connections on to such a machine: machine.py PORT PID OF-THERE.
"""

import contextlib
import ctypes
import os
import pathlib
import socket
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLONE_NEWNET = 0x40000000
# What a service manager would do to the kernel that all share, and services of the copied machine.
MASKED = ("systemd-sysctl.service", "systemd-modules-load.service", "systemd-remount-fs.service",
          "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-journal-flush.service",
          "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "sys-kernel-debug.mount",
          "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount", "dev-hugepages.mount",
          "lvm2-monitor.service", "blk-availability.service")
# What it starts with, instead of everything that is enabled.
TARGET = """[Unit]
Description=A machine of a test
Requires=sysinit.target dbus.socket
"""
BOOT = """set -eu
mount -t tmpfs -o size=4g machine "$2"
cd "$2"
mkdir upper work root
mount -t overlay -o "lowerdir=$1,upperdir=upper,workdir=work" machine root
cd root
echo "$5" > etc/hostname
if [ "$6" ]; then
    mkdir -p ".$7"
    mount --bind "$6" ".$7"
fi
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
ln -s /proc/self/fd dev/fd
ip link set lo up
rm -f usr/sbin/policy-rc.d
mkdir -p etc/systemd/system
for unit in $3; do ln -sf /dev/null "etc/systemd/system/$unit"; done
echo "$4" > etc/systemd/system/walk.target
mkdir run/before
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
# Services get mounts of their own only where the root is a mount itself.
pivot_root . run/before
exec chroot . sh -c 'umount -l /run/before
    exec env -i container=walk PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=walk.target'
"""


def as_root():
    """What goes before a command that only root may run."""
    return [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]


class Machine:
    """A machine that runs within the context, on a copy of the file system `base`: this one's own, or another.

    `folder` is an empty one for its mounts, and its log; `shared` is a folder of ours, and the path that it has there.
    """

    def __init__(self, folder, base="/", name="machine", shared=("", "")):
        self.folder = pathlib.Path(folder)
        self.base, self.name, self.shared = base, name, shared
        self.relays = []
        self._pid = None

    def __enter__(self):
        from . import process
        mounts = self.folder / "mounts"
        mounts.mkdir(parents=True)
        argv = [*as_root(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts",
                "--cgroup", "sh", "-c", BOOT, "sh", str(self.base), str(mounts), " ".join(MASKED), TARGET, self.name,
                *map(str, self.shared)]
        with open(self.folder / "boot.log", "w") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            process.wait_for("the machine is up", self._is_up, timeout_s=60)
        except BaseException:
            self.process.kill()
            print(process.tail(self.folder / "boot.log"))
            raise
        return self

    def __exit__(self, *_):
        for relay in self.relays:
            relay.kill()
            relay.wait()
        subprocess.run([*as_root(), "kill", "-KILL", str(self.pid())], check=True)
        self.process.wait()

    def pid(self):
        """The service manager's number, seen from outside."""
        from . import process
        for pid in () if self._pid else process.children(self.process.pid):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    self._pid = pid
                    break
        return self._pid

    def _is_up(self):
        return self.pid() and self.run("systemctl", "is-active", "sysinit.target", "dbus.socket",
                                       status=None).split() == ["active", "active"]

    def run(self, *words, status=0, data=None):
        """What a command there prints, on either output; its exit code must be `status`, unless that is None."""
        argv = [*as_root(), "nsenter", "--target", str(self.pid()), "--mount", "--pid", "--net", "--ipc", "--uts",
                "--cgroup", "--root", "--wdns=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND=noninteractive", *map(str, words)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, input=data, timeout=300)
        said = done.stdout.decode(errors="replace")
        assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{said}"
        return said

    def put(self, path, data):
        """Writes a file there."""
        self.run("tee", path, data=data)

    def exists(self, path):
        return self.run("sh", "-c", f"test -e {path} && echo yes", status=None) == "yes\n"

    def relay(self, port):
        """A port of ours whose connections are passed on to one there."""
        from . import process
        ours = process.free_port()
        argv = [*as_root(), sys.executable, __file__, str(ours), str(self.pid()), str(port)]
        self.relays.append(process.start("the relay", argv, self.folder / "relay.log",
                                         lambda: (self.folder / "relay.log").read_text().count("ready")))
        return ours


def build(folder, version, **env):
    """{package: file} of what tools/deb builds, loosely packed."""
    from . import places
    said = subprocess.run([ROOT / "tools/deb", "--binary", places.binary(), "--to", folder, "--version", version,
                           "--level", "0"], check=True, capture_output=True, text=True, env=os.environ | env).stdout
    paths = map(pathlib.Path, said.split())
    return {path.name.split("_")[0]: path for path in paths}


def connect(machines):
    """Connects two machines by a cable; they find each other by their names, as 10.0.0.1 and 10.0.0.2."""
    (one, _), (two, _) = ends = [(machine, f"10.0.0.{number}") for number, machine in enumerate(machines, 1)]
    subprocess.run([*as_root(), "ip", "link", "add", "eth0", "netns", str(one.pid()), "type", "veth",
                    "peer", "name", "eth0", "netns", str(two.pid())], check=True)
    hosts = "".join(f"{address} {machine.name}\n" for machine, address in ends)
    for machine, address in ends:
        machine.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        machine.put("/etc/hosts", f"127.0.0.1 localhost\n{hosts}".encode())


def _copy(source, target):
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _pass_on(ours, port):
    with contextlib.closing(ours), contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as there:
        back = threading.Thread(target=_copy, args=(there, ours))
        back.start()
        _copy(ours, there)
        back.join()


def main(ours, pid, port):
    """Listens here, then goes there and stays."""
    listener = socket.create_server(("127.0.0.1", ours))
    with open(f"/proc/{pid}/ns/net") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_pass_on, args=(connection, port), daemon=True).start()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
