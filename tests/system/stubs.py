"""gRPC's stock client, with stubs that are made from proto/ when they are asked for."""

import atexit
import os
import subprocess
import sys
import tempfile

import grpc

PROTO = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../proto")


def generate():
    """Makes the stubs and imports them."""
    folder = tempfile.TemporaryDirectory(prefix="clog-stubs.")
    atexit.register(folder.cleanup)
    plugin = subprocess.run(["which", "grpc_python_plugin"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["protoc", "--proto_path", PROTO, "--python_out", folder.name, "--grpc_python_out", folder.name,
                    "--plugin=protoc-gen-grpc_python=" + plugin, "log.proto", "health.proto", "clog.proto", "reflection.proto"], check=True, timeout=60)
    sys.path.insert(0, folder.name)
    sys.dont_write_bytecode = True


generate()
import clog_pb2  # noqa: E402
import clog_pb2_grpc  # noqa: E402
import health_pb2  # noqa: E402
import health_pb2_grpc  # noqa: E402
import log_pb2  # noqa: E402
import log_pb2_grpc  # noqa: E402
import reflection_pb2  # noqa: E402
import reflection_pb2_grpc  # noqa: E402

SERVING = health_pb2.HealthCheckResponse.SERVING
DEADLINE_S = 30


class Client:
    """A channel to a member, and its calls."""

    def __init__(self, address, tls=None, name=None, token=None, bare=False, options=()):
        """With the certificate that is in a folder, by the name of the server; with a token instead; or, bare, as nobody."""
        options = [("grpc.max_receive_message_length", 2 << 20), ("grpc.max_send_message_length", 3 << 20),
                   ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), *options]
        if tls:
            options += [("grpc.ssl_target_name_override", name)] if name else []
            credentials = self.credentials(tls, token or bare)
            if token:
                credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
            self.channel = grpc.secure_channel(address, credentials, options)
        else:
            self.channel = grpc.insecure_channel(address, options)
        self.log = log_pb2_grpc.LogStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)
        self.clog = clog_pb2_grpc.ClogStub(self.channel)

    @staticmethod
    def credentials(folder, bare=False):
        """Those of a folder that clog cert made; bare: without a certificate."""
        def content(name):
            with open(os.path.join(folder, name), "rb") as file:
                return file.read()
        if bare:
            return grpc.ssl_channel_credentials(content("ca.pem"))
        return grpc.ssl_channel_credentials(content("ca.pem"), content("key.pem"), content("cert.pem"))

    def close(self):
        self.channel.close()

    def produce(self, value, timeout=DEADLINE_S, **more):
        """Appends a record and gives its offset."""
        return self.log.Produce(request(value, **more), timeout=timeout).offset

    def consume(self, offset, timeout=DEADLINE_S):
        """Gives a record."""
        return self.log.Consume(log_pb2.ConsumeRequest(offset=offset), timeout=timeout).record

    def follow(self, offset, timeout=DEADLINE_S):
        """Gives an iterator over records, which cancel() ends."""
        return self.log.ConsumeStream(log_pb2.ConsumeRequest(offset=offset), timeout=timeout)

    def produce_all(self, requests, timeout=DEADLINE_S):
        """Appends what requests gives, and gives an iterator over the answers."""
        return self.log.ProduceStream(requests, timeout=timeout)

    def servers(self):
        return self.log.GetServers(log_pb2.GetServersRequest(), timeout=DEADLINE_S).servers

    def check(self, service="", timeout=DEADLINE_S):
        """The status of a service."""
        return self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout).status

    def watch(self, service="", timeout=DEADLINE_S):
        """Gives an iterator over the statuses of a service."""
        return self.health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=timeout)


def request(value, **more):
    """A request to append a record."""
    return log_pb2.ProduceRequest(record=log_pb2.Record(value=value), **more)
