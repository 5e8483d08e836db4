"""One round of federated learning with Flower, in which clients send condensed sets."""
