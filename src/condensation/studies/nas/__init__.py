"""Architecture search with condensed sets as proxies."""
