"""`openstack image usage`, the plug-in's commands for what was stored and what it costs."""

import csv
import datetime
import io

import pytest

# A gigabyte-month costs so much that the hour of a small image costs something.
RATES = ["EUR", "--default", "1000", "--sku", "win=2000", "--valid-from", "2026-01-01T00:00Z"]
SIZE = 5_000_000


@pytest.fixture(scope="module")
def images(admin):
    """Two images that are charged for, of which one is sold; and the options that name the hour of their data."""
    admin("image", "usage", "rate", "set", *RATES)
    server = admin.server
    made = {"free": server.create(name="free"), "sold": server.create(name="sold", license_sku="win")}
    for image in made.values():
        server.put(image, bytes(SIZE)).expect(204)
    # The clock may pass into the next hour meanwhile.
    times = sorted(server.show(image)["updated_at"] for image in made.values())
    begin, end = (datetime.datetime.fromisoformat(time).replace(minute=0, second=0) for time in times)
    end += datetime.timedelta(hours=1)
    return made, ["--from", f"{begin:%Y-%m-%dT%H:%MZ}", "--to", f"{end:%Y-%m-%dT%H:%MZ}"]


def test_a_customer_sees_what_is_charged(openstack, images):
    """Each image has a line with its hour, its gigabyte-months and its price; the sums are those of the lines."""
    made, period = images
    _, owner = openstack.server.login()
    lines = {line["Image Name"]: line for line in openstack.json("image", "usage", "report", *period, "--long")}
    assert {name: line["Image ID"] for name, line in lines.items()} == made
    for name, sku, rate, amount in (("free", None, "1000.0000", "0.0068"), ("sold", "win", "2000.0000", "0.0137")):
        line = lines[name]
        assert (line["Section"], line["Project ID"], line["SKU"], line["Bytes"]) == ("images", owner, sku, SIZE)
        assert (line["GB"], line["Rate"], line["Amount"]) == (0.005, rate, amount)
    (total,) = [row for row in openstack.json("image", "usage", "report", *period, "--totals")
                if row["Section"] == "images"]
    assert (total["Amount"], total["Currency"]) == ("0.0205", "EUR")
    assert f"| {SIZE / 1e9:.6f} |" in openstack("image", "usage", "report", *period)
    month = openstack.json("image", "usage", "report", "--month", period[1][:7], "--image", "sold", "--project", "demo")
    assert [line["Image ID"] for line in month] == [made["sold"]]


def test_a_report_as_a_table_and_what_is_charged_now(openstack, admin, images, tmp_path):
    """The table is the service's own; a customer reads no rates and no other project's report."""
    _, period = images
    _, owner = openstack.server.login()
    admin("image", "usage", "csv", *period, "--group", "sku", "--file", tmp_path / "usage.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "usage.csv").read_bytes().decode(), newline="")))
    assert sorted((row["sku"], row["amount"]) for row in rows) == [("", "0.0068"), ("win", "0.0137")]
    assert admin.json("image", "usage", "now", "--project", owner) == [
        {"Project ID": owner, "Images": 2, "Bytes": 2 * SIZE}]
    (rates,) = admin.json("image", "usage", "rate", "list")
    assert (rates["Currency"], rates["Default"], rates["SKUs"]) == ("EUR", "1000.0000", {"win": "2000.0000"})
    assert rates["Valid From"] == "2026-01-01T00:00:00Z"
    _, foreign = openstack.server.login("vitrine-admin")
    assert "(HTTP 403)" in openstack.refused("image", "usage", "report", *period, "--project", foreign)
    assert openstack.refused("image", "usage", "report", "--month", "2026-13").startswith("A month is written as")
    assert "(HTTP 400)" in openstack.refused("image", "usage", "report", "--from", "now", "--to", "then")


def test_billing_systems_read_hours_and_events(openstack, admin, images):
    """The hour of the images is not over, so there is none yet; each has begun once, and nothing has ceased."""
    made, period = images
    assert openstack.json("image", "usage", "hour", "list", *period, "--limit", "5") == []
    assert "whole hour" in openstack.refused("image", "usage", "hour", "list", "--from", "2026-11-01T00:01Z")
    events = admin.json("image", "usage", "event", "list")
    assert [row["Number"] for row in events] == list(range(1, len(events) + 1))
    begun = {row["Image Name"]: row["Image ID"] for row in events if row["Section"] == "images"}
    assert begun == made and {row["Type"] for row in events} == {"opened"}
    assert admin.json("image", "usage", "event", "list", "--marker", "1") == events[1:]
    assert admin.json("image", "usage", "event", "list", "--limit", "1") == events[:1]
    assert "(HTTP 403)" in openstack.refused("image", "usage", "event", "list")
