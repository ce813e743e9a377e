"""Cameras and databases for this folder's tests."""

from tests.support.rtsp_camera import _rtsp_programs, rtsp_camera
from tests.support.store import postgres

__all__ = ["_rtsp_programs", "postgres", "rtsp_camera"]
