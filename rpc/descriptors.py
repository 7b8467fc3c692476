"""Makes a header of what protoc says of the .proto files that are served: each file's descriptor, and the names in it.

    descriptors.py descriptors.pb descriptors.h
"""

import sys

# Numbers of descriptor.proto's fields.
FILES = 1
NAME = 1
PACKAGE, MESSAGES, ENUMS, SERVICES = 2, 4, 5, 6  # of a file
FIELDS, NESTED, NESTED_ENUMS = 2, 3, 4           # of a message
VALUES = METHODS = 2                             # of an enum, of a service


def varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at


def parts(data, wanted):
    """What a message has under a number, in order: all that is asked for is of bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        size = 0
        if key & 7 == 0:
            _, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}[key & 7]
        if key == wanted << 3 | 2:
            found.append(data[at:at + size])
        at += size
    return found


def name(data):
    return parts(data, NAME)[0].decode()


def below(scope, data, kind):
    """The full names of what stands in something."""
    return [f"{scope}.{name(part)}" for part in parts(data, kind)]


def of_messages(scope, data, kind, enums):
    for part in parts(data, kind):
        full = f"{scope}.{name(part)}"
        yield full
        yield from below(full, part, FIELDS)
        yield from of_messages(full, part, NESTED, NESTED_ENUMS)
    for part in parts(data, enums):
        yield f"{scope}.{name(part)}"
        yield from below(scope, part, VALUES)  # as in C++, they stand beside it


def symbols(file):
    package = parts(file, PACKAGE)[0].decode()
    for service in parts(file, SERVICES):
        yield f"{package}.{name(service)}"
        yield from below(f"{package}.{name(service)}", service, METHODS)
    yield from of_messages(package, file, MESSAGES, ENUMS)


def main():
    with open(sys.argv[1], "rb") as file:
        files = parts(file.read(), FILES)
    with open(sys.argv[2], "w", encoding="ascii") as out:
        for number, file in enumerate(files):
            out.write(f"static const unsigned char descriptor_{number}[] = {{\n")
            out.writelines(",".join(map(str, file[i:i + 32])) + ",\n" for i in range(0, len(file), 32))
            out.write("};\n")
            listed = ", ".join(f'"{symbol}"' for symbol in symbols(file))
            out.write(f"static const char *const symbols_{number}[] = {{{listed}, NULL}};\n")
        out.write("static const struct descriptor descriptors[] = {\n")
        for number, file in enumerate(files):
            out.write(f'{{"{name(file)}", descriptor_{number}, sizeof descriptor_{number}, symbols_{number}}},\n')
        out.write("};\n")
        services = [service for file in files for service in below(parts(file, PACKAGE)[0].decode(), file, SERVICES)]
        listed = ", ".join(f'"{service}"' for service in services)
        out.write(f"static const char *const services[] = {{{listed}}};\n")


if __name__ == "__main__":
    main()
