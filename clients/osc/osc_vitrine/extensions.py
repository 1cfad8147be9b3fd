"""The calls of `/ext/v1`, by the session and the image endpoint that openstackclient itself uses."""

import functools
import itertools
import re
import urllib.parse

from osc_lib import exceptions

# Rows that are asked for at once; the service gives no more.
PAGE_ROWS = 1000
# Answers after which the same call may do.
PASSING = (429, 503)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def at(*words, **parameters):
    """The path of what `words` name, with those of the parameters that have a value."""
    path = "/ext/v1/" + "/".join(urllib.parse.quote(word, safe="") for word in words)
    given = [(name, value) for name, value in parameters.items() if value is not None]
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def failure(answer):
    """What an answer that is none amounts to, in the words of the service."""
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"{answer.reason or 'No answer'} at {answer.url}"
        if answer.status_code in (300, 404):
            message = f"The image service knows no {answer.url}; it is not Vitrine, or an older one."
    if answer.status_code >= 500 and (request := answer.headers.get("X-Openstack-Request-Id")):
        message = f"{message} (request {request})"
    return exceptions.ClientException(answer.status_code, message)


class Extensions:
    """`images` is the client of the image service that openstackclient made."""

    def __init__(self, images):
        self.images = images

    @functools.cached_property
    def root(self):
        """The URL of the service, without the version that the catalogue or discovery may have put behind it."""
        endpoint = self.images.get_endpoint()
        if not endpoint:
            raise exceptions.EndpointNotFound("The catalogue has no image service here.")
        return re.sub(r"/v\d[\d.]*$", "", endpoint.rstrip("/"))

    def request(self, method, path, **more):
        """The answer, which is a good one."""
        answer = self.images.request(self.root + path, method, raise_exc=False, **more)
        if answer.status_code >= 300:
            raise failure(answer)
        return answer

    def call(self, method, path, **more):
        """What the answer says, None where it has no body."""
        answer = self.request(method, path, headers={"Accept": "application/json"}, **more)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise failure(answer) from None

    def get(self, path):
        return self.call("GET", path)

    def patient_get(self, path):
        """The same, and again for a while when the service restarts meanwhile."""
        return self.call("GET", path, connect_retries=5, status_code_retries=5, retriable_status_codes=PASSING)

    def rows(self, words, items, paging, **parameters):
        """The rows of a list, page after page, as many as are wanted; `items` is the name of the rows in a page."""
        limit = paging.limit or None
        first = at(*words, limit=min(limit or PAGE_ROWS, PAGE_ROWS), marker=paging.marker, **parameters)
        return itertools.islice(self._all(first, items), limit)

    def _all(self, link, items):
        while link:
            page = self.get(link)
            yield from page[items]
            link = page["next"]

    def image_id(self, image):
        """The id of an image by its name or id."""
        return image if UUID.fullmatch(image) else self.images.find_image(image, ignore_missing=False).id
