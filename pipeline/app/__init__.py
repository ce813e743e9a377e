"""Settings and site to wired graphs: the one package that knows every part.

`stores` opens what is kept, `local` wires one process, `ingest` and `cluster` wire the processes of a cluster.
"""
