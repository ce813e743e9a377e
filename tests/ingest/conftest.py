"""Cameras for this folder's tests."""

from tests.support.rtsp_camera import _rtsp_programs, rtsp_camera

__all__ = ["_rtsp_programs", "rtsp_camera"]
