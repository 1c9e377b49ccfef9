"""Nodes that aren't there, don't answer, or answer something else."""

import os
import signal
import socket
import threading

import nodes
import zmtp
from bad_input_cases.tester import PMI_FAILED, USAGE, Failed, both, insecure_ping_fails


def case_node_names(t):
    for command in (["migrate", t.pid], ["ping"]):
        status = USAGE if command == ["ping"] else PMI_FAILED
        for node in ("a b", "host:99999", "host:abc", "host:", "::1:7700", "[::1", ":7700"):
            t.fails("pmictl", *command, node, status=status, says=("node", node))
        t.fails("pmictl", *command, "nosuchhost.invalid", says="nosuchhost.invalid")


def case_node_closed(t):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    both(t, f"127.0.0.1:{port}", "Connection refused")


def case_node_silent(t):
    with zmtp.Server(lambda c: threading.Event().wait(60)) as server:
        both(t, server.address, "doesn't answer")


def case_node_stopped(t):
    """A pmid that stands still: the kernel takes its connections."""
    with nodes.Node(t.run, 7) as node:
        os.kill(node.pid, signal.SIGSTOP)
        try:
            both(t, node.address, "doesn't answer")
        finally:
            os.kill(node.pid, signal.SIGCONT)
        t.works("pmictl", "ping", node.address)


def case_node_black_hole(t):
    """Nobody takes the connections, and the queue is full: no answer at all, as from a machine that is off."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        address = s.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            waiting.append(one)
        both(t, f"127.0.0.1:{address[1]}", "no answer")
        for one in waiting:
            one.close()


def case_node_garbage(t):
    """Ports of something else: they speak at once, answer in their own language, or hang up."""
    def banner(c):
        c.sendall(b"220 mail.example ESMTP ready\r\n" * 20)
        c.recv(1000)

    def http(c):
        c.recv(1000)
        c.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    def random(c):
        c.sendall(os.urandom(5000))
        c.recv(10000)

    def half_a_greeting(c):
        c.sendall(zmtp.SIGNATURE)
        threading.Event().wait(60)
    for serve in (banner, http, random, lambda c: c.close()):
        with zmtp.Server(serve) as server:
            both(t, server.address, "not a pmi port")
    with zmtp.Server(half_a_greeting) as server:
        both(t, server.address, "doesn't answer")


def case_node_nonsense_after_handshake(t):
    """A node that is one as far as the connection goes, and then answers nonsense, for another request, or not at all."""
    for reply in (b"\xff" * 40, b"", zmtp.number_field(1, 4711), zmtp.bytes_field(2, b"no\nsuch \x1b[31mluck")):
        with zmtp.node_that_answers(lambda n, reply=reply: reply) as server:
            line = insecure_ping_fails(t, server.address)
            if any(ord(c) < 32 or ord(c) == 127 for c in line):
                raise Failed(f"what a node sends reaches the terminal: {line!r}")

    def never(c):
        zmtp.shake_hands(c, b"ROUTER")
        threading.Event().wait(60)
    with zmtp.Server(never) as server:
        insecure_ping_fails(t, server.address, "no reply")


def case_node_other_version(t):
    """Either side is of another version: the node's refusal names both, and pmictl passes it on."""
    node = nodes.Node(t.run, 2, name="plain", pmid_options=["--insecure"])
    try:
        request = zmtp.number_field(1, 99) + zmtp.number_field(2, 7) + zmtp.bytes_field(3, b"")
        reply = zmtp.ask(node.host, node.port, request)
        if b"protocol version differs: yours 99" not in reply or zmtp.read_number_field(reply, 1) != 7:
            raise Failed(f"a request of version 99 is answered with {reply!r}")
        for nonsense in (b"", b"\xff" * 60, zmtp.bytes_field(3, b"")):
            zmtp.ask(node.host, node.port, nonsense)
        t.works("pmictl", "--insecure", "ping", node.address)
    finally:
        node.stop()
    text = b"protocol version differs: yours 2, this node's 99 (pmi 9.9)"
    with zmtp.node_that_answers(lambda n: zmtp.number_field(1, n) + zmtp.bytes_field(2, text)) as server:
        insecure_ping_fails(t, server.address, text.decode())


def case_node_refuses(t):
    def node(number, *options, run=t.run):
        return nodes.Node(run, number, pmid_options=options)
    with node(3, "--max-guests", "0") as full:
        t.wont_move_to(full.address, full.address, "is full: 0 of 0")
    with node(4, "--memory-max", "1M") as small:
        t.wont_move_to(small.address, small.address, "memory")
    with node(5, "--insecure") as open_node:
        both(t, open_node.address, "--insecure")
    t.fails("pmictl", "ping", t.node.address, says=(t.node.address, "key"), PMI_KEYS=t.fresh("stranger"))
    insecure_ping_fails(t, t.node.address, "runs with keys")


def case_node_does_not_trust_us(t):
    """Each side knows the other's key, or only one of them does."""
    ours, theirs = t.fresh("ours"), t.fresh("theirs")
    their_key = t.works("pmictl", "key", "show", PMI_KEYS=theirs).strip()
    our_key = t.works("pmictl", "key", "show", PMI_KEYS=ours).strip()
    run = t.run
    saved, run.keys = run.keys, theirs
    try:
        node = nodes.Node(run, 6)
    finally:
        run.keys = saved
    try:
        t.fails("pmictl", "ping", node.address, says=(node.address, "isn't trusted here"), PMI_KEYS=ours)
        t.works("pmictl", "key", "trust", "--", their_key, node.name, PMI_KEYS=ours)
        t.fails("pmictl", "ping", node.address, says=(node.address, "doesn't accept our key"), PMI_KEYS=ours)
        t.works("pmictl", "key", "trust", "--", our_key, "us", PMI_KEYS=theirs)
        t.works("pmictl", "ping", node.address, PMI_KEYS=ours)
        t.works("pmictl", "key", "remove", "us", PMI_KEYS=theirs)
        t.fails("pmictl", "ping", node.address, says="doesn't accept our key", PMI_KEYS=ours)
    finally:
        node.stop()
