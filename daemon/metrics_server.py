"""Shows the metrics at `/metrics`, from a thread that the service never waits for."""

from collections.abc import Callable, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from rigd.config.metrics import Metrics
from rigd.daemon.control_protocol import Status
from rigd.daemon.metrics import metrics
from rigd.daemon.process_usage import usage_of_service

LOG = structlog.get_logger("rigd.metrics")


class ServiceCollector(Collector):
    """Reads the newest status whenever somebody asks for metrics."""

    def __init__(self, latest: Callable[[], Status]) -> None:
        """Ask `latest` for the status; it is called from another thread."""
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        return metrics(self._latest(), usage_of_service())


class MetricsServer:
    """Listens from the beginning until `close`."""

    def __init__(self, settings: Metrics, latest: Callable[[], Status]) -> None:
        """Listen; a port that can't be had is logged, and no reason not to record."""
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None
        if not settings.port:
            return
        registry = CollectorRegistry()
        registry.register(ServiceCollector(latest))
        try:
            self._server, self._thread = start_http_server(
                settings.port, settings.address, registry
            )
        except OSError as error:
            place = f"{settings.address}:{settings.port}"
            LOG.error("no metrics", reason=f"{place}: {error.strerror or error}")

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
