"""The routes of the management API, one small file a group."""
