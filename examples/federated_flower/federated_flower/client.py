"""A client: it condenses its own images and sends the set."""

from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from condensation import DM, ConvNet, Fresh, condense, load
from condensation.studies.federated.split import divide, sizes

app = ClientApp()


@app.query()
def send_condensed_set(message: Message, context: Context) -> Message:
    """Reply with the condensed images and labels of this client."""
    config, client = context.run_config, int(context.node_config["partition-id"])
    # A real client loads its own images here. This one takes its part of a common data set.
    everyone = load(str(config["data"])).train
    own = divide(everyone, int(config["clients"]), float(config["alpha"]), least=10, seed=0).images_of(client, everyone)
    ipc = sizes(own.counts, everyone.counts, int(config["ipc"]))
    method = DM(steps=int(config["steps"]), lr=2.0, batch_per_class=16, start="noise", networks=Fresh(ConvNet(width=32)))
    small = condense(method, own, ipc, seed=client)
    arrays = {"images": Array(small.images.numpy()), "labels": Array(small.labels.numpy())}
    return Message(content=RecordDict({"set": ArrayRecord(arrays)}), reply_to=message)
