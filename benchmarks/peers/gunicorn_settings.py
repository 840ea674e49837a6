"""The peer's server settings: the product's worker, without the product's hooks."""

from gunicorn.workers import SUPPORTED_WORKERS

SUPPORTED_WORKERS.setdefault("eventlet", "gunicorn_eventlet.EventletWorker")
control_socket_disable = True
sendfile = False
worker_connections = 2000
keepalive = 5
