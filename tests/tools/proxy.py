# SPDX-License-Identifier: GPL-2.0-or-later
#
# proxy.py PORT-FILE LOG: a proxy for plain HTTP on 127.0.0.1. It passes requests and answers on as they are, writes its port into PORT-FILE, and a line "METHOD ADDRESS STATUS" into LOG for each.

import http.client
import http.server
import os
import sys
from urllib.parse import urlsplit

PORT_FILE, LOG = sys.argv[1:]
HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "transfer-encoding", "expect"}


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        there = urlsplit(self.path)
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else None
        up = http.client.HTTPConnection(there.hostname, there.port, timeout=60)
        up.putrequest(self.command, self.path[len(f"{there.scheme}://{there.netloc}"):] or "/", skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                up.putheader(name, value)
        up.endheaders(body)
        answer = up.getresponse()
        text = answer.read()
        with open(LOG, "a") as log:
            log.write(f"{self.command} {self.path} {answer.status}\n")
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        up.close()

    do_GET = do_HEAD = do_PUT = do_POST = pass_on

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
with open(PORT_FILE + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
