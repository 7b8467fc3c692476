"""Talking HTTP to a member under test: as http.client does, and as nobody should."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import ssl
import struct
import threading


class Answer:
    """What came back."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The errno in an error."""
        return self.json["error"]["code"]


class Door:
    """The HTTP door of a member at an address."""

    def __init__(self, address, tls=None, seconds=20):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.tls = tls
        self.seconds = seconds

    def connect(self):
        """A connection of http.client's."""
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.seconds, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.seconds)

    def socket(self):
        """A bare connection."""
        made = socket.create_connection((self.host, self.port), timeout=self.seconds)
        return self.tls.wrap_socket(made, server_hostname=self.host) if self.tls else made

    def ask(self, method, path, body=None, **headers):
        """One request on a connection of its own. A header's name has _ for -."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body, kind="application/octet-stream", **headers):
        return self.ask("POST", path, body, Content_Type=kind, **headers)

    def raw(self, text):
        """Sends bytes as they are, and gives what comes until the end."""
        with contextlib.closing(self.socket()) as wire:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                wire.sendall(text)
            return read_all(wire)


def read_all(wire):
    """All that comes until the other side ends."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := wire.recv(65536):
            data += piece
    return data


def encode(data):
    return base64.b64encode(data).decode()


def client_context(folder=None, authority=None):
    """TLS as a client: with the certificate in a folder, or with none."""
    context = ssl.create_default_context(cafile=os.path.join(folder or authority, "ca.pem"))
    if folder:
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    return context


class Events:
    """An SSE client: reads events one by one."""

    def __init__(self, door, path, **headers):
        self.connection = door.connect()
        self.connection.request("GET", path, None, headers)
        self.answer = self.connection.getresponse()

    def next(self):
        """The next event's fields; comments and what has no data are passed over."""
        fields = {}
        while True:
            line = self.answer.readline()
            if not line:
                return None
            line = line.decode().rstrip("\n")
            if line == "":
                if "data" in fields:
                    return fields
                fields = {}
            elif not line.startswith(":"):
                name, text = line.split(": ", 1)
                fields[name] = text

    def close(self):
        self.connection.close()


class WebSocket:
    """A WebSocket client that reads."""

    def __init__(self, door, path, **headers):
        self.wire = door.socket()
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {door.host}:{door.port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self.wire.sendall("\r\n".join(lines + ["", ""]).encode())
        self.file = self.wire.makefile("rb")
        self.status = self.file.readline().decode()
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, text = line.decode().split(": ", 1)
            self.headers[name.lower()] = text
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.open = " 101 " in self.status and self.headers.get("sec-websocket-accept") == accept.decode()

    def next(self):
        """The next frame: its opcode and bytes; None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 127
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.file.read(8))[0]
        return head[0] & 15, self.file.read(size)

    def send(self, opcode, data=b""):
        """Sends a small frame, masked with zeros."""
        self.wire.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + b"\0\0\0\0" + data)

    def close(self):
        self.file.close()
        self.wire.close()


def together(*works):
    """Runs callables side by side, and raises what one of them raised."""
    raised = []

    def run(work):
        try:
            work()
        except BaseException as error:  # it is raised again
            raised.append(error)
    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]
