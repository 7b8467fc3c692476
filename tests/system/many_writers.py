"""Many shells that append at once."""

import os
import re
import threading

import member

SHELLS = 16
RECORDS = 3000 if member.soak() else 1000

# Every other shell opens anew for each record, as `echo >>` does; the others keep one descriptor. The tail of a record
# depends on its number, so that a record that lost or took bytes does not look like a whole one.
OPENING = """
pad=................................................................
for ((i = 0; i < $2; i++)); do echo "shell $1 record $i ${pad:0:i%64}|" >> mnt/append || exit 1; done
"""
KEEPING = """
pad=................................................................
exec 3>>mnt/append
for ((i = 0; i < $2; i++)); do echo "shell $1 record $i ${pad:0:i%64}|" >&3 || exit 1; done
"""


class ManyWriters(member.MemberTest):
    """16 shells."""

    limit_s = 90

    def test_each_record_is_whole_and_each_shells_are_in_its_order(self):
        shells = [self.spawn(["bash", "-c", KEEPING if i % 2 else OPENING, "bash", str(i), str(RECORDS)])
                  for i in range(SHELLS)]
        for shell in shells:
            self.assertEqual(shell.wait(self.limit_s), 0)
        self.assertEqual(self.next(), SHELLS * RECORDS)
        following = [0] * SHELLS
        records = []
        for offset in range(SHELLS * RECORDS):
            record = self.record(offset)
            match = re.fullmatch(rb"shell (\d+) record (\d+) (\.*)\|\n", record)
            self.assertTrue(match, f"record {offset} is {record!r}")
            shell, number = int(match[1]), int(match[2])
            self.assertEqual(number, following[shell], f"record {offset} is {record!r}")
            self.assertEqual(len(match[3]), number % 64, f"record {offset} is {record!r}")
            following[shell] += 1
            records.append(record)
        self.assertEqual(following, [RECORDS] * SHELLS)
        self.assert_log(records, each=False)

    def test_more_than_fits_in_memory_waits_its_turn(self):
        size, writers = 1_044_480, 128
        failures, taken = [], set()

        def write(number):
            """Two records as large as they may be; every fourth writer will not wait."""
            flags = os.O_RDWR | (os.O_NONBLOCK if number % 4 == 0 else 0)
            handle = os.open(self.member.path("append"), flags)
            try:
                for half in range(2):
                    try:
                        os.write(handle, (b"%04d %d " % (number, half)).ljust(size, b"%x" % (number % 16)))
                        taken.add((number, half, int(os.read(handle, 100))))
                    except BlockingIOError:
                        if number % 4:
                            raise
            except OSError as error:
                failures.append(error)
            finally:
                os.close(handle)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreaterEqual(len(taken), writers * 2 * 3 // 4)
        self.assertEqual(self.next(), len(taken))
        for number, half, offset in taken:
            whole = (b"%04d %d " % (number, half)).ljust(size, b"%x" % (number % 16))
            self.assert_same(self.record(offset), whole, f"record {offset}")


if __name__ == "__main__":
    member.main()
