"""What is wrong with a camera: measured on its pictures and their pace, told after a debounce."""

from pipeline.ingest.health.monitor import HealthMonitor

__all__ = ["HealthMonitor"]
