"""Servers, with clients that work on them all the time."""

import os
import random
import signal
import socket
import threading
import time

from case import Failed, free_port, wait_for


def redis_command(stream, *words):
    stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    stream.flush()
    return redis_answer(stream)


def redis_answer(stream):
    line = stream.readline().rstrip(b"\r\n")
    if line[:1] == b"$":
        size = int(line[1:])
        return None if size < 0 else stream.read(size + 2)[:-2]
    if line[:1] in (b"+", b":"):
        return line[1:]
    raise Failed(f"redis answered {line!r}")


def case_redis(c):
    server, port = c.need("redis-server"), free_port()
    job = c.start([server, "--port", str(port), "--save", "", "--appendonly", "yes", "--dir", c.directory, "--bind", "127.0.0.1"])

    def connect():
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=30)
            return s.makefile("rwb")
        except OSError:
            return None
    stream = wait_for(connect, "redis listens")
    mover = c.mover(job, pids=[job.pid])
    rng, model, count, end = random.Random(3), {}, 0, time.monotonic() + c.options.seconds
    while time.monotonic() < end or mover.done < c.options.moves and mover.is_alive() and time.monotonic() < end + 30:
        key = b"k%d" % rng.randrange(200)
        if rng.random() < 0.5:
            model[key] = b"%d" % rng.randrange(1 << 40) * rng.randrange(1, 200)
            if redis_command(stream, b"SET", key, model[key]) != b"OK":
                raise Failed("SET")
        elif redis_command(stream, b"GET", key) != model.get(key):
            raise Failed(f"GET {key} after {count} commands")
        count += 1
        if int(redis_command(stream, b"INCR", b"n")) != count:
            raise Failed(f"INCR: not {count}")
    c.notes.append(f"{count} commands")
    mover.stop()
    stream.write(b"*1\r\n$8\r\nSHUTDOWN\r\n")
    stream.flush()
    c.finish(job, mover)


def nginx(c, extra, pids_of, may_stay=False):
    server, port = c.need("nginx"), free_port()
    os.makedirs(c.path("www"))
    blobs = {f"/f{i}": random.Random(i).randbytes(1000 * 3 ** i) for i in range(7)}
    for name, data in blobs.items():
        with open(c.path("www" + name), "wb") as f:
            f.write(data)
    os.chmod(c.directory, 0o755)
    temporary = "".join(f"{k}_temp_path {c.directory}/t_{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    c.write("nginx.conf", f"daemon off; {extra} pid {c.directory}/pid; error_log {c.directory}/error.log; user root; "
            f"events {{ worker_connections 64; }} http {{ access_log {c.directory}/access.log; {temporary} "
            f"server {{ listen 127.0.0.1:{port}; root {c.directory}/www; }} }}")
    job = c.start([server, "-p", c.directory, "-c", c.path("nginx.conf")])
    stop, counts, errors = threading.Event(), [0] * 3, []

    def client(k):
        import http.client
        rng = random.Random(k)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            while not stop.is_set():
                name = rng.choice(list(blobs))
                connection.request("GET", name)
                answer = connection.getresponse()
                if answer.status != 200 or answer.read() != blobs[name]:
                    errors.append(f"client {k}: {name}: {answer.status}")
                    return
                counts[k] += 1
                if rng.random() < 0.1:
                    connection.close()
        except Exception as e:  # pylint: disable=broad-except
            errors.append(f"client {k}: {e!r}")

    def listens():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return True
        except OSError:
            return False
    wait_for(listens, "nginx listens")
    mover = c.mover(job, pids=pids_of(job))
    clients = [threading.Thread(target=client, args=(k,), daemon=True) for k in range(3)]
    for thread in clients:
        thread.start()
    end = time.monotonic() + c.options.seconds
    while time.monotonic() < end + 30 and not errors and (time.monotonic() < end or mover.done < c.options.moves):
        if not mover.is_alive() or may_stay and mover.refused and time.monotonic() > end:
            break
        time.sleep(0.05)
    stop.set()
    for thread in clients:
        thread.join(40)
    mover.stop()
    if errors:
        raise Failed(errors[0])
    c.notes.append(f"{sum(counts)} requests")
    os.kill(job.pid, signal.SIGTERM)
    c.finish(job, mover, at_least=0 if may_stay and mover.refused else None)
    lines = sum(1 for _ in open(c.path("access.log")))
    if lines < sum(counts):
        raise Failed(f"{lines} lines in the access log for {sum(counts)} requests")


def case_nginx(c):
    nginx(c, "master_process off;", lambda job: [job.pid])


def case_nginx_workers(c):
    """Master and workers share memory: they say that they can't move, or they move; they answer in any case."""
    nginx(c, "worker_processes 2;", lambda job: None, may_stay=True)
