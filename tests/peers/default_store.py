"""The default store of an image service under test, on a test server in place of a folder.

The store keeps its name, `fast`: only what stands behind it is another.
"""

import uuid

import image_service
import personas
from harness import ceph

# By whom a gateway asks Keystone, see `ceph.trusting`.
SERVICE_USER = {"user": "glance", "password": personas.PASSWORD, "project": "service", "domain": personas.DOMAIN}
KINDS = ("file", "s3", "swift", "rbd")

ACCOUNT = """\
[here]
auth_version = {version}
auth_address = {auth_url}
user = {user}
key = {key}
"""


def settings(kind, keystone=None):
    """([files beside the configuration], {option: value}) of a store of a kind other than `file`, which nothing has
    written to. With a Keystone's URL, Swift is used as Glance does: by the service user."""
    told, own = ceph.shared(), f"images-{uuid.uuid4()}"
    match kind:
        case "s3":
            return [], {"s3_store_host": told["s3"]["endpoint"], "s3_store_access_key": told["s3"]["access_key"],
                        "s3_store_secret_key": told["s3"]["secret_key"], "s3_store_bucket": own,
                        "s3_store_create_bucket_on_put": "true"}
        case "rbd":
            return [], {"rbd_store_user": told["rbd"]["user"], "rbd_store_ceph_conf": told["conf"]}
        case "swift":
            by = {"version": 1} | told["swift"] if keystone is None else {
                "version": 3, "auth_url": keystone, "user": "service:glance", "key": personas.PASSWORD}
            return [image_service.File("swift.conf", ACCOUNT.format(**by))], {
                "swift_store_config_file": "{dir}/etc/swift.conf", "default_swift_reference": "here",
                "swift_store_container": own, "swift_store_create_container_on_put": "true"}


def kept_in(kind, options, made):
    """Options of an image service, changed so that `fast`, or the one store that there is, is of this kind; `made` is
    what `settings` gave for it, the same for all nodes."""
    files, values = made
    stores = f"DEFAULT.enabled_backends={image_service.DEFAULTS['DEFAULT']['enabled_backends']}"
    changed, section = [], "fast"
    for option in [stores, *options]:
        if isinstance(option, str):
            name, _, value = option.partition("=")
            if name.endswith("enabled_backends"):
                option = f"{name}={value.replace('fast:file', f'fast:{kind}')}"
            elif name in ("glance_store.stores", "glance_store.default_store"):
                section, option = "glance_store", f"{name}={value.replace('file', kind)}"
        changed.append(option)
    return [*changed, *files, *(f"{section}.{name}={value}" for name, value in values.items())]
