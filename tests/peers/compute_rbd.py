"""What the real Nova and Cinder do with images in RBD, one step a run; prints what came of it as JSON.

  compute_rbd.py nova CONF boot IMAGE DISK        clone the image as the disk of a server, as libvirt's driver does
  compute_rbd.py nova CONF snapshot DISK IMAGE BASE
                                                  make a snapshot of that disk in the pool of BASE, and add it to IMAGE
  compute_rbd.py nova CONF remove DISK
  compute_rbd.py cinder CONF create IMAGE VOLUME  make a volume of the image
  compute_rbd.py cinder CONF delete VOLUME

Runs in the environment `compute`, with Debian's python3-rbd and python3-rados. CONF is a nova.conf or cinder.conf;
the variables TOKEN, USER_ID and PROJECT_ID say on whose behalf. DISK and VOLUME are ids.
"""

import json
import os
import sys
import types

import bindings

bindings.load()

WHO = {"user_id": os.environ["USER_ID"], "project_id": os.environ["PROJECT_ID"], "auth_token": os.environ["TOKEN"]}


def nova(conf, words):
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "yes"
    from nova import config, context, exception
    from nova.image import glance
    from nova.virt.libvirt import imagebackend
    config.parse_args(["nova-compute", "--config-file", conf])
    caller, images = context.RequestContext(**WHO), glance.API()

    def disk(server):
        return imagebackend.Rbd(instance=types.SimpleNamespace(uuid=server), disk_name="disk")

    match words:
        case ["boot", image, server]:
            made = disk(server)
            try:
                made.clone(caller, image)
            except exception.ImageUnacceptable as fault:
                return {"refused": str(fault)}
            return {"pool": made.driver.pool, "name": made.rbd_name, "locations": images.get(
                caller, image, include_locations=True)["locations"]}
        case ["snapshot", server, image, base]:
            made = disk(server)
            url = made.direct_snapshot(caller, f"snapshot-of-{server}", "raw", image, base)
            images.update(caller, image, {"location": url, "disk_format": "raw", "container_format": "bare"},
                          purge_props=False)
            return {"url": url}
        case ["remove", server]:
            made = disk(server)
            made.driver.remove_image(made.rbd_name)
            return {}


def cinder(conf, words):
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "yes"
    # It imports the next, which cannot be the other way round.
    import cinder.image.image_utils  # noqa: F401
    from cinder import context, objects
    from cinder.common import config  # noqa: F401  its options
    from cinder.image import glance
    from cinder.volume import configuration
    from cinder.volume import driver as options
    from cinder.volume.drivers import rbd as driver
    from oslo_config import cfg
    objects.register_all()
    cfg.CONF(["--config-file", conf], project="cinder")
    caller = context.RequestContext(**WHO)
    ceph = driver.RBDDriver(configuration=configuration.Configuration(options.volume_opts, config_group="ceph"))
    ceph.do_setup(caller)
    ceph.check_for_setup_error()

    def volume(number):
        return objects.Volume(caller, id=number, _name_id=None, size=1, volume_type_id=None)

    match words:
        case ["create", image, number]:
            service = glance.get_default_image_service()
            made = volume(number)
            location = service.get_location(caller, image)
            _, is_cloned = ceph.clone_image(caller, made, location, service.show(caller, image), service)
            return {"cloned": is_cloned, "location": location, "pool": ceph.configuration.rbd_pool, "name": made.name}
        case ["delete", number]:
            ceph.delete_volume(volume(number))
            return {}


if __name__ == "__main__":
    print(json.dumps({"nova": nova, "cinder": cinder}[sys.argv[1]](sys.argv[2], sys.argv[3:])))
