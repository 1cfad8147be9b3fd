"""What watches the suites: a hang ends, what it started ends with it, and the code of a command is its own."""

import os

from harness import watched

# Starts a process that nobody waits for, says its number, and goes on.
LEAVES_ONE = "(setsid sleep 1000 >/dev/null 2>&1 & echo left $!);"


def run(script, silence_s=30, limit_s=30):
    return watched.run(["sh", "-c", script], "/", os.environ, silence_s, limit_s)


def runs(output):
    """Whether the process that a script left still runs."""
    pid = int(output.split("left ")[1].split()[0])
    return pid in watched.descendants() or os.path.exists(f"/proc/{pid}")


def test_a_command_that_ends_leaves_nothing():
    """Its code and its words are handed on; what it left in a session of its own is ended."""
    code, output = run(f"{LEAVES_ONE} echo bad; exit 3")
    assert (code, output.splitlines()[-1]) == (3, "bad") and not runs(output)


def test_an_orphan_that_holds_the_pipe_is_not_waited_for():
    code, output = run("sleep 1000 & echo left $!")
    assert code == 0 and not runs(output)


def test_silence_ends_a_command(capsys):
    """With all that it started, after its last lines have been shown once more."""
    code, output = run(f"{LEAVES_ONE} echo last words; sleep 1000", silence_s=1)
    assert code == 124 and not runs(output)
    shown = capsys.readouterr().out
    assert "said nothing for 1 s" in shown and shown.count("last words") == 2


def test_a_command_that_chatters_ends_too(capsys):
    code, _ = run("while sleep 0.1; do echo more; done", limit_s=2)
    assert code == 124 and "ran for 2 s" in capsys.readouterr().out
