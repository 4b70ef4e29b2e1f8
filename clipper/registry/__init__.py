"""Desired state: which applications, models, versions, links and replica counts there should be."""
