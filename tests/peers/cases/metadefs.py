"""Metadata definitions: one namespace walked through, and the faults on the way."""

from cases import Case, request

NS = "/v2/metadefs/namespaces"


def cases():
    return []
