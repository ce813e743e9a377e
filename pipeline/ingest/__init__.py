"""Camera to frames: decoding behind `VideoSource`, privacy masks, one reader thread a camera."""

from pipeline.ingest.pace import Pace
from pipeline.ingest.source import is_live, open_source, open_supervised
from pipeline.ingest.supervisor import SupervisedSource

__all__ = ["Pace", "SupervisedSource", "is_live", "open_source", "open_supervised"]
