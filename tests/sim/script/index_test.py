"""The scripts of scenarios/: the README's index has every row, and every script that it names is there;
each script says its rule; no two differ only in numbers, strings or addresses."""
import pathlib
import re
import sys

PLACES = "guest|gateway|server|host|neighbor|loopback|nowhere|elsewhere"
# Whichever begins first: a string has no comments in it, a comment no strings.
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|(?s:/\*.*?\*/)|(?<!\S)(?://|#)[^\n]*')
# What two scripts may not differ in alone, one after another.
SAME = (
    (r"--ip_version=\S*", " "),
    (r"\[[0-9a-f:.]+\]|[0-9a-f]*(:[0-9a-f]*){2,}", "N"),  # IPv6, Ethernet
    (r"(?<![\w.])[a-z][\w-]*(\.[a-z][\w-]*)+", "N"),  # DNS names
    (r"\$\w+", "N"),
    (r"\+?\.?\b\d[\w.]*", "N"),  # numbers, times, IPv4
    (rf"\b({PLACES})\b", "N"),
    (r"\bN(:N)+", "N"),
    (r"\s+", " "),
)


def shape(script: str) -> str:
    script = QUOTED.sub(lambda found: "N" if found[0][0] == '"' else " ", script)
    for what, becomes in SAME:
        script = re.sub(what, becomes, script)
    return script


# Of each the first two are alike, the third is not.
SHAPES = (
    ('write(4, "a // b", 6) = 6', 'write(4, "c", 1) = 1', 'write(4, "a // b", 6) = -1 EPIPE'),
    ('a // the "name\nb "x"', 'a # another\nb "y"', 'a // the "name\nc "x"'),
    ("dns query www.example.org A", "dns query a.test A", "dns query a.test AAAA"),
    ("udp (5) $port > 53", "udp (7) $other > 53", "udp (5) $port < 53"),
    ("S 0:0(0) from [fd00::2]:1", "S 0:0(0) from 10.0.0.2:1", "S. 0:0(0) from 10.0.0.2:1"),
)


def misjudged() -> list[str]:
    return [f"what is like {a!r} is misjudged" for a, same, other in SHAPES
            if shape(a) != shape(same) or shape(a) == shape(other)]


def equal_scripts(scenarios: pathlib.Path) -> list[str]:
    first: dict[str, str] = {}
    wrong = []
    for script in sorted(scenarios.rglob("*.pkt")):
        name = str(script.relative_to(scenarios))
        other = first.setdefault(shape(script.read_text()), name)
        if other != name:
            wrong.append(f"{name} differs from {other} only in numbers, strings or addresses")
    return wrong


def index_rows(scenarios: pathlib.Path) -> tuple[set[str], list[str]]:
    """The scripts that the index names, and what is wrong with it."""
    index = (scenarios / "README.md").read_text().split("## Index", 1)[1]
    rows = re.findall(r"^\| (\S+) \|(.*)$", index, re.MULTILINE)
    wanted = [str(n) for n in range(1, 26)] + [f"({key})" for key in "123456abcdefghijklm"]
    found = {}
    for key, rest in rows:
        if key != "---" and key in wanted:
            found[key] = re.findall(r"`([a-z0-9]+/[a-z0-9-]+)`", rest)
    wrong = [f"no row {key}" for key in wanted if not found.get(key)]
    named = {name for names in found.values() for name in names}
    wrong += [f"no such script: {name}" for name in sorted(named)
              if not (scenarios / f"{name}.pkt").is_file()]
    return named, wrong


def main(scenarios: pathlib.Path) -> int:
    named, wrong = index_rows(scenarios)
    for script in sorted(scenarios.rglob("*.pkt")):
        first = script.read_text().split("\n--", 1)[0].split("\n 0", 1)[0]
        if not re.search(r"RFC|IEEE|Linux|Virtio|design", first):
            wrong.append(f"{script.relative_to(scenarios)} does not say by which rule")
    wrong += misjudged() + equal_scripts(scenarios)
    print("\n".join(wrong) or f"{len(named)} scripts are named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
