"""What people do with images and metadata definitions in Horizon, one step after the other.

Words in braces stand for what differs from cloud to cloud: ids that a step kept, projects, addresses. `status` is what
Horizon has to answer on each cloud.
"""

import json
from dataclasses import dataclass, field

IMAGES = "/api/glance/images/"
NAMESPACES = "/api/glance/metadefs/namespaces/"
PROJECT, ADMIN, METADEFS = "/project/images/", "/admin/images/", "/admin/metadata_defs/"
# The limits of the clouds, which some steps run into.
OPTIONS = ["image_size_cap=28000", "image_property_quota=6", "user_storage_quota=32000B"]
NAMESPACE = {"namespace": "Own::Names", "display_name": "Own names", "description": "Made in Horizon",
             "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "own_"}],
             "properties": {"colour": {"title": "Colour", "type": "string", "enum": ["red", "blue"]},
                            "weight": {"title": "Weight", "type": "integer", "minimum": 0}},
             "objects": [{"name": "box", "properties": {"depth": {"title": "Depth", "type": "number"}}}],
             "tags": [{"name": "tagged"}]}
TYPES = [{"name": "OS::Nova::Flavor", "prefix": "flavor_", "selected": True},
         {"name": "OS::Glance::Image", "prefix": "", "selected": True},
         {"name": "OS::Nova::Server", "properties_target": "metadata", "selected": True},
         {"name": "OS::Cinder::Volume"}]


@dataclass(frozen=True)
class Step:
    """`verb` is that of a script's call, or one of the methods of Walk in tests/endtoend/test_horizon.py."""

    name: str
    person: str
    verb: str
    path: str
    body: object = None
    status: int = 200
    file: object = None
    # What is kept of the answer, by its JSON pointer, under a name.
    keep: dict = field(default_factory=dict)
    # Whose data a thread of Horizon's still uploads.
    settle: str = ""


def image(name, **more):
    """What the script of the image panel sends about a new image."""
    return {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "private", "protected": False,
            "min_disk": 0, "min_ram": 0, "is_public": False, "source_type": "file-legacy"} | more


def id_of(name):
    return {name: "/id"}


LOGINS = [
    Step("a wrong password", "member", "log_in", "/auth/login/", {"password": "wrong"}),
    Step("the member logs in", "member", "log_in", "/auth/login/", status=302),
    Step("the member of another project logs in", "imember", "log_in", "/auth/login/", status=302),
    Step("the administrator logs in", "admin", "log_in", "/auth/login/", status=302),
]

