# The service and its worker: one image, two commands. /data is the only place it writes, apart from /tmp and /dev/shm.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install -r requirements.txt

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home harmonic && install -d -o harmonic -g harmonic /data
WORKDIR /srv
COPY --from=build /venv /venv
COPY wsgi.py manage.py gunicorn.conf.py gunicorn_eventlet.py ./
COPY migrations migrations
COPY seeds seeds
COPY app app
RUN /venv/bin/python -m compileall -q .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    FLASK_ENV=production HOST=0.0.0.0 PORT=10000 DATA_DIR=/data
USER harmonic
VOLUME /data
EXPOSE 10000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
CMD ["gunicorn", "-k", "eventlet", "-w", "1", "wsgi:app"]
