"""`openstack image upload parts`, the plug-in's command that goes on after a cut."""

from harness import sha512

PART = 8 << 20
OFFSET_MEDIA = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}


def test_an_upload_goes_on_where_it_was_cut(openstack, tmp_path):
    """What is there already is not sent again; the image has the data in the end."""
    server, file = openstack.server, tmp_path / "disk.raw"
    image = server.create(name="cut")
    file.write_bytes(b"f" * (PART + 5))
    asked = {"size": PART + 5, "part_size": PART}
    opened = server.request("POST", f"/ext/v1/images/{image}/uploads", asked).expect(201).json
    path = f"/ext/v1/uploads/{opened['upload_id']}"
    # Other bytes than the file has there tell who has sent them.
    server.request("PATCH", path, b"before", OFFSET_MEDIA).expect(204)
    shown = openstack.json("image", "upload", "parts", "cut", "--file", file)
    data = b"before" + b"f" * (PART - 1)
    assert shown["status"] == "active" and shown["size"] == PART + 5 and shown["hash_value"] == sha512(data)
    assert server.download(image) == data


def test_one_command_uploads_it(openstack, tmp_path):
    """Without an open upload the command begins one, in parts of the size that it is told."""
    server, file = openstack.server, tmp_path / "disk.raw"
    image = server.create()
    file.write_bytes(b"x" * 1000)
    told = openstack.refused("image", "upload", "parts", image, "--file", file, "--part-size", 7)
    assert "part_size must be from 8388608 to 536870912 bytes" in told
    openstack("image", "upload", "parts", image, "--file", file, "--part-size", 8)
    assert server.download(image) == b"x" * 1000


def test_an_upload_of_other_data_is_left_alone(openstack, tmp_path):
    """The open upload of an image is not used for a file of another size."""
    server, file = openstack.server, tmp_path / "disk.raw"
    image = server.create()
    file.write_bytes(b"x" * 1000)
    server.request("POST", f"/ext/v1/images/{image}/uploads", {"size": 999}).expect(201)
    assert "open upload of other data" in openstack.refused("image", "upload", "parts", image, "--file", file)
    assert server.request("GET", f"/ext/v1/images/{image}/uploads").json["uploads"][0]["offset"] == 0