UPLOADS = [
    Step("upload through Horizon", "member", "upload", IMAGES, image("a", description="The first", os_distro="debian"),
         201, b"a" * 1000, id_of("a"), "a"),
    Step("the uploaded image", "member", "GET", IMAGES + "{a}/"),
    Step("upload a kernel", "member", "upload", IMAGES, image("kernel", disk_format="aki"), 201, b"k", id_of("k"), "k"),
    Step("upload a ramdisk", "member", "upload", IMAGES, image("ramdisk", disk_format="ari"), 201, b"r", id_of("r"),
         "r"),
    Step("upload with a kernel and a ramdisk", "member", "upload", IMAGES,
         image("b", disk_format="ami", kernel="{k}", ramdisk="{r}", architecture="x86_64", min_disk=1, min_ram=64), 201,
         b"b" * 2000, id_of("b"), "b"),
    Step("what was made of them", "member", "GET", IMAGES + "{b}/"),
    Step("a docker image", "member", "upload", IMAGES, image("docker", disk_format="docker"), 201, b"d", id_of("d"),
         "d"),
    Step("a VHD", "member", "upload", IMAGES, image("vhd", disk_format="vhd"), 201, b"v", id_of("v"), "v"),
    # Straight from the browser.
    Step("a place for a direct upload", "member", "PUT", IMAGES,
         image("c", source_type="file-direct", data="c.img", visibility="shared"), 201, None,
         id_of("c") | {"upload_url": "/upload_url", "token": "/token_id"}),
    Step("its image waits", "member", "GET", IMAGES + "{c}/"),
    Step("preflight of the upload", "member", "preflight", "{upload_url}"),
    Step("preflight from another page", "member", "preflight", "{upload_url}", {"origin": "http://elsewhere.example"}),
    Step("direct upload of too much", "member", "send", "{upload_url}", status=413, file=b"c" * 28001),
    Step("direct upload", "member", "send", "{upload_url}", status=204, file=b"c" * 3000),
    Step("direct upload once more", "member", "send", "{upload_url}", status=409, file=b"c" * 3000),
    Step("direct upload with another token", "member", "send", "{upload_url}", {"token": "nonsense"}, 401, b"c"),
    Step("the directly uploaded image", "member", "GET", IMAGES + "{c}/"),
    # Where its data is.
    Step("an image by its location", "member", "PUT", IMAGES,
         image("located", source_type="url", image_url="{files}/image", disk_format="iso"), 201, None, id_of("l"), "l"),
    Step("the located image", "member", "GET", IMAGES + "{l}/"),
    Step("an image by no location", "member", "PUT", IMAGES, image("x", source_type="url", image_url="nowhere"), 400),
    Step("what became of it", "member", "GET", IMAGES + "?name=x", keep={"x": "/items/0/id"}),
    Step("delete it", "member", "DELETE", IMAGES + "{x}/", status=204),
    Step("copy from an address", "member", "PUT", IMAGES,
         image("copied", source_type="url", image_url="{files}/image", import_data=True), 201, None, id_of("x")),
    Step("which no image service does any more", "member", "GET", IMAGES + "{x}/"),
    Step("delete that too", "member", "DELETE", IMAGES + "{x}/", status=204),
    Step("an image without data", "member", "PUT", IMAGES, image("queued", source_type="file-direct", data="q"), 201,
         keep=id_of("q")),
    # Refusals.
    Step("an unknown format", "member", "PUT", IMAGES, image("x", disk_format="floppy"), 500),
    Step("an unknown visibility", "member", "PUT", IMAGES, image("x", visibility="hidden"), 400),
    Step("a member publishes", "member", "PUT", IMAGES, image("x", visibility="public"), 403),
    Step("a name too long", "member", "PUT", IMAGES, image("x" * 256), 500),
    Step("a negative size", "member", "PUT", IMAGES, image("x", min_disk=-1), 400),
    Step("a reserved property", "member", "PUT", IMAGES, image("x", os_glance_stage_host="x"), 403),
    Step("too many properties", "member", "PUT", IMAGES, image("x", **{f"p{n}": "x" for n in range(7)}), 413),
    Step("a public image", "admin", "upload", IMAGES, image("public", visibility="public"), 201, b"p" * 500,
         id_of("p"), "p"),
]

