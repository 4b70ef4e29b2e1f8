"""One small file a server. To add one: write it beside these, and name it in registry.py."""
