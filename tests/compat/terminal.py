"""A program in a terminal: keys go in, and what it shows comes out."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading

from place import SECONDS
from wait import until

ESCAPE = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|[=>()78MHD][0B]?)|[\r\x08\x0f]|\$<\d+>")


class Terminal:
    """A terminal of 24 lines and 200 columns with a program in it, which is ended with it."""

    def __init__(self, place, command):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        self.child = place.test.spawn(["bash", "-c", "exec " + command], cwd=place.folder, env=place.environment(),
                                      stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.bytes = b""
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def listen(self):
        """Takes what the program shows, until it has ended."""
        try:
            while data := os.read(self.ours, 65536):
                self.bytes += data
        except OSError:
            pass  # a terminal ends by EIO

    def shown(self):
        """All that was shown so far, without what only moves the cursor."""
        return ESCAPE.sub(b"", self.bytes)

    def wait_for(self, text):
        """Waits until something has been shown."""
        try:
            until(lambda: text in self.shown(), SECONDS, f"{self.child.args} shows {text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it showed {self.shown()[-1000:]!r}") from None

    def press(self, keys):
        """Presses keys."""
        os.write(self.ours, keys.encode())

    def wait_for_end(self):
        """The program ends by itself, and well."""
        if self.child.wait(SECONDS) != 0:
            raise AssertionError(f"{self.child.args}: status {self.child.returncode}; it showed {self.shown()!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(SECONDS)
        self.reader.join(SECONDS)
        os.close(self.ours)
