#!/usr/bin/env python3
"""Serves DynamoDB with its streams, S3 and SQS on this machine, for the tests of infra/aws: moto, one request at a time.

    python3 infra/aws/moto.py -- go test ./infra/aws/...   serves while the command runs, ends with its code
    python3 infra/aws/moto.py                               prints the address and serves until it is interrupted

The command finds the address in DYNAMODB_ENDPOINT, S3_ENDPOINT and SQS_ENDPOINT.

moto's own server answers requests in threads and checks a condition and writes in two steps, so that two of them can
win. Here a lock is held while a request is answered: what DynamoDB promises of one item is then true.

moto is installed from PyPI, in the versions of moto-requirements.txt, into a virtual environment outside the checkout:
moto-<digest of that file> in ${YINXIN_CACHE:-~/.cache/yinxin}.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import threading

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


class OneAtATime:
    """A WSGI application that answers one request at a time."""

    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()

    def __call__(self, environ, start_response):
        with self.lock:
            answer = self.app(environ, start_response)
            try:
                return [b"".join(answer)]
            finally:
                if hasattr(answer, "close"):
                    answer.close()


def serve(port):
    """Begins to serve in a thread and returns the address."""
    import logging

    # The folder of this file stands first in sys.path, and this file would be taken for moto.
    sys.path[:] = [p for p in sys.path if pathlib.Path(p).resolve() != REQUIREMENTS.parent]
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


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
    env.update(DYNAMODB_ENDPOINT=address, S3_ENDPOINT=address, SQS_ENDPOINT=address)
    return subprocess.run(options.command, env=env).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
