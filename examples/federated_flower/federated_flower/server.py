"""The server: it asks all clients for their sets once, and trains on the union."""

import time
from functools import reduce

import torch
from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.serverapp import Grid, ServerApp

from condensation import ConvNet, ImageSet, Recipe, evaluate, load

app = ServerApp()
PATIENCE = 600  # seconds to wait for clients, and for their sets


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Collect the sets, train a network on them and print its accuracy on test images."""
    config = context.run_config
    nodes = wait_for_clients(grid, int(config["clients"]))
    asked = [Message(RecordDict({"config": ConfigRecord()}), dst_node_id=node, message_type=MessageType.QUERY) for node in nodes]
    test = load(str(config["data"])).test  # images that the server may test on
    sets, sent = [], 0
    for reply in grid.send_and_receive(asked, timeout=PATIENCE):
        if reply.has_error():
            raise RuntimeError(f"Client {reply.metadata.src_node_id}: {reply.error.reason}")
        record = reply.content["set"]
        images, labels = (torch.from_numpy(record[name].numpy()) for name in ("images", "labels"))
        sets.append(ImageSet.of(images, labels, test.class_names, preprocessing=test.preprocessing))
        sent += record.count_bytes()
    union = reduce(ImageSet.concat, sets)
    accuracy = evaluate(union, test, network=ConvNet(width=32), recipe=Recipe(epochs=int(config["epochs"])), networks=1)
    print(f"{len(sets)} clients sent {len(union)} images, {sent / 1e3:.1f} kB. Test accuracy: {accuracy.mean:.1f} %", flush=True)


def wait_for_clients(grid: Grid, count: int) -> list[int]:
    """Return the clients as soon as there are ``count``."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        nodes = list(grid.get_node_ids())
        if len(nodes) >= count:
            return nodes[:count]
        time.sleep(1)
    raise TimeoutError(f"Fewer than {count} clients are connected after {PATIENCE} s.")
