"""What Clipper publishes about itself: one table of names, snapshots of counts, and the Prometheus text of them."""
