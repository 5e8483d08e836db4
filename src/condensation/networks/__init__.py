"""Network architectures as values, one file per family, and samplers that draw networks."""