CHANGES = [
    Step("change everything", "member", "PATCH", IMAGES + "{a}/",
         image("a", visibility="community", protected=True, min_disk=3, min_ram=128, description="Changed",
               disk_format="raw", os_version="12"), 204),
    Step("the changed image", "member", "GET", IMAGES + "{a}/"),
    Step("change nothing", "member", "PATCH", IMAGES + "{a}/",
         image("a", visibility="community", protected=True, min_disk=3, min_ram=128, description="Changed"), 204),
    Step("a format of active data", "member", "PATCH", IMAGES + "{a}/", image("a", disk_format="qcow2"), 403),
    Step("publish as a member", "member", "PATCH", IMAGES + "{a}/", image("a", visibility="public"), 403),
    Step("name it too long", "member", "PATCH", IMAGES + "{a}/", image("n" * 256), 500),
    Step("delete what is protected", "member", "DELETE", IMAGES + "{a}/", status=403),
    Step("properties", "member", "GET", IMAGES + "{a}/properties/"),
    Step("change properties", "member", "PATCH", IMAGES + "{a}/properties/",
         {"updated": {"hw_disk_bus": "scsi", "os_distro": "ubuntu"}, "removed": ["os_version"]}, 204),
    Step("change no property", "member", "PATCH", IMAGES + "{a}/properties/", {"updated": {}, "removed": []}, 204),
    Step("changed properties", "member", "GET", IMAGES + "{a}/properties/"),
    Step("a property of the service", "member", "PATCH", IMAGES + "{a}/properties/",
         {"updated": {"checksum": "x"}, "removed": []}, 403),
    Step("remove what is not there", "member", "PATCH", IMAGES + "{a}/properties/",
         {"updated": {}, "removed": ["missing"]}, 204),
    Step("properties beyond the quota", "member", "PATCH", IMAGES + "{a}/properties/",
         {"updated": {f"p{n}": "x" for n in range(7)}, "removed": []}, 413),
    Step("hide", "member", "PATCH", IMAGES + "{c}/properties/", {"updated": {"os_hidden": "true"}, "removed": []}, 204),
    Step("a list without what is hidden", "member", "GET", IMAGES + "?sort_key=name&sort_dir=asc"),
    Step("what is hidden", "member", "GET", IMAGES + "?os_hidden=True"),
    Step("show again", "member", "PATCH", IMAGES + "{c}/properties/",
         {"updated": {"os_hidden": "false"}, "removed": []}, 204),
    Step("deactivate as a member", "member", "POST", IMAGES + "{b}/actions/deactivate"),
    Step("deactivate", "admin", "POST", IMAGES + "{b}/actions/deactivate"),
    Step("a deactivated image", "member", "GET", IMAGES + "{b}/"),
    Step("reactivate", "admin", "POST", IMAGES + "{b}/actions/reactivate"),
    Step("reactivate what waits for data", "admin", "POST", IMAGES + "{q}/actions/reactivate", status=403),
    # Other people's.
    Step("a stranger looks", "imember", "GET", IMAGES + "{b}/", status=404),
    Step("a stranger changes", "imember", "PATCH", IMAGES + "{b}/", image("b"), 404),
    Step("a stranger deletes", "imember", "DELETE", IMAGES + "{b}/", status=404),
    Step("a stranger deletes a community image", "imember", "DELETE", IMAGES + "{a}/", status=403),
    Step("share, for which Horizon has nothing", "member", "POST", "{service}/v2/images/{c}/members",
         {"member": "{gamma}"}),
    Step("a list before it is accepted", "imember", "GET", IMAGES + "?sort_key=name&sort_dir=asc"),
    Step("what is shared with a member", "imember", "GET", IMAGES + "{c}/"),
    Step("accept", "imember", "PUT", "{service}/v2/images/{c}/members/{gamma}", {"status": "accepted"}),
    Step("a list after it was accepted", "imember", "GET", IMAGES + "?sort_key=name&sort_dir=asc"),
]

