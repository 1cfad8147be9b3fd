"""Compares Vitrine with a real Glance: both do the same work in turn, and one table says what it took.

  make bench [BENCH="--images 1000,100000 ..."]
  benches/compare [--database postgresql|mariadb|sqlite] [--images 1000,100000] [--only REGEX] [--json FILE] [--whole]

Glance comes from PyPI and runs under uwsgi with four processes. Both ask the same Keystone, keep their data on the same
disk and their rows in one database server; images are written into Glance's tables by SQL, and `vitrine import-glance`
takes them from there. In each round both do a row's work one after the other, and from round to round the other begins.

Figures are medians of the rounds, with the least and the most. CPU seconds are those of all processes of a service and
of the database server together. `ratio` is Glance's figure over Vitrine's; `others` is how many cores everything else
on the machine kept busy meanwhile. Floors stand below: what the machine takes for parts of the work. Answers of both
must agree, images in lists by id and order: where they do not, the exit code says so.

--whole is all there is: up to 1,000,000 images, 1 GiB of data a stream; it takes hours. --build adds what it takes to
build either from nothing. --smoke is tiny, and about nothing but whether it works.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/peers"), str(ROOT / "tests")]
sys.dont_write_bytecode = True

from harness import databases, places  # noqa: E402
from harness.many import in_environment  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="1000,100000", help="numbers of images, each of which is a table")
    parser.add_argument("--database", choices=databases.KINDS, default=databases.POSTGRESQL)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7, help="of requests of one row, service and round")
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--processes", type=int, default=4, help="of uwsgi")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows and floors by name")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--binary", default=str(ROOT / "target/release/vitrine"))
    parser.add_argument("--folder", help="where to put the data; target/ by default")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--plans", action="store_true", help="in place of figures, how PostgreSQL goes about lists")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    if args.whole:
        args.images, args.size_mib = "1000,100000,1000000", 1024
    if args.smoke:
        args.images, args.size_mib, args.rounds, args.seconds, args.processes = "50", 2, 1, 0.0, 1
    if args.plans and args.database != databases.POSTGRESQL:
        parser.error("--plans wants PostgreSQL")
    args.images = [int(number) for number in args.images.split(",")]
    os.environ["VITRINE"] = args.binary
    return args


def main():
    args = arguments()
    in_environment()
    from run import about, compare
    from table import Table

    # What was started is stopped also when somebody wants this to end, and what was measured is printed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    began, load = time.monotonic(), os.getloadavg()[0]
    table = Table(about(args))
    with places.scratch("compare", args.folder) as work:
        try:
            compare(args, work, table)
        except (KeyboardInterrupt, SystemExit):
            table.differing.append("stopped before the end")
        finally:
            databases.stop_all()
    table.about |= {"load before": f"{load:.1f}", "took": f"{(time.monotonic() - began) / 60:.0f} min"}
    if args.json:
        args.json.write_text(json.dumps(table.json(), indent=1, ensure_ascii=False) + "\n")
    print("\n".join(table.plans) if args.plans else table.text())
    sys.exit(1 if table.differing else 0)


if __name__ == "__main__":
    main()
