"""Statistical monitoring of model versions: what their losses and outputs say. No event loop, no file, no clock."""
