"""The index of scenarios/README.md: every row is there, and every script that it names."""
import pathlib
import re
import sys


def main(scenarios: pathlib.Path) -> int:
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
    for script in sorted(scenarios.rglob("*.pkt")):
        first = script.read_text().split("\n--", 1)[0].split("\n 0", 1)[0]
        if not re.search(r"RFC|IEEE|Linux|Virtio|design", first):
            wrong.append(f"{script.relative_to(scenarios)} does not say by which rule")
    print("\n".join(wrong) or f"{len(named)} scripts are named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
