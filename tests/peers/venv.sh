#!/bin/sh
# Makes the named virtual environment once, and prints its folder.
#
#   tests/peers/venv.sh clients|keystone|glance|tempest|schemathesis
#
# The environment lives in .cache/venvs/<name>-<hash of its requirements>, so a changed pin makes
# a new one and leaves the old one to whoever still runs it. Any number of callers may ask at
# once: the first builds, the others wait. PYTHON chooses the interpreter.
set -eu

name=${1:?usage: venv.sh NAME}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
pins="$here/requirements-$name.txt"
python=${PYTHON:-/usr/bin/python3}

[ -f "$pins" ] || { echo "venv.sh: there is no $pins" >&2; exit 2; }
[ -x "$python" ] || python=$(command -v python3)

hash=$({ "$python" --version; cat "$pins"; } | sha256sum | cut -c1-12)
venv="$root/.cache/venvs/$name-$hash"
mkdir -p "$root/.cache/venvs"

exec 9>"$venv.lock"
flock 9
if [ ! -f "$venv/.complete" ]; then
    # A folder without the mark is what an interrupted build left.
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
    # Every package is pinned, so nothing has to be resolved.
    "$venv/bin/pip" install --quiet --no-input --no-deps --disable-pip-version-check \
        --requirement "$pins" >"$venv.log" 2>&1 || { tail -n 20 "$venv.log" >&2; exit 1; }
    touch "$venv/.complete"
fi
echo "$venv"
