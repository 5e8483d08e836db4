"""Feature matching against last-layer gradient matching."""
