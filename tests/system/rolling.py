"""What is done to a cluster in a day's work while it is written to: each member restarted in turn, and certificates
replaced. No write fails through the members that stay, and all that was acknowledged is there, once."""

import os

from member import main, read
from wait import until
from writing import WritingTest


class Rolling(WritingTest):
    limit_s = 120

    def test_members_restart_in_turn_and_no_write_fails_through_the_others(self):
        everything = []
        for member in self.members:
            writers = self.writers([other for other in self.members if other is not member], "." + member.name)
            self.wait_for_more(writers)
            self.assertEqual(member.stop(), 0)
            self.wait_for_more(writers)
            member.launch()
            self.wait_for_voters(3)
            self.wait_for_more(writers)
            for writer in writers:
                writer.stop()
            everything += writers
        self.assert_written(everything)

    def test_the_leader_that_stops_hands_over_first(self):
        leader = self.leading()
        other = next(member for member in self.members if member is not leader)
        writers = self.writers([other])
        self.wait_for_more(writers)
        term = int(read(other.path("status/term")))
        self.assertEqual(leader.stop(), 0)
        self.wait_for_more(writers)
        self.assertNotEqual(self.leader(other), leader.name)
        # Nobody had to find out that it is gone: the one that it chose began the next term.
        self.assertEqual(int(read(other.path("status/term"))), term + 1)
        leader.launch()
        self.wait_for_voters(3)
        self.assert_written(writers)

    def test_certificates_are_replaced_under_load(self):
        writers = self.writers(self.members)
        self.wait_for_more(writers)
        for number, member in enumerate(self.members, 1):
            loaded = member.told().count("event=certificates_loaded")
            self.issue(number)
            until(lambda m=member, n=loaded: m.told().count("event=certificates_loaded") > n, 30, "they are loaded")
            self.wait_for_more(writers)
        # Connections to come are made with the new ones.
        self.members[2].kill()
        dead = writers.pop()
        until(lambda: dead.error, 30, "its writer finds out")
        self.members[2].launch()
        self.wait_for_voters(3)
        self.wait_for_more(writers)
        # A bad one is told of, and the old one kept.
        bad = f"{self.authority.name}/n2/cert.pem"
        with open(bad + ".new", "wb") as file:
            file.write(b"no certificate\n")
        os.rename(bad + ".new", bad)
        until(lambda: "event=certificates_kept" in self.members[1].told(), 30, "the bad one is told of")
        self.wait_for_more(writers)
        self.issue(2)
        self.members[1].process.send_signal(1)
        for writer in writers:
            writer.stop()
            self.assertIsNone(writer.error)


if __name__ == "__main__":
    main()
