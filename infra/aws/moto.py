#!/usr/bin/env python3
"""Serves DynamoDB with its streams, S3 and SQS on this machine, for the tests of infra/aws: moto, one request at a time.

    python3 infra/aws/moto.py -- go test ./infra/aws/...   serves while the command runs, ends with its code
    python3 infra/aws/moto.py                               prints the address and serves until it is interrupted

The command finds the address in DYNAMODB_ENDPOINT, S3_ENDPOINT and SQS_ENDPOINT, and "moto" in YINXIN_ENGINE.

moto's own server answers requests in threads and checks a condition and writes in two steps, so that two of them can
win. Here one thread answers, a request after the other: what DynamoDB promises of one item is then true.

moto is installed from PyPI, in the versions of moto-requirements.txt, into a virtual environment outside the checkout:
moto-<digest of that file> in ${YINXIN_CACHE:-~/.cache/yinxin}.
"""
import argparse
import asyncio
import functools
import gc
import hashlib
import io
import os
import pathlib
import socket
import subprocess
import sys
import threading
from urllib.parse import unquote

REQUIREMENTS = pathlib.Path(__file__).resolve().with_name("moto-requirements.txt")


def environment():
    """Makes the virtual environment where there is none, and returns its Python."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = pathlib.Path(os.environ.get("YINXIN_CACHE") or caches / "yinxin") / f"moto-{digest}"
    python = folder / "bin" / "python"
    done = folder / "installed"  # written last: a half-made environment is made again
    if not done.exists():
        print(f"moto.py: installing moto into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                        str(REQUIREMENTS)], check=True, stdout=sys.stderr)
        done.touch()
    return python


class Connection(asyncio.Protocol):
    """One connection (HTTP/1.1, kept open). A request that has come whole is answered before anything else happens."""

    def __init__(self, app, port):
        self.app, self.port, self.data = app, port, bytearray()

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.data += data
        while not self.transport.is_closing() and self.answer_one():
            pass

    def answer_one(self):
        """Answers the first request of what has come, and tells whether it had come whole."""
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self.data[:end].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        named = {name.lower(): value for name, value in headers}
        if "transfer-encoding" in named:
            self.transport.write(b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()
            return False
        body, length = end + 4, int(named.get("content-length", "0"))
        if len(self.data) < body + length:
            if named.get("expect", "").lower() == "100-continue" and len(self.data) == body:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return False
        content = bytes(self.data[body:body + length])
        del self.data[:body + length]
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query,
            "REQUEST_URI": target, "RAW_URI": target, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(content), "wsgi.errors": sys.stderr, "wsgi.multithread": False,
            "wsgi.multiprocess": False, "wsgi.run_once": False, "CONTENT_LENGTH": str(length),
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key != "CONTENT_LENGTH":
                key = "HTTP_" + key
                environ[key] = environ[key] + "," + value if key in environ else value
        said = []
        answer = self.app(environ, lambda status, headers, fault=None: said.append((status, headers)))
        try:
            content = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        status, headers = said[-1]
        out = [f"HTTP/1.1 {status}"]
        out += [f"{name}: {value}" for name, value in headers if name.lower() not in ("content-length", "connection", "date")]
        if method == "HEAD":  # the length of what is not sent
            out += [f"{name}: {value}" for name, value in headers if name.lower() == "content-length"]
        else:
            out.append(f"Content-Length: {len(content)}")
        self.transport.write("\r\n".join([*out, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else content))
        if named.get("connection", "").lower() == "close":
            self.transport.close()
        return True


def quicken():
    """Lets moto do with less what it does for every request. What it answers stays as it is."""
    import moto.backends
    import moto.core.responses
    import moto.core.utils
    from moto.dynamodb.models.dynamo_type import DynamoType
    from moto.dynamodb.models.table import Table

    # Which services it has, and which methods a class has, it looks up anew every time.
    services = list(moto.backends.list_of_moto_modules())
    moto.backends.list_of_moto_modules = lambda: services
    methods = functools.cache(moto.core.utils.method_names_from_class)
    moto.core.utils.method_names_from_class = moto.core.responses.method_names_from_class = methods

    # To query an index it sorts the whole table, by values that it converts for every comparison.
    converted = DynamoType.cast_value.fget
    DynamoType.cast_value = property(lambda value: value.value if value.type == "S" else converted(value))

    def place(item):
        return item.hash_key.cast_value, item.range_key.cast_value if item.range_key else None

    def all_items(table):
        if not table.range_key_attr:
            return sorted(table.items.values(), key=place)
        return sorted((item for items in table.items.values() for item in items.values()), key=place)

    Table.all_items = all_items


def serve(port):
    """Begins to serve in a thread and returns the address."""
    # The folder of this file stands first in sys.path, and this file would be taken for moto.
    sys.path[:] = [p for p in sys.path if pathlib.Path(p).resolve() != REQUIREMENTS.parent]
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    quicken()
    app, began, address = DomainDispatcherApplication(create_backend_app), threading.Event(), []

    async def listen():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(app, address[0]), "127.0.0.1", port, backlog=1024)
        address.append(server.sockets[0].getsockname()[1])
        began.set()
        await server.serve_forever()

    gc.freeze()  # what was imported is no garbage
    gc.set_threshold(50_000, 20, 100)
    threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
    if not began.wait(60):
        raise OSError("the server did not begin")
    return f"http://127.0.0.1:{address[0]}"


def main():
    parser = argparse.ArgumentParser(description="moto, one request at a time")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("command", nargs="*", help="what to run while it serves")
    options = parser.parse_args()
    if os.environ.get("YINXIN_MOTO_INSIDE") != "1":
        python = environment()
        os.execve(python, [str(python), *sys.argv], {**os.environ, "YINXIN_MOTO_INSIDE": "1"})
    address = serve(options.port)
    if not options.command:
        print(address, flush=True)
        threading.Event().wait()
    env = {k: v for k, v in os.environ.items() if k != "YINXIN_MOTO_INSIDE"}
    env.update(DYNAMODB_ENDPOINT=address, S3_ENDPOINT=address, SQS_ENDPOINT=address, YINXIN_ENGINE="moto")
    return subprocess.run(options.command, env=env).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
