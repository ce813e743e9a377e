"""The topic `frames` in, candidates out: the stages that follow a camera."""
