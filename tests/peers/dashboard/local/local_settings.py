"""What Horizon's own settings take in from an operator. KEYSTONE is where people log in, UPLOADS how bytes travel."""

import os

OPENSTACK_KEYSTONE_URL = os.environ["KEYSTONE"]
HORIZON_IMAGES_UPLOAD_MODE = os.environ["UPLOADS"]
SECRET_KEY = "not secret"
ALLOWED_HOSTS = ["127.0.0.1"]
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# Nobody here runs scripts or looks at colours.
XSTATIC_MODULES = []
COMPRESS_ENABLED = False
COMPRESS_PRECOMPILERS = ()
API_RESULT_PAGE_SIZE = 2
# Pages of images that Horizon makes itself; the calls of its scripts are there all the same.
ANGULAR_FEATURES = {"images_panel": False}
IMAGES_ALLOW_LOCATION = True
LOGGING = {"version": 1, "disable_existing_loggers": False,
           "handlers": {"console": {"class": "logging.StreamHandler"}},
           "root": {"handlers": ["console"], "level": "INFO"}}
