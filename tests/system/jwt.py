"""JSON Web Tokens, right ones and wrong ones, signed by openssl."""

import base64
import hashlib
import hmac
import json
import subprocess


def encode(data):
    """base64url, without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(key, claims, algorithm):
    """What is signed: header and claims."""
    header = {"alg": algorithm, "typ": "JWT", "kid": key}
    return ".".join(encode(json.dumps(part).encode()) for part in (header, claims))


def unsigned(key, claims):
    """A token that says that it needs no signature."""
    return signed(key, claims, "none") + "."


class Key:
    """A key of RSA in a file, and its public half in another."""

    def __init__(self, path, public):
        self.path, self.public = path, public
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path],
                       check=True, timeout=60, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", public], check=True, timeout=60)

    def sign(self, key, claims):
        """A token by RS256."""
        text = signed(key, claims, "RS256")
        made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=text.encode(), check=True, timeout=60,
                              capture_output=True).stdout
        return f"{text}.{encode(made)}"

    def sign_by_public(self, key, claims):
        """A token by HS256, whose secret is what everybody may know."""
        text = signed(key, claims, "HS256")
        with open(self.public, "rb") as file:
            return f"{text}.{encode(hmac.new(file.read(), text.encode(), hashlib.sha256).digest())}"
