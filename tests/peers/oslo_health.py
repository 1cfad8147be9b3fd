"""What the real oslo.middleware answers to `/healthcheck`: runs in the environment `glance`.

Reads JSON, a list of {"options": {name: text}, "port": number, "requests": [[method, accept]]}, and prints for each
[[status, content type, body]], or the text of the exception where it does not start.
"""

import json
import sys

import webob
from oslo_config import cfg
from oslo_middleware import healthcheck


def answers(options, port, requests):
    try:
        app = healthcheck.Healthcheck.app_factory({}, **options)
    except Exception as refused:  # noqa: BLE001  part of what is compared
        return str(refused)
    found = []
    for method, accept in requests:
        request = webob.Request.blank(f"http://127.0.0.1:{port}/healthcheck", method=method,
                                      headers={"Accept": accept} if accept else {},
                                      environ={"REMOTE_ADDR": "127.0.0.1"})
        answer = request.get_response(app)
        found.append([answer.status_int, answer.headers.get("Content-Type", ""), answer.text])
    return found


def main():
    cfg.CONF([])
    results = []
    for case in json.load(sys.stdin):
        results.append(answers(**case))
        # It keeps them for the next one.
        for name in case["options"]:
            cfg.CONF.clear_override(name, group="healthcheck")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
