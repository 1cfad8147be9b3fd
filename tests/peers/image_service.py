"""Starts an image service under test, the real Glance or Vitrine, from one glance-api.conf.

Both read the same file: that is part of what is tested.
"""

import json
import pathlib
import shutil
import subprocess
from dataclasses import dataclass

import peer
import personas
from harness import databases

STORES = ["cheap", "fast", "spare"]

# What `spec/rbac-matrix.md` was recorded with: three file stores, cache management, locations
# shown; and a read-only http store, without which no location can be added by URL.
DEFAULTS = {
    "DEFAULT": {
        "debug": "false",
        "use_stderr": "true",
        "enabled_backends": ", ".join([f"{name}:file" for name in STORES] + ["web:http"]),
        "enabled_import_methods": "[glance-direct,web-download,copy-image,glance-download]",
        "show_image_direct_url": "true",
        "show_multiple_locations": "true",
        "image_cache_dir": "{dir}/cache",
        "worker_self_reference_url": "{url}",
        "node_staging_uri": "file://{dir}/staging/",
        "transport_url": "fake://",
    },
    "glance_store": {"default_backend": "fast"},
    "os_glance_staging_store": {"filesystem_store_datadir": "{dir}/staging"},
    "os_glance_tasks_store": {"filesystem_store_datadir": "{dir}/tasks"},
    "web": {"store_description": "Images elsewhere", "weight": "0"},
    "paste_deploy": {"flavor": "keystone+cachemanagement"},
    "oslo_concurrency": {"lock_path": "{dir}/locks"},
    "import_filtering_opts": {"allowed_ports": "[]", "disallowed_ports": "[]",
                              # Without this, nothing on this machine could be a source.
                              "allowed_hosts": "[127.0.0.1]", "disallowed_hosts": "[]"},
    "wsgi": {"task_pool_threads": "4"},
    "keystone_authtoken": {
        "auth_type": "password",
        "auth_url": "{keystone}",
        "www_authenticate_uri": "{keystone}",
        "username": "glance",
        "password": personas.PASSWORD,
        "user_domain_name": personas.DOMAIN,
        "project_name": "service",
        "project_domain_name": personas.DOMAIN,
        "service_type": "image",
    },
} | {
    name: {"filesystem_store_datadir": f"{{dir}}/stores/{name}",
           "store_description": f"The {name} store", "weight": str(weight)}
    for name, weight in zip(STORES, (100, 300, 200))
}

@dataclass(frozen=True)
class File:
    """A file of an operator, beside glance-api.conf."""

    name: str
    text: str

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.name).write_text(self.text)


# Other configurations: options on top of DEFAULTS.
SINGLE = ["enabled_backends=", "glance_store.default_backend=", "glance_store.stores=file,http",
          "glance_store.default_store=file", "glance_store.filesystem_store_datadir={dir}/stores/fast",
          "show_image_direct_url=", "show_multiple_locations=", "image_cache_dir=",
          "paste_deploy.flavor=keystone", "enabled_import_methods=[web-download]"]
LIMITS = ["image_member_quota=2", "image_tag_quota=2", "image_property_quota=2", "image_location_quota=2",
          "image_size_cap=1000", "user_storage_quota=3000B", "limit_param_default=2", "api_limit_max=3",
          "hashing_algorithm=sha256", "do_secure_hash=false", "delayed_delete=true",
          "enabled_import_methods=[]"]
RULES = ["oslo_policy.policy_file={dir}/etc/policy.yaml",
         "property_protection_file={dir}/etc/property-protections.conf",
         "property_protection_rule_format=roles"]
SETUPS = {
    "": [],
    # One store, nothing shown, no cache, one import method.
    "single": SINGLE,
    # Every limit small enough to reach.
    "limits": LIMITS,
    # Policies and property protections of an operator's own.
    "rules": [*RULES, File("policy.yaml", '''\
"get_member": "role:admin or project_id:%(member_id)s"
"modify_image": "role:admin or (role:member and project_id:%(project_id)s and not 'no':%(name)s)"
"get_image_location": "role:admin"
"tasks_api_access": "!"
"communitize_image": "role:admin"
"download_image": "role:admin or (role:member and 'public':%(visibility)s)"
"deactivate": "role:admin"
"stores_info_detail": "@"
"add_member": "role:admin or role:manager"
'''), File("property-protections.conf", '''\
[^open_]
create = member
read = member,reader
update = member
delete = member
[^fixed_]
create = member
read = member
update = !
delete = admin
[^secret_]
create = admin
read = admin
update = admin
delete = admin
[^seen_]
create = @
read = @
update = admin
delete = !
''')],
    # Several stores that are only read, then one that uploads go to by default.
    "webs": ["enabled_backends=fast:file, web:http, mirror:http", "mirror.weight=500",
             "mirror.store_description=A second one"],
    "web": ["enabled_backends=web:http, fast:file", "glance_store.default_backend=web"],
}

