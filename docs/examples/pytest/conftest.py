"""Understudy for the tests: it replays the recordings, or makes them when RECORD is set."""

import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import openai
import pytest

RECORDINGS = pathlib.Path(__file__).parent / "recordings"


@pytest.fixture(scope="session")
def base_url():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    mode = "--record" if os.environ.get("RECORD") else "--replay"
    program = os.environ.get("UNDERSTUDY", "understudy")
    server = subprocess.Popen([program, "serve", "--listen", address, mode, str(RECORDINGS)])
    while not ready(address):
        assert server.poll() is None, "understudy did not start"
        time.sleep(0.05)
    yield f"http://{address}/v1"
    server.terminate()
    assert server.wait(timeout=20) == 0, "requests had no recording: understudy has logged which"


def ready(address):
    try:
        return urllib.request.urlopen(f"http://{address}/readyz", timeout=1).status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture
def client(base_url):
    return openai.OpenAI(base_url=base_url, api_key="none")
