"""The services of a cluster as Ray Serve applications."""
