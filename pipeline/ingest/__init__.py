"""Camera to frames: decoding behind `VideoSource`, privacy masks, one decoder process a live camera."""

from pipeline.ingest.capture import PictureWish
from pipeline.ingest.pace import Pace
from pipeline.ingest.source import is_live, open_source, open_supervised
from pipeline.ingest.supervisor import SupervisedSource

__all__ = ["Pace", "PictureWish", "SupervisedSource", "is_live", "open_source", "open_supervised"]
