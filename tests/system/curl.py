"""curl at the HTTP door, as people and scripts use it."""

import os
import subprocess
import tempfile


class Request:
    """One, to be made by curl."""

    def __init__(self, url, method="GET", body=None, kind=None, **headers):
        self.url, self.method, self.body = url, method, body
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        if kind:
            self.headers["Content-Type"] = kind


class Answer:
    """What came: the status, 0 for none; curl's word for what went wrong, 0 for nothing; headers and bytes."""

    def __init__(self, status, error, head, body):
        self.status, self.error, self.body = status, error, body
        lines = [line.split(": ", 1) for line in head.split("\r\n") if ": " in line]
        self.headers = {name.lower(): text for name, text in lines}


class Curl:
    """Runs it, in a folder of its own that every user may write to."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="clog-curl.")
        self.folder = self.temporary.name
        os.chmod(self.folder, 0o777)
        self.close = self.temporary.cleanup

    def config(self, number, request, tls, token):
        """A request in words of curl's configuration."""
        path = f"{self.folder}/{number}"
        lines = [f'url = "{request.url}"', f'output = "{path}.body"', f'dump-header = "{path}.head"', "max-time = 20",
                 'write-out = "%{http_code} %{exitcode}\\n"', "silent"]
        if request.body is not None:
            with open(path + ".data", "wb") as file:
                file.write(request.body)
            os.chmod(path + ".data", 0o644)
            lines.append(f'data-binary = "@{path}.data"')
        lines.append("head" if request.method == "HEAD" else f'request = "{request.method}"')
        headers = request.headers | ({"Authorization": "Bearer " + token} if token else {})
        quoted = {name: text.replace("\\", "\\\\").replace('"', '\\"') for name, text in headers.items()}
        lines += [f'header = "{name}: {text}"' for name, text in quoted.items()]
        if tls:
            lines.append(f'cacert = "{tls}/ca.pem"')
            if os.path.exists(f"{tls}/cert.pem"):
                lines += [f'cert = "{tls}/cert.pem"', f'key = "{tls}/key.pem"']
        return lines

    def ask(self, *requests, user=None, tls=None, token=None):
        """Makes requests, one after the other, as a user (users.User), with a folder of certificates or of an authority's
        alone, and with a token. Gives what came of each."""
        words = []
        for number, request in enumerate(requests):
            for name in ("body", "head"):
                if os.path.exists(f"{self.folder}/{number}.{name}"):
                    os.unlink(f"{self.folder}/{number}.{name}")
            words += (["next"] if number else []) + self.config(number, request, tls, token)
        prefix = []
        if user:
            groups = ["--groups", ",".join(map(str, user.groups))] if user.groups else ["--clear-groups"]
            prefix = ["setpriv", "--reuid", str(user.uid), "--regid", str(user.gid), *groups]
        said = subprocess.run([*prefix, "curl", "-q", "--config", "-"], input="\n".join(words).encode(), check=False,
                              stdout=subprocess.PIPE, timeout=60).stdout.decode()
        return [Answer(*map(int, line.split()), self.read(number, "head").decode("latin-1"), self.read(number, "body"))
                for number, line in enumerate(said.splitlines())]

    def read(self, number, name):
        path = f"{self.folder}/{number}.{name}"
        if not os.path.exists(path):
            return b""
        with open(path, "rb") as file:
            return file.read()
