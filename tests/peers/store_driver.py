"""What a Glance with a configuration does with its store `cloud`, by the real drivers: in the environment `glance`.

    store_driver.py CONF [--caller JSON] add FILE ID | get URL FILE | delete URL

A caller has a token, a catalogue and a project; without one the store's own account is asked.
"""

import argparse
import json
import types

from glance_store import multi_backend
from oslo_config import cfg

STORE = "cloud"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("conf")
    parser.add_argument("--caller", type=lambda text: types.SimpleNamespace(**json.loads(text)))
    parser.add_argument("step", nargs="+")
    asked = parser.parse_args()
    conf = cfg.CONF
    conf.register_opt(cfg.DictOpt("enabled_backends"))
    conf(["--config-file", asked.conf], project="glance")
    multi_backend.register_store_opts(conf)
    multi_backend.create_multi_stores(conf)
    match asked.step:
        case ["add", file, image]:
            with open(file, "rb") as data:
                # Without a size: with one, this release waits for more bytes than there are (bug 2110185).
                added = multi_backend.add_with_multihash(conf, image, data, 0, STORE, "sha512", context=asked.caller)
                print(added[0])
        case ["get", url, file]:
            pieces, size = multi_backend.get(url, STORE, context=asked.caller)
            with open(file, "wb") as out:
                for piece in pieces:
                    out.write(piece)
                assert size == out.tell(), size
        case ["delete", url]:
            multi_backend.delete(url, STORE, context=asked.caller)
        case other:
            parser.error(f"not a step: {other}")


if __name__ == "__main__":
    main()
