#!/usr/bin/env python3
"""The echo example against 1000 connections of a client that is not Kioto's. Half of them vanish in
mid-message (every other of those by a reset); the rest must get back every byte they sent, and the
server must end with no connection left.

echo_foreign.py path/to/echo_server
"""
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

COUNT = 1000
server = subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    port = int(server.stdout.readline().rsplit(":", 1)[1])
    fd_dir = f"/proc/{server.pid}/fd"
    before = len(os.listdir(fd_dir))
    socks, sent, got = [], {}, {}
    for i in range(COUNT):
        s = socket.create_connection(("127.0.0.1", port), timeout=20)
        s.setblocking(True)
        socks.append(s)
    for i, s in enumerate(socks):
        sent[s] = (b"%06d " % i) * 200
        got[s] = b""
        s.sendall(sent[s][: 700 if i % 2 else len(sent[s])])
    for i, s in enumerate(socks):
        if i % 2:
            if i % 4 == 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    alive = {s for i, s in enumerate(socks) if i % 2 == 0}
    poller = select.epoll()
    by_fd = {s.fileno(): s for s in alive}
    for s in alive:
        s.setblocking(False)
        poller.register(s, select.EPOLLIN)
    deadline = time.time() + 100
    while alive and time.time() < deadline:
        for fd, _ in poller.poll(1):
            s = by_fd[fd]
            data = s.recv(65536)
            assert data, "the server closed a connection that was not done"
            got[s] += data
            if len(got[s]) >= len(sent[s]):
                assert got[s] == sent[s], "other bytes came back"
                poller.unregister(s)
                alive.discard(s)
                s.close()
    assert not alive, f"{len(alive)} connections got no answer"
    for _ in range(200):
        if len(os.listdir(fd_dir)) == before:
            break
        time.sleep(0.05)
    left = len(os.listdir(fd_dir)) - before
    assert left == 0, f"the server still has {left} fds"
    assert server.poll() is None, "the server ended"
    print(f"{COUNT // 2} echoed, {COUNT // 2} vanished, none left")
finally:
    server.send_signal(signal.SIGKILL)
    server.wait()
