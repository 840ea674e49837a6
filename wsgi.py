"""The application for a production server: `gunicorn -k eventlet -w 1 wsgi:app`, or `-k gthread`.

The `flask` command finds the application here too, so nothing but the application may come of reading this file.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from app import create_app
from app.extensions import offload

patcher: Any = sys.modules.get("eventlet.patcher")
patched = bool(patcher and patcher.is_monkey_patched("thread"))  # by our worker, before this file was read

app = create_app(async_mode="eventlet" if patched else "threading")
if patched:
    from eventlet import tpool

    offload.run = tpool.execute

gc.freeze()
