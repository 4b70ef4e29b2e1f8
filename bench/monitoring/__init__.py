"""How soon the monitoring notices a change, and how often it notices one that is none."""
