#!/usr/bin/env python3
"""Hands NDJSON from standard input to the spool daemon: echo '{"e":"pv"}' | python3 spool_client.py daemon.sock

Or tcp://host:port, or tls://host:port; SPOOL_TOKEN in the environment is the token that the daemon wants, SSL_CERT_FILE names who
signed its certificate, if nobody did whom the machine trusts.

Speaks docs/PROTOCOL.md with the standard library alone. After a lost connection it connects again, and sends again what was
not acknowledged; the daemon knows a repeat by its number, so each event is in the spool once.
"""
import json, os, socket, ssl, sys, time, urllib.parse, uuid
PER_FRAME, UNDER_WAY = 100, 50

class SpoolClient:
    def __init__(self, address):
        self.address, self.socket, self.sent = address, None, 0  # frames that were sent on this connection
        self.frames = []  # lists of JSON texts that are not acknowledged; frames[i] has the number committed + 1 + i
        self.acknowledged = self.refused = 0  # events
        self.rename()

    def rename(self):  # a name that nobody has had: what is left is numbered from 1
        self.name = f"py-{socket.gethostname()[:100]}-{os.getpid()}-{uuid.uuid4()}"
        self.committed = self.highest = 0  # the last durable frame, the last that was ever sent

    def work(self, most):  # sends what was not sent, and waits until at most so many frames are not acknowledged
        while self.sent < len(self.frames) or len(self.frames) > most:
            try:
                if self.socket is None: self.connect()
                self.send_next() if self.sent < len(self.frames) else self.read()
            except ssl.SSLError as error:  # a wrong certificate stays wrong
                sys.exit(f"no TLS with {self.address}: {error}")
            except OSError as error:
                print(f"trying again: {error}", file=sys.stderr)
                self.socket, self.sent = None, 0
                time.sleep(0.5)

    def connect(self):
        url = urllib.parse.urlsplit(self.address)
        if url.scheme in ("tcp", "tls"):
            self.socket = socket.create_connection((url.hostname, url.port), timeout=30)
            if url.scheme == "tls":
                self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=url.hostname)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(self.address)
        self.lines = self.socket.makefile("rb")
        hello = {"$": "hello", "version": 1, "client": self.name, "token": os.environ.get("SPOOL_TOKEN")}
        self.socket.sendall(json.dumps({name: value for name, value in hello.items() if value}).encode() + b"\n")
        self.max_frame = self.read()["maxFrame"]

    def send_next(self):
        seq = self.committed + 1 + self.sent
        line = '{"$":"events","seq":%d,"events":[%s]}' % (seq, ",".join(self.frames[self.sent]))
        if len(line) > self.max_frame: return self.part(self.sent, "too long for a line")
        self.socket.sendall(line.encode() + b"\n")
        self.sent, self.highest = self.sent + 1, max(self.highest, seq)

    def read(self):
        line = self.lines.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the daemon ended the connection")
        reply = json.loads(line)
        if reply["$"] == "error":
            self.refusal(**reply)
        elif reply["$"] in ("welcome", "ack"):
            self.settle(reply["committed"] if reply["$"] == "welcome" else reply["seq"])
        return reply

    def settle(self, seq):
        if not self.committed <= seq <= self.highest:
            self.rename()
            raise ConnectionError("the daemon knows other numbers of this client")
        done = seq - self.committed
        self.acknowledged += sum(map(len, self.frames[:done]))
        self.frames, self.sent, self.committed = self.frames[done:], max(0, self.sent - done), seq

    def refusal(self, code, message, retryable, seq=None, **_):
        if code == "replaced":
            self.rename()
        elif seq is not None and not retryable:
            self.highest = seq - 1  # from here on the numbers count as never used
            self.part(seq - self.committed - 1, message)
        elif not retryable:
            sys.exit(f"refused: {message} ({code})")
        raise ConnectionError(f"{message} ({code})")  # a new one need not wait for answers to what followed the frame

    def part(self, at, reason):  # to find the event that is to blame
        events = self.frames[at]
        self.frames[at : at + 1] = [[event] for event in events] if len(events) > 1 else []
        if len(events) == 1:
            self.refuse(events[0], reason)

    def refuse(self, text, reason):
        self.refused += 1
        print(f"refused: {text[:80]} ({reason})", file=sys.stderr)

client, rest, chunk = SpoolClient(sys.argv[1]), b"", b"\n"
while chunk:  # what is there is sent at once, however slowly the input comes
    chunk, events = os.read(0, 65536), []
    *lines, rest = (rest + (chunk or b"\n")).split(b"\n")
    for line in filter(bytes.strip, lines):
        try:
            events.append(json.dumps(dict(**json.loads(line)), separators=(",", ":"), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            client.refuse(line.decode(errors="replace"), error)
    for at in range(0, len(events), PER_FRAME):
        client.frames.append(events[at : at + PER_FRAME])
        client.work(UNDER_WAY)
client.work(0)
print(f"{client.acknowledged} events acknowledged, {client.refused} refused")
sys.exit(1 if client.refused else 0)
