"""Search: spaces, samplers, studies, and the tuner."""
