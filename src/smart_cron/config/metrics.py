"""Settings of metrics and anomalies."""

from __future__ import annotations

from pydantic import Field, field_validator

from smart_cron.config.alerting import Section


class MetricsConfig(Section):
    """What is exported, and where to.

    `task_label_limit` bounds how many tasks are exported by name, `textfile` is written each minute for
    node_exporter, `otlp_endpoint` takes traces (an http or https URL such as http://localhost:4318).
    """

    task_label_limit: int = Field(default=2_000, ge=0, le=100_000)
    textfile: str = ""
    otlp_endpoint: str = ""

    @field_validator("textfile")
    @classmethod
    def _prom_file(cls, path: str) -> str:
        if path and not (path.startswith("/") and path.endswith(".prom")):
            # node_exporter reads no file of another name.
            raise ValueError(f"'{path}' must be an absolute path that ends in .prom")
        return path

    @field_validator("otlp_endpoint")
    @classmethod
    def _http_url(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError(f"'{url}' must begin with http:// or https://")
        return url
