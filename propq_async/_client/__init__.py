"""The client: factory, sessions, units, batches, and the way of one call."""