# A page of a list is two long.
PAGED = IMAGES + "?paginate=true&sort_key=name&sort_dir="
LISTS = [
    Step("first page", "member", "GET", PAGED + "asc", keep={"second": "/items/1/id"}),
    Step("second page", "member", "GET", PAGED + "asc&marker={second}",
         keep={"third": "/items/0/id", "fourth": "/items/1/id"}),
    Step("third page", "member", "GET", PAGED + "asc&marker={fourth}"),
    Step("back by the other direction", "member", "GET", PAGED + "desc&marker={third}"),
    Step("last page", "member", "GET", PAGED + "asc&marker={q}"),
    Step("by size, downwards", "member", "GET", IMAGES + "?sort_key=size&sort_dir=desc&size_min=400"),
    Step("by a name", "member", "GET", IMAGES + "?name=b"),
    Step("by a name of none", "member", "GET", IMAGES + "?name=nothing"),
    Step("by format", "member", "GET", IMAGES + "?disk_format=ami"),
    Step("by several formats", "member", "GET", IMAGES + "?disk_format=in:aki,ari&sort_key=name&sort_dir=asc"),
    Step("by container", "member", "GET", IMAGES + "?container_format=docker"),
    Step("by visibility", "member", "GET", IMAGES + "?visibility=community"),
    Step("public ones", "member", "GET", IMAGES + "?is_public=True"),
    Step("by status", "member", "GET", IMAGES + "?status=queued"),
    Step("by owner", "imember", "GET", IMAGES + "?property-owner_id={alpha}"),
    Step("by protection", "member", "GET", IMAGES + "?protected=true&visibility=community"),
    Step("by a property", "member", "GET", IMAGES + "?os_distro=ubuntu&visibility=community"),
    Step("by size", "member", "GET", IMAGES + "?size_min=1500&size_max=2500"),
    Step("a marker of nothing", "member", "GET", IMAGES + "?marker={alpha}", status=400),
    Step("an unknown visibility to list", "member", "GET", IMAGES + "?visibility=hidden", status=400),
    Step("a size that is no number", "member", "GET", IMAGES + "?size_min=big", status=400),
    Step("an unknown sorting", "member", "GET", IMAGES + "?sort_key=taste", status=400),
    Step("an image of nothing", "member", "GET", IMAGES + "{alpha}/", status=404),
    # What starting a server from an image asks for.
    Step("sources of a server", "member", "GET", IMAGES + "?status=active&sort_key=name&sort_dir=asc"),
    Step("sources of the community", "member", "GET",
         IMAGES + "?status=active&visibility=community&sort_key=name&sort_dir=asc"),
    Step("metadata of a server", "member", "GET",
         NAMESPACES + "?resource_type=OS::Nova::Server&properties_target=metadata"),
    Step("hints for its place", "member", "GET",
         NAMESPACES + "?resource_type=OS::Nova::Server&properties_target=scheduler_hints"),
    Step("metadata of images", "member", "GET", NAMESPACES + "?resource_type=OS::Glance::Image"),
    Step("metadata of flavours, paged", "member", "GET", NAMESPACES + "?resource_type=OS::Nova::Flavor&paginate=True",
         keep={"namespace": "/items/1/namespace"}),
    Step("the next page of it", "member", "GET",
         NAMESPACES + "?resource_type=OS::Nova::Flavor&paginate=True&marker={namespace}"),
    Step("the page before", "member", "GET",
         NAMESPACES + "?resource_type=OS::Nova::Flavor&paginate=True&sort_dir=desc&marker={namespace}"),
    Step("the version", "member", "GET", "/api/glance/version/"),
]

