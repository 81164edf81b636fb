"""HTTP servers on the loopback interface that serve files well, or fail in a chosen way."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Request(BaseHTTPRequestHandler):
    """One request; a fault answers it through these methods."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.requests.append(self.path)
        with contextlib.suppress(ConnectionError):
            self.server.answer(self, self.server.content(self.path))

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output clean."""

    def head(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def wait(self, seconds: float) -> bool:
        """Wait, but not longer than the server lives; return whether it still does."""
        return not self.server.stopped.wait(seconds)


Answer = Callable[[Request, bytes], None]


class Server(ThreadingHTTPServer):
    """Serves the files of a folder in the way that `answer` does it."""

    daemon_threads = True

    def __init__(self, folder: Path, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.folder = folder
        self.answer = answer
        self.requests: list[str] = []
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def content(self, path: str) -> bytes:
        file = self.folder / path.rpartition("/")[2]
        return file.read_bytes() if file.is_file() else b""


@contextlib.contextmanager
def serve(folder: Path, answer: Answer) -> Iterator[Server]:
    """Run a server in a thread."""
    server = Server(folder, answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def well(request: Request, body: bytes) -> None:
    """Serve the file as it should be."""
    request.head(Content_Length=len(body))
    request.wfile.write(body)


def without_length(request: Request, body: bytes) -> None:
    """Serve the file and say that it ends by closing the connection."""
    request.head()
    request.wfile.write(body)


def chunked(request: Request, body: bytes) -> None:
    """Serve the file in HTTP chunks of 1000 bytes."""
    request.head(Transfer_Encoding="chunked")
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    request.wfile.write(b"0\r\n\r\n")


def gzip_label(request: Request, body: bytes) -> None:
    """Serve the gzipped file with the Content-Encoding that some servers wrongly give it."""
    request.head(Content_Length=len(body), Content_Encoding="gzip")
    request.wfile.write(body)


def redirected(request: Request, body: bytes) -> None:
    """Redirect once, relatively, and then serve the file."""
    if request.path.startswith("/elsewhere/"):
        well(request, body)
    else:
        request.head(302, Location="/elsewhere" + request.path, Content_Length=0)


def not_found(request: Request, body: bytes) -> None:
    request.head(404, Content_Length=0)


def broken(request: Request, body: bytes) -> None:
    request.head(500, Content_Length=0)


def broken_at_first(request: Request, body: bytes) -> None:
    """Answer 503 to the first request and serve from the second on."""
    if len(request.server.requests) == 1:
        request.head(503, Content_Length=0)
    else:
        well(request, body)


def cut(request: Request, body: bytes) -> None:
    """Announce the whole file, send half of it and cut the connection."""
    request.head(Content_Length=len(body))
    request.wfile.write(body[: len(body) // 2])


def short(request: Request, body: bytes) -> None:
    """Send half of the file and announce nothing."""
    request.head()
    request.wfile.write(body[: len(body) // 2])


def wrong_length(request: Request, body: bytes) -> None:
    """Announce another length than the file's."""
    request.head(Content_Length=len(body) + 10)
    request.wfile.write(body + b"0123456789")


def other_bytes(request: Request, body: bytes) -> None:
    """Send a file of the right length with one bit changed."""
    well(request, bytes([body[0] ^ 1]) + body[1:])


def login_page(request: Request, body: bytes) -> None:
    """Send what a hotel's network sends."""
    page = b"<html>Welcome! Please log in.</html>"
    request.head(Content_Length=len(page), Content_Type="text/html")
    request.wfile.write(page)


def endless(request: Request, body: bytes) -> None:
    """Send the file and go on for ever."""
    request.head()
    request.wfile.write(body)
    while request.wait(0):
        request.wfile.write(bytes(1 << 16))


def silent(request: Request, body: bytes) -> None:
    """Accept the request and never answer."""
    request.wait(30)


def stalling(request: Request, body: bytes) -> None:
    """Send half of the file and then nothing more."""
    request.head(Content_Length=len(body))
    request.wfile.write(body[: len(body) // 2])
    request.wfile.flush()
    request.wait(30)


def dripping(request: Request, body: bytes) -> None:
    """Send the file byte by byte, each well before a read would time out."""
    request.head(Content_Length=len(body))
    for byte in body:
        request.wfile.write(bytes([byte]))
        if not request.wait(0.05):
            return


def dripping_head(request: Request, body: bytes) -> None:
    """Send the head of the answer byte by byte."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while request.wait(0.05):
        request.wfile.write(b"X")


def redirects_for_ever(request: Request, body: bytes) -> None:
    request.head(302, Location=f"/{len(request.server.requests)}{request.path}", Content_Length=0)


def redirects_to_file(request: Request, body: bytes) -> None:
    """Redirect to the very file that is wanted, on the local disk."""
    file = request.server.folder / request.path.rpartition("/")[2]
    request.head(302, Location=file.resolve().as_uri(), Content_Length=0)


def redirects_with_endless_body(request: Request, body: bytes) -> None:
    """Redirect, with a body that a client that reads it never gets to the end of."""
    request.head(302, Location="/again" + request.path)
    end = time.monotonic() + 10
    while request.wait(0) and time.monotonic() < end:
        request.wfile.write(bytes(1 << 16))


def gzip_bomb(request: Request, body: bytes) -> None:
    """Send a gzip stream of the file's own length that unpacks to a hundred times that."""
    packer = zlib.compressobj(1, wbits=31)
    bomb = packer.compress(bytes(len(body) * 100)) + packer.flush()
    request.head(Content_Length=len(body), Content_Encoding="gzip")
    request.wfile.write(bomb.ljust(len(body), b"\0")[: len(body)])


def nonsense(request: Request, body: bytes) -> None:
    """Send something that is not HTTP."""
    request.wfile.write(b"\x16\x03\x01\x02\x00\x01\x00" * 100)
