"""libclog as a program finds it: installed, by its header, its pkg-config file and its symbols."""

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from wait import until  # noqa: E402

CLOGD, BUILD, SOURCE, *CC = sys.argv[1:]


def run(*command, **more):
    """What a program prints; it fails when that does."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def free_address():
    """An address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Options(ctypes.Structure):
    """struct clog_options."""

    _fields_ = [("servers", ctypes.c_char_p), ("tls_folder", ctypes.c_char_p), ("token_file", ctypes.c_char_p),
                ("deadline_ms", ctypes.c_uint32)]


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="clog-library-test.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.folder)
        cls.package = cls.find("clog.pc")
        environment = {**os.environ, "PKG_CONFIG_LIBDIR": os.path.dirname(cls.package),
                       "PKG_CONFIG_SYSROOT_DIR": cls.folder}
        cls.flags = run("pkg-config", "--cflags", "--libs", "clog", env=environment).split()

    @classmethod
    def find(cls, name):
        """The one file of that name that was installed."""
        found = [os.path.join(place, name) for place, _, files in os.walk(cls.folder) if name in files]
        if len(found) != 1:
            raise AssertionError(f"{name}: {found}")
        return found[0]

    def test_the_library_shows_what_the_header_declares_and_nothing_else(self):
        symbols = run("nm", "-D", "--defined-only", self.find("libclog.so.0.1.0")).splitlines()
        shown = {line.split()[2].split("@")[0] for line in symbols} - {"CLOG_0"}
        with open(self.find("clog.h"), encoding="utf-8") as header:
            declared = set(re.findall(r"^[a-z][\w \*]*?\b(clog_\w+)\(", header.read(), re.MULTILINE))
        self.assertEqual(shown, declared)
        self.assertIn("clog_open", shown)

    def test_the_library_has_a_version_in_its_name(self):
        library = self.find("libclog.so.0.1.0")
        self.assertIn("libclog.so.0\n", run("objdump", "-p", library).replace(" ", "").replace("SONAME", ""))
        for link in ("libclog.so", "libclog.so.0"):
            self.assertTrue(os.path.samefile(os.path.join(os.path.dirname(library), link), library))

    def test_the_header_is_c11_and_cplusplus_as_it_is(self):
        include = os.path.dirname(self.find("clog.h"))
        for words in (["-std=c11", "-x", "c"], ["-std=c++17", "-x", "c++"]):
            if "c++" in words and not shutil.which("c++"):
                continue
            compiler = ["c++"] if "c++" in words else CC
            run(*compiler, *words, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", include, "-",
                input="#include <clog.h>\nint main(void) { return clog_unknown(0); }\n")

    def test_the_example_does_what_it_shows(self):
        program = os.path.join(self.folder, "example")
        run(*CC, "-std=c11", "-Wall", "-Wextra", "-Werror", os.path.join(SOURCE, "docs", "client_example.c"), *self.flags,
            "-o", program)
        environment = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(self.find("libclog.so.0.1.0"))}
        address = free_address()
        self.start("served", address)
        self.assertEqual(until(lambda: self.example(program, address, environment), 30, "a member serves the example"),
                         "0: one\n1: two\n2: three\n")

    def start(self, name, address):
        """Starts a member, which ends with the test."""
        said = open(os.path.join(self.folder, name + ".said"), "ab")
        self.addCleanup(said.close)
        clogd = subprocess.Popen([CLOGD, "--data", os.path.join(self.folder, name), "--name", "one", "--grpc", address],
                                 stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        self.addCleanup(clogd.wait, 30)
        self.addCleanup(clogd.terminate)
        return clogd

    def test_a_handle_outlives_its_server(self):
        library = ctypes.CDLL(self.find("libclog.so.0.1.0"))
        address = free_address()
        server = self.start("outlived", address)
        log, offset, sentence = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.create_string_buffer(512)
        options = Options(servers=address.encode(), deadline_ms=30000)
        self.assertEqual(library.clog_open(ctypes.byref(log), ctypes.byref(options), sentence), 0, sentence.value)
        self.addCleanup(library.clog_close, log)
        for number in range(3):
            self.assertEqual(library.clog_append(log, b"record", ctypes.c_size_t(6), ctypes.byref(offset)), 0)
            self.assertEqual(offset.value, number)
            server.kill()
            server.wait(30)
            server = self.start("outlived", address)

    @staticmethod
    def example(program, address, environment):
        """What the example prints; empty while there is no server."""
        done = subprocess.run([program, address], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, check=False, text=True)
        return done.stdout


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
