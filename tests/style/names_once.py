"""names_once: no name is defined by two rooms' libraries: the linker would take the first one, in silence.

    names_once.py NM LIBRARY...
"""
import collections
import os
import subprocess
import sys


def defined(nm, library):
    """The names that the library defines for others."""
    listing = subprocess.run([nm, '--extern-only', '--defined-only', library], check=True, capture_output=True,
                             text=True).stdout
    return {line.split()[-1] for line in listing.splitlines() if len(line.split()) == 3}


def twice(nm, libraries):
    places = collections.defaultdict(list)
    for library in libraries:
        for name in defined(nm, library):
            # What a sanitizer or the compiler makes is the same everywhere.
            if not name.startswith('__'):
                places[name].append(os.path.basename(library))
    return {name: found for name, found in places.items() if len(found) > 1}


def main():
    found = twice(sys.argv[1], sys.argv[2:])
    for name, libraries in sorted(found.items()):
        print(f'{name}: defined in {" and ".join(libraries)}')
    if len(sys.argv) < 4:
        print('names_once: fewer than two libraries to compare')
        return 1
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
