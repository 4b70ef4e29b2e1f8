"""The management process: REST API, the operations behind it, and the channel to the frontend workers."""
