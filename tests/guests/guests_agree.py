"""The same scenarios with three guests: scripted, ns-3's TCP, the Linux kernel's. Both ends' applications must
see what the scenario says, and the same with all three.

    guests_agree.py PATH-OF-simulated_guests        (DASHI in the environment: the dashi program)

Ends with 77 where Linux has no namespaces to be a guest in; the others are compared even so.
"""
from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from scenarios import PLAYS, End, EndSeen, Play, Seen, comparable, faults

HERE = Path(__file__).resolve().parent
IN_LAB = HERE.parent / "linux" / "in_lab.sh"
LOSSES_PPM = (10_000, 50_000)
SKIPPED = 77


def simulated(program: str, engine: str, loss_ppm: int, plays: list[Play]) -> dict[str, Seen]:
    def end(e: End) -> str:
        return f"{e.sends} {e.answers:d} {e.finishes:d} {e.aborts_at} {e.late:d}"

    lines = [f"{p.name} {p.guest_calls:d} {p.ipv6:d} {p.scenario.refused:d} {end(p.scenario.guest)}"
             f" {end(p.scenario.server)}\n" for p in plays]
    done = subprocess.run([program, engine, str(loss_ppm)], input="".join(lines), text=True,
                          stdout=subprocess.PIPE, timeout=150)
    seen = {}
    for line in done.stdout.splitlines():
        name, *words = line.split(" ", 8)
        g_received, g_right, g_end, s_received, s_right, s_end, held = words[:7]
        seen[name] = Seen(EndSeen(int(g_received), g_right == "1", g_end),
                          EndSeen(int(s_received), s_right == "1", s_end), held == "1", " ".join(words[7:]))
    if done.returncode != 0:
        print(f"{engine}: ended with {done.returncode} after {len(seen)} of {len(plays)} plays")
    return seen


def linux(plays: list[Play]) -> dict[str, Seen] | None:
    """None: there is no lab here, and why was printed."""
    done = subprocess.run([str(IN_LAB), sys.executable, str(HERE / "linux_guest.py")], stdout=subprocess.PIPE,
                          text=True, timeout=150)
    if done.returncode == SKIPPED:
        print(done.stdout.strip())
        return None
    if done.returncode != 0:
        print(f"Linux: ended with {done.returncode}")
        return {}
    return {name: Seen(EndSeen(**seen["guest"]), EndSeen(**seen["server"]), seen["held"], seen["troubles"])
            for name, seen in json.loads(done.stdout.splitlines()[-1]).items()}


def judge(plays: list[Play], by_guest: dict[str, dict[str, Seen]]) -> int:
    """Prints in what the guests differ from the scenarios and from each other; how many did."""
    absent = [guest for guest, all_seen in by_guest.items() if not all_seen]
    by_guest = {guest: all_seen for guest, all_seen in by_guest.items() if all_seen}
    bad = len(absent)
    for guest in absent:
        print(guest, "played nothing")
    for play in plays:
        found = []
        for guest, all_seen in by_guest.items():
            seen = all_seen.get(play.name)
            found += [f"{guest}: {fault}" for fault in (faults(play, seen) if seen else ["did not play it"])]
        records = {comparable(play, seen[play.name]) for seen in by_guest.values() if play.name in seen}
        if len(records) > 1:
            found += [f"they differ; {guest}: {seen.get(play.name)}" for guest, seen in by_guest.items()]
        if found:
            bad += 1
            print(play.name, *found, sep="\n    ")
    return bad


def main() -> int:
    program, plays = sys.argv[1], list(PLAYS)
    began = time.monotonic()
    clean = {engine: simulated(program, engine, 0, plays) for engine in ("native", "ns3")}
    on_linux = linux(plays)
    if on_linux is not None:
        clean["linux"] = on_linux
    bad = judge(plays, clean)
    print(f"clean link: {len(plays)} plays by {', '.join(clean)}: {bad} not as they should be")
    # Loss asks the same of TCP over either family.
    plays = [play for play in plays if play.scenario.lossy and play.guest_calls != play.ipv6]
    for loss_ppm in LOSSES_PPM:
        lossy = {engine: simulated(program, engine, loss_ppm, plays) for engine in ("native", "ns3")}
        lost = judge(plays, lossy)
        bad += lost
        print(f"{loss_ppm // 10_000} % loss: {len(plays)} plays by {', '.join(lossy)}: {lost} not as they should be")
    print(f"{time.monotonic() - began:.1f} s")
    if bad:
        return 1
    return 0 if on_linux is not None else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
