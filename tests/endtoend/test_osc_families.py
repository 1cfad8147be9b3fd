"""`openstack image family` and `retention`, the plug-in's commands for images that follow each other."""

FAMILY = "debian-12"


def built(server, month, **more):
    """An image of the family with data, of the first of a month."""
    image = server.create(name=f"build-{month}", image_family=FAMILY, image_build_date=f"2026-{month}-01", **more)
    server.put(image, b"data").expect(204)
    return image


def names(openstack, *arguments):
    return {row["ID"]: row["Name"] for row in openstack.json("image", "family", *arguments)}


def test_the_newest_of_a_family_has_its_name(openstack, admin):
    """What is published takes over the plain name, what was before is hidden; a rollback is the way back."""
    server = openstack.server
    old = built(server, "01")
    assert names(openstack, "publish", FAMILY, "build-01", "--name", "Debian 12") == {old: "Debian 12"}
    new = built(server, "02")
    changed = names(openstack, "publish", FAMILY, new, "--name", "Debian 12", "--private",
                    "--rename", "{name} of {image_build_date}")
    assert changed == {new: "Debian 12", old: "Debian 12 of 2026-01-01"}
    assert (server.show(new)["visibility"], server.show(old)["os_hidden"]) == ("private", True)
    _, owner = server.login()
    for client, option in ((openstack, []), (admin, ["--project", "demo"])):
        assert client.json("image", "family", "show", FAMILY, *option) == {
            "owner": owner, "name": FAMILY, "current": new}
    assert {"Project ID": owner, "Name": FAMILY} in openstack.json("image", "family", "list")
    assert names(openstack, "member", "list", FAMILY) == {new: "Debian 12"}
    assert names(openstack, "member", "list", FAMILY, "--hidden") == {old: "Debian 12 of 2026-01-01"}
    assert names(openstack, "rollback", FAMILY) == {new: "build-02", old: "Debian 12"}
    newest = built(server, "03")
    openstack("image", "family", "publish", FAMILY, newest, "--name", "Debian 12", "--keep-listed")
    assert server.show(old)["os_hidden"] is False
    empty = server.create()
    assert "(HTTP 409)" in openstack.refused("image", "family", "publish", FAMILY, empty, "--name", "Debian 12")
    assert "(HTTP 404)" in admin.refused("image", "family", "show", FAMILY)


def test_rules_say_which_images_stay(openstack):
    """A rule is tried before it is applied; that of a family stands beside that of the project."""
    server = openstack.server
    first, second = (built(server, month, tags=[month]) for month in ("11", "12"))
    openstack("image", "retention", "set", "--keep-last", "9")
    made = openstack.json("image", "retention", "set", "--family", FAMILY, "--keep-last", "1", "--keep-days", "0",
                          "--keep-tag", "none", "--before-eol", "allow")
    assert (made["family"], made["keep_last"], made["keep_if"]["tag"], made["action"], made["before_eol"]) == (
        FAMILY, 1, "none", "retire", "allow")
    assert [(row["Family"], row["Keep Last"]) for row in openstack.json("image", "retention", "list")] == [
        (None, 9), (FAMILY, 1)]
    run = ["image", "retention", "run", "--family", FAMILY]
    plan = {row["ID"]: (row["Action"], row["Reason"]) for row in openstack.json(*run, "--dry-run")}
    assert plan[first] == ("retire", None) and plan[second][0] == "keep" and plan[second][1]
    assert "lifecycle_state" not in server.show(first)
    openstack(*run)
    assert server.show(first)["lifecycle_state"] == "retired" and "lifecycle_state" not in server.show(second)
    openstack("image", "retention", "unset", "--family", FAMILY)
    assert [row["Family"] for row in openstack.json("image", "retention", "list")] == [None]
    openstack("image", "retention", "unset", "--project", "demo")
    assert "(HTTP 404)" in openstack.refused("image", "retention", "unset")