PAGES = [
    Step("images of a project", "member", "page", PROJECT),
    Step("the next page", "member", "page", PROJECT + "?marker={second}"),
    Step("the page before that", "member", "page", PROJECT + "?prev_marker={third}"),
    Step("images that others share", "imember", "page", PROJECT),
    Step("a search for a format", "member", "submit", PROJECT,
         {"images__filter__q_field": "disk_format", "images__filter__q": "ami"}, status=302),
    Step("a search for a visibility that there is not", "member", "submit", PROJECT,
         {"images__filter__q_field": "visibility", "images__filter__q": "hidden"}, status=302),
    Step("no search", "member", "submit", PROJECT, {"images__filter__q": ""}, status=302),
    Step("an image", "member", "page", PROJECT + "{a}/"),
    Step("an image of a kernel", "member", "page", PROJECT + "{b}/"),
    Step("an image of nobody", "member", "page", PROJECT + "{alpha}/", status=302),
    Step("the form of a new image", "member", "page", PROJECT + "create/"),
    Step("a file for a new image", "member", "submit", PROJECT + "create/",
         {"name": "e", "description": "By a form", "source_type": "file", "disk_format": "raw", "min_disk": "1"},
         302, {"image_file": b"e" * 700}),
    Step("what the form made", "member", "until_active", IMAGES + "?name=e", keep={"e": "/items/0/id"}),
    Step("a new image elsewhere", "member", "submit", PROJECT + "create/",
         {"name": "f", "source_type": "url", "image_url": "{files}/image", "disk_format": "iso"}, 302),
    Step("a new image of nothing", "member", "submit", PROJECT + "create/", {"name": "f", "disk_format": "raw"}),
    Step("the form of an image", "member", "page", PROJECT + "{e}/update/"),
    Step("change it by the form", "member", "submit", PROJECT + "{e}/update/",
         {"name": "ee", "description": "Changed by a form", "min_ram": "32", "protected": "on"}, 302),
    Step("change another format by the form", "member", "submit", PROJECT + "{e}/update/", {"disk_format": "vmdk"}),
    Step("delete a protected image by its button", "member", "press", PROJECT + "?marker={d}", "images__delete__{e}",
         302),
    Step("its form of metadata", "member", "page", PROJECT + "{e}/metadata/"),
    Step("no longer protected", "member", "submit", PROJECT + "{e}/update/", {"protected": None}, 302),
    Step("delete an image by its button", "member", "press", PROJECT + "?marker={d}", "images__delete__{e}", 302),
    Step("it is not there", "member", "GET", IMAGES + "{e}/", status=404),
    Step("deactivate by a button", "admin", "press", PROJECT + "?marker={l}", "images__deactivate__{p}", 302),
    Step("it is deactivated", "admin", "GET", IMAGES + "{p}/"),
    Step("reactivate by a button", "admin", "press", PROJECT + "?marker={l}", "images__reactivate__{p}", 302),
    Step("it is active", "admin", "GET", IMAGES + "{p}/"),
    Step("a row of the table", "member", "GET", PROJECT + "?action=row_update&table=images&obj_id={b}"),
    # The administrator's.
    Step("images of all projects", "admin", "page", ADMIN),
    Step("the next of them", "admin", "page", ADMIN + "?marker={second}"),
    Step("no place for a member", "member", "page", ADMIN, status=403),
    Step("a search by size", "admin", "submit", ADMIN,
         {"images__filter__q_field": "size_max", "images__filter__q": "0.001"}, status=302),
    Step("a search for a status", "admin", "submit", ADMIN,
         {"images__filter__q_field": "status", "images__filter__q": "queued"}, status=302),
    Step("all statuses again", "admin", "submit", ADMIN, {"images__filter__q": ""}, 302),
    Step("an image of a project", "admin", "page", ADMIN + "{b}/detail/"),
    Step("publish it", "admin", "submit", ADMIN + "{b}/update/", {"is_public": "on"}, 302),
    Step("which it is", "imember", "GET", IMAGES + "{b}/"),
    Step("a public image by a form", "admin", "submit", ADMIN + "create/",
         {"name": "g", "source_type": "file", "disk_format": "raw", "is_public": "on"}, 302, {"image_file": b"g"}),
    Step("delete it by its button", "admin", "press", ADMIN + "?marker={p}", "images__delete__{q}", 302),
    Step("the image that never had data is gone", "admin", "GET", IMAGES + "{q}/", status=404),
]

