# drgn -q -c DUMP -s VMLINUX vars.py OUT: writes the value of every variable of
# vmlinux as drgn reads it through DWARF, one JSON object a line. Values are as
# docs/json.md says. Names that several symbols share are left out, and per-CPU
# variables are those of CPU 0.
import collections
import json
import sys

from drgn import FaultError, TypeKind, sizeof
from drgn.helpers.linux.percpu import per_cpu

# A variable with more numbers than this is too big to write down.
LIMIT = 3000

# What the kernel's macros make, and no person prints.
GENERATED = ("__func__", "__PRETTY", "__UNIQUE", "__ksym", "__crc", "__pfx")


class TooBig(Exception):
    pass


class Reader:
    """Reads one variable, and counts the values in it."""

    def __init__(self):
        self.left = LIMIT

    def value(self, obj):
        self.left -= 1
        if self.left < 0:
            raise TooBig
        typ = plain(obj.type_)
        kind = typ.kind
        if kind in (TypeKind.INT, TypeKind.FLOAT, TypeKind.BOOL):
            return obj.value_()
        if kind == TypeKind.POINTER:
            return hex(obj.value_())
        if kind == TypeKind.ENUM:
            number = obj.value_()
            return next((e.name for e in typ.enumerators or () if e.value == number), number)
        if kind in (TypeKind.STRUCT, TypeKind.UNION):
            return {name: self.value(obj.member_(name)) for name in members(typ)}
        if kind == TypeKind.ARRAY:
            element = plain(typ.type)
            if element.kind == TypeKind.INT and element.name == "char":
                return bytes(c & 0xFF for c in obj.value_()).split(b"\0")[0].decode("latin-1")
            return [self.value(obj[i]) for i in range(typ.length or 0)]
        return None


def plain(typ):
    while typ.kind == TypeKind.TYPEDEF:
        typ = typ.type
    return typ


def members(typ):
    """The names of members, those of unnamed members among them."""
    for m in typ.members or ():
        if m.name:
            yield m.name
        else:
            yield from members(plain(m.type))


def record(name, var, percpu):
    try:
        rec = {"name": name, "type": var.type_.type_name(), "size": sizeof(var), "address": hex(var.address_)}
    except (TypeError, ValueError):  # of incomplete type, or without an address
        return None
    if percpu[0] <= var.address_ < percpu[1]:
        rec.update(percpu=True, address=None)
        var = per_cpu(var, 0)
    try:
        rec["value"] = Reader().value(var)
    except TooBig:
        rec["big"] = True
    except FaultError:
        rec["error"] = "fault"
    except TypeError:  # such as a member that is an array of any length
        rec["error"] = "type"
    return rec


def main(out):
    percpu = prog.symbol("__per_cpu_start").address, prog.symbol("__per_cpu_end").address
    count = collections.Counter(s.name for s in prog.symbols())
    written = 0
    for name in sorted(n for n in count if count[n] == 1 and not n.startswith(GENERATED)):
        try:
            var = prog.variable(name)
        except LookupError:
            continue
        rec = record(name, var, percpu)
        if rec:
            print(json.dumps(rec), file=out)
            written += 1
    print(written, "variables")


with open(sys.argv[1], "w") as out:
    main(out)