UUID_OR_NULL = {"type": ["null", "string"],
                "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
STRING = {"type": "string"}

# The properties that Glance declares beside the base ones (its wheel leaves the file out).
SCHEMA_IMAGE = {
    "kernel_id": UUID_OR_NULL | {"description": "Image that holds the kernel."},
    "ramdisk_id": UUID_OR_NULL | {"description": "Image that holds the initial RAM disk."},
    "instance_uuid": STRING | {"description": "Server that this image was made from."},
    "architecture": STRING | {"description": "Processor architecture of the system."},
    "os_distro": STRING | {"description": "Distribution, in lower case."},
    "os_version": STRING | {"description": "Version, as its distributor writes it."},
    "description": STRING | {"description": "Text for people who choose an image."},
    "cinder_encryption_key_id": STRING | {"description": "Key of the encrypted volume."},
    "cinder_encryption_key_deletion_policy": STRING | {
        "description": "What becomes of the key when the image is deleted.",
        "enum": ["on_image_deletion", "do_not_delete"]},
}


def write_conf(folder, url, keystone_url, database, options=()):
    """Writes folder/etc/glance-api.conf and what stands beside it; returns the first's path.

    `options` are texts "section.key=value" that replace or add one option; an empty value
    removes it. A File among them is written beside it.
    """
    sections = {name: dict(entries) for name, entries in DEFAULTS.items()}
    sections["database"] = {"connection": database}
    for text in options:
        if isinstance(text, File):
            text.write(folder / "etc")
            continue
        name, _, value = text.partition("=")
        section, _, key = name.rpartition(".")
        entries = sections.setdefault(section or "DEFAULT", {})
        entries[key] = value
        if not value:
            del entries[key]
    lines = []
    for section, entries in sections.items():
        lines.append(f"[{section}]")
        for key, value in entries.items():
            value = value.format(dir=folder, url=url, keystone=keystone_url)
            lines.append(f"{key} = {value}")
    etc = folder / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "schema-image.json").write_text(json.dumps(SCHEMA_IMAGE, indent=2) + "\n")
    conf = etc / "glance-api.conf"
    # The service user's password is in it.
    personas.write_private(conf, "\n".join(lines) + "\n")
    for place in [f"stores/{name}" for name in STORES] + ["staging", "tasks", "cache", "locks"]:
        (folder / place).mkdir(parents=True, exist_ok=True)
    return conf


def stop(folder):
    """Stops whichever service runs in `folder`."""
    for server in ("glance", "vitrine"):
        peer.stop(server, folder)


def start_glance(folder, port, keystone_url, options=()):
    """Starts the real Glance in `folder`; returns its URL."""
    env = peer.venv("glance")
    url = f"http://127.0.0.1:{port}"
    made_from = peer.digest_of(env.name, pathlib.Path(__file__))
    with peer.cached_folder(f"glance-{made_from}") as (template, is_new):
        if is_new:
            conf = write_conf(template, url, keystone_url, f"sqlite:///{template}/glance.db")
            manage = [env / "bin/glance-manage", "--config-file", conf]
            peer.run([*manage, "db_sync"], template / "sync.log")
            peer.run([*manage, "db_load_metadefs", env / "etc/glance/metadefs"],
                     template / "sync.log")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "glance.db").exists():
        shutil.copy(template / "glance.db", folder / "glance.db")
    conf = write_conf(folder, url, keystone_url, f"sqlite:///{folder}/glance.db", options)
    # A filter with a configuration of its own finds it below /etc, which is where a deployment has it.
    paste = (env / "etc/glance/glance-api-paste.ini").read_text()
    own = "oslo_config_program = glance-api"
    (conf.parent / "glance-api-paste.ini").write_text(paste.replace(own, f"{own}\noslo_config_file = {conf}"))
    peer.start("glance", folder,
               [env / "bin/python", peer.HERE / "serve_wsgi.py",
                "glance.wsgi.api:application", str(port), "16"],
               f"{url}/versions", env={"OS_GLANCE_CONFIG_DIR": str(conf.parent)})
    return url


def new_database(folder):
    """The URL of an empty database of the kind that the run is about; a SQLite file is in `folder`."""
    fresh = databases.fresh()
    return f"sqlite:///{folder}/vitrine.db" if fresh.kind == databases.SQLITE else fresh.url


def start_vitrine(folder, port, keystone_url, binary, options=(), metadefs=None, database=None):
    """Starts a Vitrine binary in `folder` from the same configuration; returns its URL.

    `metadefs` is a folder of metadata definitions to load in place of the built-in catalogue;
    `database` is the URL of one that other nodes use too.
    """
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    database = database or new_database(folder)
    conf = write_conf(folder, url, keystone_url, database, options)
    peer.start("vitrine", folder,
               [pathlib.Path(binary).resolve(), "serve", "--config-file", conf,
                "--data-dir", folder / "data", "--bind", f"127.0.0.1:{port}"],
               f"{url}/versions")
    # As `glance-manage db load_metadefs` does for the reference; a database that was made beforehand has the catalogue.
    for words in [["unload"], ["load", metadefs]] if metadefs else [["load"]]:
        subprocess.run([pathlib.Path(binary).resolve(), "metadefs", words[0], "--database", database, *words[1:]],
                       check=True, stdout=subprocess.DEVNULL)
    return url
