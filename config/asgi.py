"""The web process: `granian --interface asgi config.asgi:application`."""

import os
import resource

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.wsgi import application as wsgi  # noqa: I001  (sets Django up before the edge loads)
from apps.api.edge import Edge

application = Edge(wsgi)

# Every event stream is an open file; the customary soft limit is 1024.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 65_536)), _hard))
