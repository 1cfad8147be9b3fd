"""The table of operations: each has a weight, and is for all or for administrators."""

from typing import NamedTuple


class Operation(NamedTuple):
    weight: float
    name: str
    act: object
    is_for_admins: bool


TABLE = []


def operation(weight, admin=False):
    """Adds a function to the table, which is given a client. It raises `Idle` before it asks anything if it cannot."""
    def add(function):
        TABLE.append(Operation(weight, function.__name__.replace("_", " "), function, admin))
        return function
    return add


def choose(client):
    """One that the client may do."""
    rows = [row for row in TABLE if client.user.is_admin or not row.is_for_admins]
    return client.random.choices(rows, [row.weight for row in rows])[0]
