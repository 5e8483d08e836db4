"""Self-contained pages of HTML: their parts, charts as SVG, pictures as data URIs."""
