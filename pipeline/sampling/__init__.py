"""Frames worth a model: the motion gate, the budget of rates, the ring a candidate looks back into."""
