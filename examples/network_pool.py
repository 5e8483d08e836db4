"""Condense with embeddings of trained networks: train a pool, sort it by validation accuracy, and condense with each bucket.

The command for the whole comparison: condense pools --data digits --ipc 1 --pool 2 --pool-epochs 15 network.width=16
"""

from condensation import DM, ConvNet, Pool, PoolRecipe, Recipe, condense, evaluate, grid, load, make_pool

data = load("digits")
network = ConvNet(width=16)

# Each network trains on nine tenths of the training images and is evaluated on the others; snapshots of its weights are kept.
settings = PoolRecipe(networks=2, recipe=Recipe(epochs=15, batch=64, augmentation=None), bounds=(10, 40, 70))
pool = make_pool(network, data.train, "pool", settings)
print("networks in each bucket:", pool.counts())

sets = {}
for bucket in ("random", *pool.counts(), "all"):  # random: newly initialized, the default of DM
    method = DM(steps=40, batch_per_class=32, networks=Pool("pool", bucket, network))
    sets[bucket] = condense(method, data.train, ipc=1)
    accuracies = evaluate(sets[bucket], data.test, network=network, recipe=Recipe(epochs=40), networks=2)
    print(f"condensed with networks of bucket {bucket}: {accuracies}")

# One row per bucket, as in the supplement of the paper.
grid(sets, title="digits, DM on networks of a pool, 1 image per class").save("buckets.png")
