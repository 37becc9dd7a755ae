"""Counts what the service does, for Prometheus. No label comes from a film, its name or a client."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from cxr_core.reading.results import Reading

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)  # upper ends of the histogram


class Metrics:
    """The counters of one server."""

    def __init__(
        self, count_requests: Callable[[], int], count_readings: Callable[[], tuple[int, int]]
    ):
        """count_requests: with a place.  count_readings: that run, and that wait, of pages and service together."""
        disable_created_metrics()  # one more line for each of the others
        self._registry = registry = CollectorRegistry()
        self._answers = Counter(
            "silhouette_answers", "Answers of the service", ["path", "status"], registry=registry
        )
        self._readings = Counter(
            "silhouette_readings",
            "Films by the status of their reading",
            ["status"],
            registry=registry,
        )
        self._refusals = Counter(
            "silhouette_refusals",
            "Refused films by the code of the reason",
            ["code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "silhouette_read_seconds",
            "From the request for a reading to its answer",
            buckets=SECONDS,
            registry=registry,
        )
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "silhouette_requests_with_film": ("Requests whose film is in memory", count_requests),
            "silhouette_readings_running": (
                "Readings that run, those of pages among them",
                lambda: count_readings()[0],
            ),
            "silhouette_readings_waiting": (
                "Readings that wait, those of pages among them",
                lambda: count_readings()[1],
            ),
        }
        for name, (purpose, count) in gauges.items():
            Gauge(name, purpose, registry=registry).set_function(count)

    def count_answer(self, path: str, status: int) -> None:
        """Count an answer. path: of a route, never one that a client has made up."""
        self._answers.labels(path, str(status)).inc()

    def count_reading(self, reading: Reading, seconds: float) -> None:
        """Count a film that was answered. seconds: from the request to the answer."""
        self._readings.labels(reading.status).inc()
        self._seconds.observe(seconds)
        if reading.status == "refused":
            for concern in reading.concerns:
                if concern.withholds_reading:
                    self._refusals.labels(concern.code).inc()

    def to_text(self) -> bytes:
        """Every figure in Prometheus' text format."""
        return generate_latest(self._registry)
