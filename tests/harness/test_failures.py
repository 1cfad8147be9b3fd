"""What is told at the end of a run of the tests that failed in it."""

import xml.etree.ElementTree

from harness import failures

CARGO = """\
test a::good ... ok
test a::bad ... FAILED
test a::worse ... FAILED

failures:

---- a::bad stdout ----

thread 'a::bad' panicked at src/a.rs:7:5:
left: 1

---- a::worse stdout ----
worse


failures:
    a::bad
    a::worse

test result: FAILED. 1 passed; 2 failed; 0 ignored
"""
OWN = """\
  12 ok
FAILED list-limit
    status 200 and 400
    body differs
FAILED   another
1 passed, 2 failed
"""
JUNIT = """\
<testsuites><testsuite><testcase classname="c" name="good"/>
<testcase classname="c" name="bad"><failure message="m">line one
E   assert 1 == 2</failure><system-out>much else
KILL_SEED=17
</system-out></testcase>
<testcase classname="c" name="broken"><error>no fixture</error></testcase></testsuite></testsuites>
"""


def test_each_suite_is_understood():
    assert failures.cargo(CARGO) == [("a::bad", "thread 'a::bad' panicked at src/a.rs:7:5:\nleft: 1"),
                                     ("a::worse", "worse")]
    assert failures.cargo("test a::good ... ok\n") == []
    assert failures.lines(OWN) == [("list-limit", "status 200 and 400\nbody differs\n"), ("another", "")]
    cases = xml.etree.ElementTree.fromstring(JUNIT).iter("testcase")
    assert failures.junit(cases) == [("c.bad", "line one\nE   assert 1 == 2\nKILL_SEED=17"), ("c.broken", "no fixture")]


def test_long_stories_are_cut():
    """Of one failure the last lines, of a run the first failures, and how many more there are."""
    long = "\n".join(str(number) for number in range(100))
    text = failures.told([(f"test {number}", long) for number in range(10)]).splitlines()
    assert text[:2] == ["FAILED test 0", "    85"] and text[15:17] == ["    99", "FAILED test 1"]
    assert text[-1] == "FAILED and 2 more" and len(text) == 8 * 16 + 1
    assert failures.told([]) == ""
