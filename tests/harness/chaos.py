"""How long the tests of deaths take, and the seed that repeats the instants of one.

`make test` runs a short slice of each, `make chaos` (CHAOS=whole) the whole, of which CHAOS_MINUTES says how long the
tests go on that are as long as one likes. KILL_SEED repeats a run, as far as the scheduling of the kernel lets it.
"""

import os
import random
import time

IS_WHOLE = os.environ.get("CHAOS") == "whole"


def either(short, whole):
    """What belongs to a slice, or what belongs to the whole."""
    return whole if IS_WHOLE else short


def seeded():
    """Random instants, sizes and bytes, all from a seed that is printed."""
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().getrandbits(32)))
    print(f"KILL_SEED={seed}")
    return random.Random(seed)


def rounds(short):
    """Numbers of rounds: so many in a slice, and as many as the minutes allow in the whole."""
    end = time.monotonic() + 60 * float(os.environ.get("CHAOS_MINUTES", "15"))
    number = 0
    while number < short or (IS_WHOLE and time.monotonic() < end):
        yield number
        number += 1
