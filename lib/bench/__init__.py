"""What a model costs and what it gets right: accuracy, latency, size, and the machine they were measured on."""
