"""What a hundred million users ask of Redis: a model, and the measurements that feed it."""
