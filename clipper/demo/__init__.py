"""``make demo``: two fitted scikit-learn models answer real queries within their SLO, one is rolled back."""
