"""What tools/deb, tools/image and tools/sbom share: how what is shipped is named and dated."""

import datetime
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"


def output(*argv, cwd=ROOT):
    """What a command writes; its failure is ours."""
    return subprocess.run([str(word) for word in argv], cwd=cwd, check=True, capture_output=True, text=True).stdout


def _git(*words):
    """What git says of the tree; nothing where there is no git, as in an unpacked archive."""
    try:
        return output("git", *words).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def epoch():
    """Seconds since 1970 that everything shipped is dated with: SOURCE_DATE_EPOCH, or the time of the commit."""
    named = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return int(named) if named else int((ROOT / "CHANGELOG.md").stat().st_mtime)


def moment():
    return datetime.datetime.fromtimestamp(epoch(), datetime.UTC)


def release():
    """The version in Cargo.toml."""
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)


def version():
    """The version in Cargo.toml where the commit has its tag, or else one that is older and grows with each commit."""
    if _git("tag", "--points-at", "HEAD", "--list", f"v{release()}"):
        return release()
    commit = _git("rev-parse", "--short=9", "HEAD")
    return f"{release()}~{moment():%Y%m%d%H%M%S}" + (f"+{commit}" if commit else "")


def place(target, source=None, text=None, mode=0o644):
    """Writes a file with its folders, whatever the umask; from another one, or with a text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes() if source else text.encode())
    target.chmod(mode)


def stripped(binary, target):
    """A program without its symbols."""
    target.parent.mkdir(parents=True, exist_ok=True)
    output("strip", "--strip-unneeded", "-o", target, binary)
    target.chmod(0o755)
