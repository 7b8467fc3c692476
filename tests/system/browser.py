"""A real browser at the HTTP door: the dashboard, tails in pages of the door's own, and pages of others, which get nothing.

CLOG_PICTURES names a folder for pictures of the dashboard.
"""

import hashlib
import http.server
import os
import random
import threading

import jwt
import member
import stubs
from chromium import Browser
from cluster import clog
from http_client import Door, encode
from wait import until

PORT = 7480
HOSTILE = b"<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"

# In a page of the door's: both kinds of tail, and what they told.
TAILS = """
window.told = {sse: [], ids: [], ws: [], opened: 0, socketOpened: 0};
window.source = new EventSource('/v1/tail?from=0');
source.onopen = () => told.opened++;
source.onmessage = event => { told.sse.push(JSON.parse(event.data).offset); told.ids.push(event.lastEventId); };
let next = 0;
function connect() {
  const socket = new WebSocket(`ws://${location.host}/v1/tail?from=${next}`);
  socket.onopen = () => told.socketOpened++;
  socket.onmessage = event => { const {offset} = JSON.parse(event.data); told.ws.push(offset); next = offset + 1; };
  socket.onclose = () => setTimeout(connect, 200);
}
connect();
"""

# In a page of somebody else's: each way to write, and to read, that a browser has. What each came to.
ATTACKS = """
const door = arguments[0], found = {};
const attempt = async (name, work) => {
  const late = new Promise(resolve => setTimeout(() => resolve('nothing came'), 3000));
  try { found[name] = await Promise.race([work(), late]); } catch (error) { found[name] = 'failed'; }
};
const post = (path, type, body, more) => async () => {
  const answer = await fetch(door + path, {method: 'POST', headers: {'Content-Type': type}, body, ...more});
  return answer.type === 'opaque' ? 'opaque' : answer.status + await answer.text();
};
const element = (name, attributes) => () => new Promise((resolve, reject) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.onload = () => resolve('loaded');
  made.onerror = reject;
  document.body.append(made);
});
const form = type => () => new Promise(resolve => {
  const frame = Object.assign(document.createElement('iframe'), {name: 'f' + Math.random()});
  document.body.append(frame);
  const made = Object.assign(document.createElement('form'), {action: door + '/v1/records', method: 'POST', enctype: type,
    target: frame.name});
  made.append(Object.assign(document.createElement('textarea'), {name: '{"record":{"value":"', value: 'AAAA"}}'}));
  document.body.append(made);
  frame.onload = () => resolve(frame.contentDocument ? 'seen' : 'loaded');
  made.submit();
});
const json = '{"record":{"value":"AAAA"}}', simple = {mode: 'no-cors'};
await Promise.all([
  attempt('post text, no-cors', post('/v1/records', 'text/plain', 'x', simple)),
  attempt('post form, no-cors', post('/v1/records', 'application/x-www-form-urlencoded', 'a=b', simple)),
  attempt('post JSON as text, no-cors', post('/', 'text/plain', json, simple)),
  attempt('post without a type, no-cors', () => fetch(door + '/v1/records', {...simple, method: 'POST', body: new Blob(['x'])}).then(a => a.type)),
  attempt('post JSON', post('/', 'application/json', json)),
  attempt('post bytes', post('/v1/records', 'application/octet-stream', 'x')),
  attempt('post with an offset', post('/v1/records', 'text/plain', 'x', {headers: {'Clog-Expected-Offset': '1'}})),
  attempt('form', form('application/x-www-form-urlencoded')),
  attempt('form as text', form('text/plain')),
  attempt('form of parts', form('multipart/form-data')),
  attempt('beacon of text', async () => navigator.sendBeacon(door + '/v1/records', 'x') ? 'opaque' : 'failed'),
  attempt('beacon of JSON', async () => navigator.sendBeacon(door + '/', new Blob([json], {type: 'application/json'})) ? 'opaque' : 'failed'),
  attempt('read', async () => (await fetch(door + '/v1/records/0')).text()),
  attempt('read with credentials', async () => (await fetch(door + '/v1/records/0', {credentials: 'include'})).text()),
  attempt('read, no-cors', async () => (await fetch(door + '/v1/records/0', {mode: 'no-cors'})).text()),
  attempt('read as a script', element('script', {src: door + '/v1/records/0'})),
  attempt('read as a picture', element('img', {src: door + '/v1/records/0'})),
  attempt('read as a style', element('link', {rel: 'stylesheet', href: door + '/v1/records/0'})),
  attempt('read as events', () => new Promise((resolve, reject) => {
    const source = new EventSource(door + '/v1/tail?from=0');
    source.onmessage = event => resolve(event.data);
    source.onerror = reject;
  })),
  attempt('read by a WebSocket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(door.replace('http', 'ws') + '/v1/tail?from=0');
    socket.onopen = () => resolve('open');
    socket.onerror = reject;
  })),
]);
return found;
"""
# Who cannot see what became of its request is told this, and no more.
UNSEEN = {"post text, no-cors", "post form, no-cors", "post JSON as text, no-cors", "post without a type, no-cors",
          "beacon of text", "beacon of JSON", "form", "form as text", "form of parts"}


