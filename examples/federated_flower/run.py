"""Run the server and the clients as separate processes on this machine, and stop them at the end.

    python examples/federated_flower/run.py --clients 2

Needs `pip install '.[federated]'`. Flower's telemetry, update check and installation of dependencies are switched off.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main() -> int:
    """Start everything, run the app, and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--config", default="", help="settings of pyproject.toml to change: 'steps=10 epochs=20'")
    options = parser.parse_args()
    bin_folder = Path(sys.executable).parent
    server = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (home / "config.toml").write_text(f'[superlink.loopback]\naddress = "{server}"\ninsecure = true\n', encoding="utf-8")
        app = shutil.copytree(HERE, home / "app", ignore=shutil.ignore_patterns("__pycache__"))
        quiet = {"FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        environment = {**os.environ, **quiet, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}

        def start(program: str, *arguments: str) -> None:
            log = stack.enter_context((home / f"{len(list(home.iterdir()))}.log").open("w"))
            process = subprocess.Popen([bin_folder / program, "--insecure", *arguments], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        host, port = server.split(":")
        start("flower-superlink", "--host", host, "--port", port, "--disable-runtime-dependency-installation")
        wait_for(host, int(port))
        for client in range(options.clients):
            node = f"partition-id={client} num-partitions={options.clients}"
            start("flower-supernode", "--superlink", server, "--host", host, "--port", str(free_port()), "--node-config", node)
        settings = f"clients={options.clients} {options.config}".strip()
        return subprocess.run([bin_folder / "flwr", "run", app, "loopback", "--stream", "-c", settings], env=environment).returncode


def wait_for(host: str, port: int) -> None:
    """Wait until a server listens."""
    for _ in range(120):
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.5)
    sys.exit("The server did not start.")


if __name__ == "__main__":
    sys.exit(main())
