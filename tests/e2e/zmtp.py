"""Just enough of ZMTP 3.0 (RFC 23), with the mechanism NULL, to be a node or a home that no released pmi is: another version,
or nonsense where a message should be."""

import socket
import struct
import threading

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"


def greeting(mechanism=b"NULL"):
    return SIGNATURE + b"\x03\x00" + mechanism.ljust(20, b"\0") + bytes(32)


def receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError("the other side ended")
        data += part
    return data


def frame(body, flags=0):
    if len(body) > 255:
        return bytes([flags | 2]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def receive_frame(connection):
    flags = receive(connection, 1)[0]
    size = struct.unpack(">Q", receive(connection, 8))[0] if flags & 2 else receive(connection, 1)[0]
    return flags, receive(connection, size)


def ready(kind):
    properties = b"".join(bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
                          for name, value in ((b"Socket-Type", kind), (b"Identity", b"")))
    return frame(b"\x05READY" + properties, 4)


def shake_hands(connection, kind):
    connection.sendall(greeting())
    receive(connection, 64)
    connection.sendall(ready(kind))
    receive_frame(connection)


# ---- protobuf, as far as wire.proto's Request and Reply need it

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number_field(field, n):
    return varint(field << 3) + varint(n)


def bytes_field(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def read_number_field(message, wanted):
    """The first field `wanted` of a message, if it is a number."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            value = number()
            if tag >> 3 == wanted:
                return value
        elif tag & 7 == 2:
            size = number()
            at += size
        else:
            break
    return None


def ask(host, port, request, timeout=5):
    """Sends one request to a node that runs with --insecure; gives the bytes of its reply."""
    with socket.socket() as connection:
        connection.settimeout(timeout)
        connection.connect((host, port))
        shake_hands(connection, b"DEALER")
        connection.sendall(frame(request))
        while True:
            flags, body = receive_frame(connection)
            if not flags & 4:  # else a command
                return body


class Server:
    """Listens on 127.0.0.1 and does `serve(connection)` with each connection, in a thread of its own. Use as a context
    manager."""

    def __init__(self, serve):
        self.serve, self.connections = serve, []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.serve(connection)
        except (OSError, EOFError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in [self.socket, *self.connections]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


def node_that_answers(make_reply):
    """A node for homes with --insecure: answers each request with make_reply(its id)."""
    def serve(connection):
        shake_hands(connection, b"ROUTER")
        while True:
            flags, body = receive_frame(connection)
            if not flags & 4:
                connection.sendall(frame(make_reply(read_number_field(body, 2) or 0)))
    return Server(serve)