METADATA = [
    Step("definitions", "admin", "page", METADEFS),
    Step("the next definitions", "admin", "page", METADEFS + "?namespace_marker={namespace}"),
    Step("definitions before", "admin", "page", METADEFS + "?prev_marker={namespace}"),
    Step("a search by resource type", "admin", "submit", METADEFS,
         {"namespaces__filter__q_field": "resource_types", "namespaces__filter__q": "OS::Nova::Server"}, status=302),
    Step("all resource types again", "admin", "submit", METADEFS, {"namespaces__filter__q": ""}, 302),
    Step("none for a member", "member", "page", METADEFS, status=403),
    Step("the form of a namespace", "admin", "page", METADEFS + "create/"),
    Step("a namespace", "admin", "submit", METADEFS + "create/",
         {"source_type": "raw", "direct_input": json.dumps(NAMESPACE)}, 302),
    Step("the same once more", "admin", "submit", METADEFS + "create/",
         {"source_type": "raw", "direct_input": json.dumps(NAMESPACE)}, status=500),
    Step("a namespace against its schema", "admin", "submit", METADEFS + "create/",
         {"source_type": "raw", "direct_input": json.dumps(NAMESPACE | {"properties": {"p": {"type": "colour"}}})},
         500),
    Step("a namespace without a name", "admin", "submit", METADEFS + "create/",
         {"source_type": "raw", "direct_input": json.dumps({"display_name": "Nameless"})}, status=500),
    Step("a namespace that is no JSON", "admin", "submit", METADEFS + "create/",
         {"source_type": "raw", "direct_input": "{"}),
    Step("a file with a namespace", "admin", "submit", METADEFS + "create/",
         {"source_type": "file", "public": "on", "protected": "on"}, 302,
         {"metadef_file": json.dumps(NAMESPACE | {"namespace": "Own::File"}).encode()}),
    Step("its page", "admin", "page", METADEFS + "Own::Names/detail"),
    Step("its contents", "admin", "page", METADEFS + "Own::Names/detail?tab=namespace_details__contents"),
    Step("private to a member", "member", "GET", NAMESPACES + "?resource_type=OS::Glance::Image&namespace=Own"),
    Step("its resource types", "admin", "page", METADEFS + "Own::Names/resource_types/"),
    Step("other resource types", "admin", "submit", METADEFS + "Own::Names/resource_types/",
         {"resource_types": json.dumps(TYPES)}, 302),
    Step("its new resource types", "admin", "page", METADEFS + "Own::Names/resource_types/"),
    Step("which a script sees", "admin", "GET", NAMESPACES + "?resource_type=OS::Nova::Flavor"),
    Step("its form", "admin", "page", METADEFS + "Own::Names/update"),
    Step("publish and protect it", "admin", "submit", METADEFS + "Own::Names/update",
         {"public": "on", "protected": "on"}, 302),
    Step("which a member sees", "member", "GET", NAMESPACES + "?resource_type=OS::Glance::Image"),
    Step("its row", "admin", "GET", METADEFS + "?action=row_update&table=namespaces&obj_id=Own::Names"),
    Step("delete a protected namespace", "admin", "press", METADEFS + "?namespace_marker=Own::File",
         "namespaces__delete__Own::Names", 302),
    Step("resource types of a protected namespace", "admin", "submit", METADEFS + "Own::File/resource_types/",
         {"resource_types": json.dumps(TYPES)}),
    Step("no longer protect it", "admin", "submit", METADEFS + "Own::Names/update", {"public": None, "protected": None},
         302),
    Step("delete the namespace", "admin", "press", METADEFS + "?namespace_marker=Own::File",
         "namespaces__delete__Own::Names", 302),
    Step("a page of nothing", "admin", "page", METADEFS + "Own::Names/detail", status=302),
]

END = [
    Step("no longer protected image", "member", "PATCH", IMAGES + "{a}/", image("a", visibility="private"), 204),
    Step("delete the image", "member", "DELETE", IMAGES + "{a}/", status=204),
    Step("which is gone", "member", "GET", IMAGES + "{a}/", status=404),
    Step("delete it once more", "member", "DELETE", IMAGES + "{a}/", status=404),
    Step("a place for more than the quota", "member", "PUT", IMAGES,
         image("full", source_type="file-direct", data="f"), 201, None,
         id_of("full") | {"upload_url": "/upload_url", "token": "/token_id"}),
    Step("more than the quota", "member", "send", "{upload_url}", status=413, file=b"f" * 27500),
    Step("log out", "member", "leave", "/auth/logout/", status=302),
    Step("logged out", "member", "GET", IMAGES, status=401),
]

# Where Horizon's own forms send the bytes past it.
DIRECT = [
    Step("log in for direct uploads", "member", "log_in", "/auth/login/", status=302),
    Step("the form of a direct upload", "member", "page", PROJECT + "create/"),
    Step("a direct upload by the form", "member", "submit_for_upload", PROJECT + "create/",
         {"name": "h", "source_type": "file", "disk_format": "raw", "image_file__hidden": "h.img"}),
    Step("its preflight", "member", "preflight", "{upload_url}"),
    Step("its bytes", "member", "send", "{upload_url}", status=204, file=b"h" * 900),
    Step("what it made", "member", "GET", IMAGES + "?name=h"),
]

# By the mode in which Horizon takes uploads.
BOOKS = {"legacy": [*LOGINS, *UPLOADS, *CHANGES, *LISTS, *PAGES, *METADATA, *END], "direct": DIRECT}