class Page(http.server.BaseHTTPRequestHandler):
    """A page of somebody else's, without a policy of its own. Posts are counted."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title><body>")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(self.headers["Content-Type"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Pages(member.MemberTest):
    """One member that serves HTTP, and one browser for all."""

    limit_s = 60

    @classmethod
    def setUpClass(cls):
        cls.net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        cls.browser = Browser(f"--host-resolver-rules=MAP rebound.test {cls.net}.1")
        cls.addClassCleanup(cls.browser.close)

    def new_member(self, name="one", *options):
        self.address = f"{self.net}.1:{PORT}"
        self.door = Door(self.address)
        self.url = f"http://{self.address}"
        return super().new_member(name, "--http", self.address, *options)

    def append(self, *records):
        for record in records:
            self.assertEqual(self.door.post("/v1/records", record).status, 201)

    def told(self):
        return self.browser.run("return window.told")

    def picture(self, name):
        folder = os.environ.get("CLOG_PICTURES")
        if folder:
            self.browser.shoot(os.path.join(folder, name + ".png"))

    def serve(self, host):
        """A page of somebody else's; where it is."""
        server = http.server.ThreadingHTTPServer((host, 0), Page)
        server.posted = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_tails_in_a_page_miss_nothing_when_the_member_starts_again(self):
        self.append(*(b"%d" % i for i in range(20)))
        self.browser.open(self.url + "/ui")
        self.browser.run(TAILS)

        def both(count):
            return [self.told()[kind][-1:] for kind in ("sse", "ws")] == [[count - 1]] * 2
        until(lambda: both(20), 20, "both tails tell what was there before")
        self.append(*(b"%d" % i for i in range(20, 30)))
        until(lambda: both(30), 20, "both tails tell what is appended")
        self.member.stop()
        # What is appended before they are back, they are told all the same.
        self.member.start()
        self.append(*(b"%d" % i for i in range(30, 40)))
        until(lambda: both(40), 30, "both tails are back")
        told = self.told()
        self.assertEqual((told["sse"], told["ws"]), (list(range(40)), list(range(40))))
        self.assertEqual(told["ids"], [str(i) for i in range(40)])
        self.assertGreaterEqual(min(told["opened"], told["socketOpened"]), 2, "they were away")
        self.browser.run("source.close()")

    def test_pages_of_others_neither_write_nor_read(self):
        self.append(b"secret()")
        # What the door's own page may.
        self.browser.open(self.url + "/ui")
        post = "return (await fetch('/v1/records', {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: 'own'})).status"
        self.assertEqual(self.browser.run(post), 201)
        self.assertEqual(self.browser.run("return (await fetch('/v1/records/1')).text()"), "own")
        # Another port, and with it another origin of the same site; another host, and with it another site.
        for host, named in ((f"{self.net}.1", f"{self.net}.1"), (f"{self.net}.2", f"{self.net}.2"), ("127.0.0.1", "localhost")):
            self.browser.open(f"http://{named}:{self.serve(host).server_port}/")
            found = self.browser.run(ATTACKS, self.url)
            for name, outcome in found.items():
                expected = {"opaque", "loaded", "failed", "nothing came"} if name in UNSEEN else {"failed", ""}
                self.assertIn(outcome, expected, f"{name} from {named}")
        self.assertEqual(self.next(), 2, "nothing was appended")
        # The same against who does not mind: it was the door that refused them.
        careless = self.serve(f"{self.net}.3")
        found = self.browser.run(ATTACKS, f"http://{self.net}.3:{careless.server_port}")
        self.assertLessEqual({found[name] for name in UNSEEN}, {"opaque", "loaded"}, found)
        self.assertEqual(len(careless.posted), len(UNSEEN) - 1, careless.posted)

    def test_a_name_that_is_made_to_point_here_gets_nothing(self):
        self.append(b"secret")
        for path in ("/ui", "/v1/records/0", "/"):
            self.browser.open(f"http://rebound.test:{PORT}{path}")
            shown = self.browser.text("body")
            self.assertIn("EACCES", shown)
            self.assertNotIn("secret", shown)
        post = "return (await fetch('/v1/records', {method: 'POST', headers: {'Content-Type': 'application/octet-stream'}, body: 'x'})).status"
        self.browser.open(f"http://rebound.test:{self.serve(f'{self.net}.1').server_port}/")
        self.assertEqual(self.browser.run("return location.hostname"), "rebound.test")
        found = self.browser.run(ATTACKS, f"http://rebound.test:{PORT}")
        self.assertFalse([name for name, outcome in found.items() if name not in UNSEEN and outcome not in ("failed", "")])
        self.browser.open(f"http://rebound.test:{PORT}/livez")
        self.assertIn("EACCES", self.browser.text("body"))
        with self.assertRaisesRegex(Exception, "Refused|violates|Failed to fetch"):
            self.browser.run(post)
        self.assertEqual(self.next(), 1, "nothing was appended")

    def test_browsers_get_the_dashboard_and_the_books_clients_their_record(self):
        self.append(b"data")
        page, root = self.door.get("/ui"), self.door.get("/", Accept="text/html,*/*;q=0.8")
        self.assertEqual((page.status, root.status, root.body), (200, 200, page.body))
        policy = root.headers.get_all("Content-Security-Policy")
        self.assertEqual(len(policy), 1)
        self.assertIn("default-src 'none'; script-src 'sha256-", policy[0])
        self.assertNotIn("unsafe", policy[0])
        self.assertNotRegex(page.body.decode(), r"(src|href)=.?(https?:|/)| on\w+=")
        book = self.door.ask("GET", "/", '{"offset":0}', Accept="text/html")
        self.assertEqual(book.json, {"record": {"value": encode(b"data"), "offset": 0}})
        self.assertEqual(self.door.get("/", Accept="application/json").status, 400)

    def test_the_dashboard_shows_the_log_and_runs_nothing_of_it(self):
        self.append(b"hello\n", HOSTILE, "päärynä ‮txet\n".encode(), b"\0\xff\xfe binary", b"a" * 5000)
        self.browser.complaints()
        self.browser.open(self.url + "/")
        until(lambda: self.browser.text("#next") == "5" and "aaaa" in self.browser.text("#records"), 20, "it shows the log")
        shown = self.browser.text("#records")
        self.assertIn(HOSTILE.decode(), shown)
        self.assertIn("päärynä", shown)
        self.assertNotIn("‮", shown)
        self.assertIn("(5000 bytes)", shown)
        self.assertEqual(self.browser.text("#leader"), "one")
        self.assertEqual(self.browser.text("#health"), "ok")
        self.assertIn("one (this one)", self.browser.text("#members"))
        self.assertIn("voter", self.browser.text("#members"))
        self.append(*(b"record %d of a busy minute" % i for i in range(60)))
        until(lambda: "record 59" in self.browser.text("#records"), 20, "it goes on")
        until(lambda: self.browser.text("#next") == "65", 20, "it counts on")
        self.picture("light")
        self.browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.picture("dark")
        self.browser.command("Emulation.setEmulatedMedia", features=[])
        self.assertEqual(self.browser.run("return [document.title, document.images.length, document.scripts.length]"),
                         ["clog one", 0, 1])
        self.assertEqual(self.browser.complaints(), [])
        # A script that gets into the page all the same is not run.
        self.browser.run("const s = document.createElement('script'); try { s.text = \"document.title = 'owned'\" } catch {}"
                         "document.body.append(s)")
        self.assertEqual(self.browser.run("return document.title"), "clog one")
        self.assertTrue(self.browser.complaints())
        # Without the member it says so, and goes on once it is back.
        self.member.stop()
        until(lambda: self.browser.text("#health") == "not answering", 20, "it says that there is no answer")
        self.member.start()
        self.append(b"after the start")
        until(lambda: "after the start" in self.browser.text("#records"), 20, "it goes on")
        until(lambda: self.browser.text("#health") == "ok", 20, "it says that all is well again")

    def test_the_dashboard_asks_with_a_token_that_nothing_keeps(self):
        folder, token = self.member.folder, "clog_" + jwt.encode(os.urandom(32))
        def cert(*arguments):
            self.run_program([clog(), "cert", *arguments])
        self.member.stop()
        cert("init", folder + "/ca", "--cluster", "test")
        cert("member", folder + "/ca", "one", "--host", f"{self.net}.1", "--out", folder + "/one")
        cert("client", folder + "/ca", "ops", "--out", folder + "/ops")
        self.member.options += ("--tls", folder + "/one", "--grpc", f"{self.net}.1:8400")
        self.member.start()
        ops = stubs.Client(f"{self.net}.1:8400", folder + "/ops")
        self.addCleanup(ops.close)
        ops.produce(b"behind the token\n")
        value = f"clog-token/1 grants=consume,observe created=1 until=0 sha256={hashlib.sha256(token.encode()).hexdigest()}"
        stubs.clog_pb2_grpc.ClogStub(ops.channel).Command(stubs.clog_pb2.CommandRequest(
            kind=6, key="token/page", setting=value.encode()), timeout=20)
        url = f"https://{self.address}/"
        self.browser.open(url)
        until(lambda: "401" in (self.browser.text("#said") or ""), 20, "it says that a token is needed")
        self.assertNotIn("behind", self.browser.text("body"))
        self.browser.type("#token", token)
        until(lambda: "behind the token" in self.browser.text("#records"), 20, "it shows the log")
        until(lambda: self.browser.text("#health") == "ok", 20, "and the status")
        self.assertEqual(self.browser.run("return [localStorage.length, sessionStorage.length, document.cookie, location.href]"),
                         [0, 0, "", url])
        self.assertNotIn(token, self.browser.run("return document.documentElement.outerHTML"))
        self.browser.open(url)
        until(lambda: "401" in (self.browser.text("#said") or ""), 20, "it has forgotten the token")
        self.assertEqual(self.browser.run("return document.querySelector('#token').value"), "")
        self.assertNotIn(token, self.member.told())


if __name__ == "__main__":
    member.main()
