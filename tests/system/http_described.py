"""docs/openapi.yaml says what the server does: each path and method that it has is there, no other is, and all answers have
the shape, the type and the status that it tells."""

import json
import os
import random

import yaml

import member
from http_client import Door, Events, encode

DESCRIPTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "openapi.yaml")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


class Described(member.MemberTest):
    """One member, asked for all that is described."""

    def new_member(self, name="one", *options):
        self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.1:7480"
        self.door = Door(self.address)
        return super().new_member(name, "--http", self.address, *options)

    def setUp(self):
        super().setUp()
        with open(DESCRIPTION, encoding="utf-8") as file:
            self.description = yaml.safe_load(file)

    def resolve(self, node):
        while "$ref" in node:
            found = self.description
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def check(self, schema, value, where):
        """The value is what the schema says, and has nothing that it does not say."""
        schema = self.resolve(schema)
        if value is None:
            self.assertTrue(schema.get("nullable"), where)
            return
        types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
        self.assertIs(type(value), types[schema["type"]], where)
        if schema["type"] == "object":
            self.assertEqual(set(schema["required"]) - set(value), set(), where)
            self.assertEqual(set(value) - set(schema["properties"]), set(), f"{where} tells what is not described")
            for name, part in value.items():
                self.check(schema["properties"][name], part, f"{where}.{name}")
        elif schema["type"] == "array":
            for part in value:
                self.check(schema["items"], part, where + "[]")
        elif "enum" in schema:
            self.assertIn(value, schema["enum"], where)
        elif schema["type"] == "integer":
            self.assertGreaterEqual(value, schema["minimum"], where)

    def judge(self, path, method, answer, lines=False):
        """An answer is one of those that are described."""
        responses = self.description["paths"][path][method.lower()]["responses"]
        response = self.resolve(responses.get(str(answer.status), responses.get("default", {})))
        where = f"{method} {path} {answer.status}"
        self.assertTrue(response, f"{where} is not described")
        for name in response.get("headers", {}):
            self.assertIn(name, answer.headers, where)
        if "content" not in response:
            self.assertEqual(answer.body, b"", where)
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        self.assertIn(kind, response["content"], where)
        if kind == "application/json":
            self.check(response["content"][kind]["schema"], answer.json, where)
        for line in answer.body.splitlines() if lines else ():
            self.check(response["content"][kind]["schema"], json.loads(line), where)

    def test_answers_are_as_they_are_described(self):
        record = json.dumps({"record": {"value": encode(b"data")}})
        self.judge("/", "POST", self.door.post("/", record, "application/json"))
        self.judge("/", "GET", self.door.ask("GET", "/", '{"offset":0}'))
        self.judge("/", "GET", self.door.ask("GET", "/", '{"offset":7}'))
        self.judge("/v1/records", "POST", self.door.post("/v1/records", b"data"))
        self.judge("/v1/records", "POST", self.door.post("/v1/records", b"data", Clog_Expected_Offset="0"))
        self.judge("/v1/records", "GET", self.door.get("/v1/records"), lines=True)
        self.judge("/v1/records", "GET", self.door.get("/v1/records", Accept="application/octet-stream"))
        one = self.door.get("/v1/records/0")
        self.judge("/v1/records/{offset}", "GET", one)
        self.judge("/v1/records/{offset}", "GET", self.door.get("/v1/records/0", If_None_Match=one.headers["ETag"]))
        self.judge("/v1/records/{offset}", "GET", self.door.get("/v1/records/0", Accept="application/json"))
        self.judge("/v1/records/{offset}", "GET", self.door.get("/v1/records/9"))
        for path in ("/v1/members", "/v1/status", "/metrics", "/livez", "/readyz", "/ui", "/v1/retention", "/v1/tokens"):
            self.judge(path, "GET", self.door.get(path))
        self.judge("/v1/acl", "GET", self.door.get("/v1/acl"))
        kept = json.dumps({"bytes": 1 << 30, "seconds": 0})
        self.judge("/v1/retention", "PUT", self.door.ask("PUT", "/v1/retention", kept, Content_Type="application/json"))
        token = json.dumps({"name": "ci", "grants": ["produce"], "seconds": 60})
        for _ in ("it is made", "there is one"):
            self.judge("/v1/tokens", "POST", self.door.post("/v1/tokens", token, "application/json"))
        self.judge("/v1/tokens", "GET", self.door.get("/v1/tokens"))
        self.judge("/v1/tokens/{name}", "DELETE", self.door.ask("DELETE", "/v1/tokens/ci"))
        self.judge("/v1/acl", "PUT", self.door.ask("PUT", "/v1/acl", "p, cert:ann, *, consume\n"))
        self.judge("/v1/acl", "GET", self.door.get("/v1/acl"))
        self.judge("/v1/acl", "DELETE", self.door.ask("DELETE", "/v1/acl"))
        self.judge("/v1/records", "DELETE", self.door.ask("DELETE", "/v1/records?below=1"))
        events = Events(self.door, "/v1/tail?from=1")
        content = self.description["paths"]["/v1/tail"]["get"]["responses"]["200"]["content"]
        self.assertEqual([events.answer.headers["Content-Type"]], list(content))
        self.check(content["text/event-stream"]["schema"], json.loads(events.next()["data"]), "an event")
        events.close()

    def test_paths_and_methods_are_those_that_are_described(self):
        for path, described in self.description["paths"].items():
            known = {name.upper() for name in described}
            known |= {"HEAD"} & {"HEAD" for name in known if name == "GET"}
            path = path.replace("{offset}", "0").replace("{name}", "none")
            for method in METHODS:
                if method == "HEAD" or (path, method) == ("/v1/tail", "GET"):
                    continue
                status = self.door.ask(method, path).status
                self.assertEqual(status == 405, method not in known, f"{method} {path}")
            refused = self.door.ask("OPTIONS", path)
            self.assertEqual({name.strip() for name in refused.headers["Allow"].split(",")}, known, path)


if __name__ == "__main__":
    member.main()
