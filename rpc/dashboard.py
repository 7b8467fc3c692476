"""Makes a header of the dashboard: its bytes, and a Content-Security-Policy under which the script and the style that stand
in it run, by their hashes, and nothing else does.

    dashboard.py dashboard.html dashboard.h
"""

import base64
import hashlib
import re
import sys


def sources(page, element):
    """The hashes of all that stands in elements of a name, as a policy has them."""
    found = re.findall(rf"<{element}>(.*?)</{element}>".encode(), page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in found)


def main():
    with open(sys.argv[1], "rb") as file:
        page = file.read()
    policy = "; ".join([
        "default-src 'none'", "script-src " + sources(page, "script"), "style-src " + sources(page, "style"),
        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'"])
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write(f'#define DASHBOARD_POLICY "{policy}"\n')
        file.write("static const unsigned char dashboard_page[] = {\n")
        file.writelines(",".join(map(str, page[i:i + 32])) + ",\n" for i in range(0, len(page), 32))
        file.write("};\n")


if __name__ == "__main__":
    main()
