"""Pictures: each takes `ax=None`, returns the Axes and touches no global style."""
