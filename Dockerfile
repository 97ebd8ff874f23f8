# A server of the shipped model: no PyTorch, no compiler, not root.
#
#   docker build -t asr .
#   docker run --rm -p 127.0.0.1:8000:8000 -e ASR_API_KEYS=a-key-of-your-own-choice asr
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[serve]'

FROM python:3.12-slim
RUN --mount=from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --no-index --find-links /wheels 'lstm-asr[serve]' && \
    useradd --system --create-home --home-dir /home/asr --shell /usr/sbin/nologin asr
USER asr
WORKDIR /home/asr
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
# All addresses of the container: what is reached from outside is what `docker run -p` publishes.
ENTRYPOINT ["asr", "serve", "--host", "0.0.0.0"]
