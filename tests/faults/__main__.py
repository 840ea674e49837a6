"""Every fault run, on SQLite and on PostgreSQL: `python -m tests.faults`."""

from __future__ import annotations

import json
import tempfile

from tests.databases import fresh_postgresql
from tests.faults import kill_writers

with tempfile.TemporaryDirectory() as folder:
    print(json.dumps(kill_writers.run(f"sqlite:///{folder}/faults.db", kills=10)), flush=True)
with fresh_postgresql() as url:
    print(json.dumps(kill_writers.run(url, kills=10)), flush=True)
