FROM python:3.11-slim
RUN useradd --create-home --uid 1000 kato && mkdir /data && chown kato /data
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY kato_tasks kato_tasks
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .
USER kato
ENTRYPOINT ["kato-tasks"]
