"""Pictures to labels, with a fitted classifier: `reading`."""
