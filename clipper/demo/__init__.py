"""``make demo``: two fitted scikit-learn models answer real queries within their SLO, and a table shows how."""
