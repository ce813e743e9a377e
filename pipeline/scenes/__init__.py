"""Rendered scenes with exact truth, for the synthetic source, the demo and the tests. A leaf."""

from pipeline.scenes.library import open_scene, open_staged, scene_names, staged_names
from pipeline.scenes.scene import Scene
from pipeline.scenes.truth import ActorTruth, FrameTruth, TrueEvent

__all__ = ["ActorTruth", "FrameTruth", "Scene", "TrueEvent", "open_scene", "open_staged", "scene_names", "staged_names"]
