"""Condense with embeddings of trained networks: train a pool, sort it by validation accuracy, and learn a set on each bucket.

The command that does this and more: condense pools --data digits --ipc 1 --pool 2 --pool-epochs 15 network.width=16
"""

from condensation import DM, ConvNet, Pool, PoolRecipe, Recipe, condense, evaluate, grid, load, make_pool

data = load("digits")
network = ConvNet(width=16)

# Each network is trained with nine tenths of the training images and tested on the others, often at first; a few of its states are kept.
how = PoolRecipe(networks=2, recipe=Recipe(epochs=15, batch=64, augmentation=None), bounds=(10, 40, 70))
pool = make_pool(network, data.train, "pool", how)
print("networks in each bucket:", pool.counts())

sets = {}
for bucket in ("random", *pool.counts(), "all"):  # random: newly initialised, as DM has them else
    method = DM(steps=40, batch_per_class=32, networks=Pool("pool", bucket, network))
    sets[bucket] = condense(method, data.train, ipc=1)
    accuracies = evaluate(sets[bucket], data.test, network=network, recipe=Recipe(epochs=40), networks=2)
    print(f"learned on networks of {bucket:>6} %: {accuracies}" if bucket[0].isdigit() else f"learned on {bucket} networks: {accuracies}")

# A row for each bucket, as in the supplement of the paper.
grid(sets, title="digits, DM on networks of a pool, 1 image per class").save("buckets.png")
