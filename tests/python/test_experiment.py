"""The experiment, on every engine this build has."""

from __future__ import annotations

import _thread
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import dashi
import pytest

WAN = dashi.Link(rate="50mbit", delay="10ms")
Make = Callable[..., dashi.Experiment]


@pytest.fixture(params=dashi.ENGINES)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes an experiment of the engine, closed at the end of the test."""
    made: list[dashi.Experiment] = []

    def build(seed: int = 1, wan: dashi.Link = WAN, **more: object) -> dashi.Experiment:
        made.append(dashi.Experiment(seed=seed, engine=request.param, wan=wan, **more))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for experiment in made:
        experiment.close()


@pytest.mark.parametrize("ipv6", [False, True])
def test_transfers_arrive_whole_at_the_links_speed(make: Make, ipv6: bool) -> None:
    lab = make()
    down = lab.download("2MB", ipv6=ipv6)
    assert not down.done and math.isnan(down.goodput)
    lab.run()
    up = lab.upload("500KiB", ipv6=ipv6)
    lab.run()
    assert down.ok and down.received == 2_000_000
    assert up.ok and up.received == 512_000
    assert 10e6 < down.goodput < 50e6
    assert down.completion_time > 2 * 0.010
    assert lab.violations == []
    counters = lab.counters
    assert counters["tcp-bytes-down"] == 2_000_000 and counters["tcp-bytes-up"] == 512_000


@pytest.mark.parametrize("ipv6", [False, True])
def test_echoes_take_the_round_trip(make: Make, ipv6: bool) -> None:
    lab = make()
    results = [lab.ping(5, interval="100ms", ipv6=ipv6), lab.udp_echo(5, interval="100ms", size=1000, ipv6=ipv6)]
    lab.run()
    for echoes in results:
        assert echoes.ok and (echoes.sent, echoes.received, echoes.lost) == (5, 5, 0)
        assert 0.020 <= echoes.rtt.p50 < 0.022
    near = lab.ping(to="gateway", ipv6=ipv6)
    lab.run()
    assert near.ok and near.rtt.p50 < 0.005  # ns-3 delays a neighbour solicitation a little


def test_the_guest_has_its_address_by_dhcp(make: Make) -> None:
    lab = make(guest_link=dashi.Link(delay="1ms", mtu=1400))
    lease, download = lab.dhcp(), lab.download("100KB")
    lab.run()
    assert lease.ok and lease.address == "10.0.0.2/24" and lease.gateway == "10.0.0.1"
    assert lease.dns == ("10.0.0.1",)
    assert (lease.mtu, lease.seconds) == (1400, 86400) and lease.time == pytest.approx(0.004)
    assert download.ok and lab.violations == []


def test_dhcp_waits_for_what_is_lost(make: Make) -> None:
    lab = make(seed=2, guest_link=dashi.Link(delay="1ms", loss=0.4))
    lease = lab.dhcp()
    lab.run()
    assert lease.ok and lease.address == "10.0.0.2/24" and lease.time > 4


def test_loss_is_seen_and_counted(make: Make) -> None:
    lab = make(seed=7, wan=dashi.Link(delay="10ms", loss=0.2))
    echoes = lab.udp_echo(100, interval="10ms")
    lab.run()
    assert echoes.ok and 10 < echoes.lost < 70
    assert len(echoes.rtt) == echoes.received


def test_nothing_comes_back_from_a_link_that_loses_all(make: Make) -> None:
    lab = make(wan=dashi.Link(delay="10ms", loss=1.0))
    ping = lab.ping(2)
    lab.run()
    assert ping.done and not ping.ok and ping.error


def test_no_transfer_gets_through_a_link_that_loses_all(make: Make) -> None:
    lab = make(wan=dashi.Link(delay="10ms", loss=1.0))
    transfers = [lab.download("1MB"), lab.upload("1MB")]
    lab.run(until=lab.now + 3600)
    for transfer in transfers:
        assert not transfer.ok and transfer.received == 0
    assert lab.violations == []
    lab.run()
    for transfer in transfers:
        assert transfer.error and transfer.received == 0


def test_one_seed_gives_one_digest_and_another_another(make: Make) -> None:
    def digest(seed: int) -> str:
        with make(seed=seed, wan=dashi.Link(rate="20mbit", delay="10ms", loss=0.02)) as lab:
            lab.download("200KiB")
            lab.ping(3, interval=0.01)
            lab.run()
            return lab.digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)
    assert len(digest(1)) == 32


def test_a_run_may_stop_in_between_and_go_on(make: Make) -> None:
    lab = make()
    ping = lab.ping(3, interval="1s")
    start = lab.now
    lab.run(until=start + 1.5)
    assert lab.now == pytest.approx(start + 1.5)
    assert not ping.done
    lab.run()
    assert ping.ok
    end = lab.now
    lab.run(until=end + 5)
    assert lab.now == pytest.approx(end + 5)


def test_the_limit_on_events_names_what_is_unfinished_and_the_run_goes_on(make: Make) -> None:
    lab = make()
    download = lab.download("5MB")
    with pytest.raises(dashi.LimitReached, match="download"):
        lab.run(limit=1000)
    assert not download.done
    lab.run()
    assert download.ok


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": 2**64}, {"seed": 1.5}, {"engine": "real"}],
)
def test_values_that_make_no_world_are_refused_before_it_is_built(wrong: dict[str, object]) -> None:
    with pytest.raises(dashi.ConfigError):
        dashi.Experiment(**wrong)  # type: ignore[arg-type]


def test_verbs_with_senseless_values_are_refused(make: Make) -> None:
    lab = make()
    for wrong in (
        lambda: lab.download(0), lambda: lab.download("1e9"), lambda: lab.ping(0), lambda: lab.ping(1, size=4),
        lambda: lab.ping(1, to="nobody"), lambda: lab.ping(1.5), lambda: lab.download(None), lambda: lab.udp_echo(1, size=70000), lambda: lab.resolve(""),
        lambda: lab.resolve("a" * 64 + ".example"), lambda: lab.run(limit=0), lambda: lab.run(until=-1),
    ):
        with pytest.raises(dashi.ConfigError):
            wrong()
    lab.run()  # and nothing was begun


def test_a_fault_that_an_engine_cannot_make_is_an_error_and_not_ignored(make: Make) -> None:
    with pytest.raises(dashi.ConfigError, match="wan"):
        make(wan=dashi.Link(corrupt=0.1))


def test_faults_of_the_guests_link_are_survived(make: Make) -> None:
    link = dashi.Link(rate="100mbit", delay="1ms", jitter="2ms", loss=0.02, duplicate=0.02, reorder=0.05, corrupt=0.01)
    lab = make(seed=5, guest_link=link)
    transfers = [lab.download("300KiB"), lab.upload("300KiB")]
    lab.run()
    assert [t.error for t in transfers] == ["", ""]
    assert lab.violations == []


def test_a_closed_experiment_says_so(make: Make) -> None:
    lab = make()
    lab.close()
    with pytest.raises(dashi.WorldError, match="closed"):
        lab.run()


def test_ctrl_c_ends_a_run_and_the_run_goes_on(make: Make) -> None:
    lab = make(wan=dashi.Link(rate="100mbit", delay="10ms"))
    download = lab.download("1GiB")
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    timer.cancel()
    assert not download.done and lab.now > 0
    reached = download.received
    lab.run(until=lab.now + 0.1)
    assert download.received > reached


def test_other_threads_go_on_while_it_runs_but_may_not_touch_it(make: Make) -> None:
    lab = make(wan=dashi.Link(rate="100mbit", delay="10ms"))
    download = lab.download("1GiB")
    thread = threading.Thread(target=lab.run, kwargs={"until": lab.now + 4})
    thread.start()
    refused = counted = 0
    while thread.is_alive():
        counted += 1
        try:
            lab.digest
        except dashi.WorldError as error:
            assert "another thread" in str(error)
            refused += 1
    thread.join()
    assert counted > 100 and refused > 0
    assert download.received > 1_000_000 and lab.digest


def test_a_capture_shows_both_seams(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    lab = make(seed=42)
    lab.capture(path)
    lab.download("20KiB")
    lab.ping()
    lab.run()
    with pytest.raises(dashi.WorldError, match="before"):
        lab.capture(path)
    lab.close()
    fields = ["frame.interface_name", "frame.comment", "tcp.checksum.status", "ip.checksum.status", "frame.time_delta"]
    command = ["tshark", "-n", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
               "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]
    for name in fields:
        command += ["-e", name]
    rows = [r.split("|") for r in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    interfaces = {r[0] for r in rows}
    assert {"guest", "host"} <= interfaces and ("wan" in interfaces) == (lab.engine == "ns3")
    assert any("synthetic" in r[1] for r in rows if r[0] == "host")
    assert {r[2] for r in rows} <= {"1", ""} and {r[3] for r in rows} <= {"1", ""}
    assert all(float(r[4]) >= 0 for r in rows), "time goes back"
    about = subprocess.run(["capinfos", "-k", str(path)], check=True, capture_output=True, text=True).stdout
    assert "seed 42" in subprocess.run(["capinfos", str(path)], check=True, capture_output=True, text=True).stdout, about


def test_a_capture_that_cannot_be_written_says_why(make: Make, tmp_path: Path) -> None:
    lab = make()
    with pytest.raises(dashi.WorldError, match="No such file or directory"):
        lab.capture(tmp_path / "nowhere" / "a.pcapng")


def test_a_capture_changes_nothing_not_even_the_digest(make: Make, tmp_path: Path) -> None:
    def digest(capture: bool) -> str:
        with make(seed=3, wan=dashi.Link(rate="20mbit", delay="10ms", loss=0.02)) as lab:
            if capture:
                lab.capture(tmp_path / "a.pcapng")
            lab.download("200KiB")
            lab.run()
            return lab.digest

    assert digest(True) == digest(False)


def test_names_are_resolved_by_the_gateway(make: Make) -> None:
    lab = make()
    names = [lab.resolve("server.example"), lab.resolve("Server.example.", ipv6=True), lab.resolve("no.example")]
    lab.run()
    v4, v6 = {"native": ("203.0.113.10", "2001:db8:1::a"), "ns3": ("203.0.113.2", "2001:2:0:2::2")}[lab.engine]
    assert names[0].ok and names[0].addresses == (v4,) and names[0].time >= 0.020
    assert names[1].ok and names[1].addresses == (v6,)
    assert not names[2].ok and names[2].error == "no such name"


def test_a_name_that_nobody_answers_for_is_given_up(make: Make) -> None:
    lab = make(wan=dashi.Link(delay="10ms", loss=1.0))
    name = lab.resolve("server.example")
    lab.run()
    assert name.done and not name.ok and name.error


def test_what_no_answer_came_for_is_lost(make: Make) -> None:
    lab = make(wan=dashi.Link(delay="10ms", loss=1.0))
    echoes = [lab.ping(3, interval="10ms"), lab.udp_echo(3, interval="10ms")]
    lab.run()
    assert [(e.sent, e.received, e.lost) for e in echoes] == [(3, 0, 3)] * 2


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_the_limit_holds_to_the_event(make: Make, limit: int) -> None:
    lab = make()
    lab.download("100KiB")
    lab.run(until=lab.now)
    before = lab.events
    with pytest.raises(dashi.LimitReached):
        lab.run(limit=limit)
    assert lab.events - before == limit


def test_time_does_not_go_back(make: Make) -> None:
    lab = make()
    lab.run(until=lab.now + 20)
    with pytest.raises(dashi.ConfigError, match="already"):
        lab.run(until=lab.now - 1)
    lab.run(until=lab.now)


@pytest.mark.parametrize(
    "wrong",
    [{"wan": "50mbit"}, {"wan": {"rate": 1}}, {"guest_link": 5}, {"seed": True}, {"seed": "1"}, {"engine": None}],
)
def test_values_of_the_wrong_kind_are_config_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(dashi.ConfigError):
        dashi.Experiment(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", ".a", "b\u00fccher.example", "a b.example", "a\0b", "a" * 64, ".".join(["a" * 63] * 4), 5],
)
def test_what_is_no_name_is_refused(make: Make, name: str) -> None:
    with pytest.raises(dashi.ConfigError, match="is not a name"):
        make().resolve(name)


def test_echoes_that_fit_no_frame_or_no_lifetime_are_refused(make: Make) -> None:
    lab = make()
    for wrong in (
        lambda: lab.ping(size=1473), lambda: lab.udp_echo(size=1453, ipv6=True),
        lambda: lab.ping(65535, interval="8000h"), lambda: lab.run(until=1e12),
    ):
        with pytest.raises(dashi.ConfigError):
            wrong()
    largest = [lab.ping(size=1472), lab.udp_echo(size=1452, ipv6=True)]
    lab.run()
    assert all(e.ok for e in largest)


def test_a_capture_path_is_not_cut_at_a_zero_byte(make: Make, tmp_path: Path) -> None:
    with pytest.raises(dashi.ConfigError, match="zero byte"):
        make().capture(str(tmp_path / "a\0b"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [3, None, 1.5, ["a.pcapng"], object()])
def test_what_is_no_path_for_a_capture_is_a_config_error(make: Make, path: object) -> None:
    with pytest.raises(dashi.ConfigError, match="is not a path"):
        make().capture(path)  # type: ignore[arg-type]


def test_a_disk_that_is_full_is_an_error_of_the_run(make: Make) -> None:
    lab = make()
    lab.capture("/dev/full")
    lab.download("1MB")
    with pytest.raises(dashi.WorldError, match="No space left"):
        lab.run()
    with pytest.raises(dashi.WorldError, match="No space left"):
        lab.close()
    make().close()  # and yet it is closed, and there may be another


def test_a_world_ends_when_it_is_closed_whoever_still_knows_it(make: Make) -> None:
    lab = make()
    engine = lab._engine
    with pytest.raises(dashi.LimitReached) as kept:
        lab.download("1MB")
        lab.run(limit=1)
    lab.close()
    assert kept.tb is not None and engine is not None
    with pytest.raises(dashi.WorldError, match="closed"):
        engine.now_ns
    make().close()


def test_closing_does_not_hide_what_ended_the_block(make: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        with make() as lab:
            lab.capture("/dev/full")
            lab.download("1MB")
            1 / 0


class TestNative:
    """What only the native engine has."""

    @pytest.mark.parametrize("verb", ["download", "upload"])
    def test_a_transfer_waits_for_every_loss_and_for_each_try_that_is_lost_too(self, verb: str) -> None:
        seconds = []
        for loss in (0.0, 0.1, 0.5):
            lab = dashi.Experiment(seed=3, wan=dashi.Link(rate="50mbit", delay="10ms", loss=loss))
            transfer = getattr(lab, verb)("100KB")
            lab.run()
            assert transfer.ok and transfer.received == 100_000
            seconds.append(transfer.completion_time)
        assert seconds[0] < seconds[1] and 2 * seconds[1] < seconds[2]

    def test_many_worlds_live_side_by_side(self) -> None:
        labs = [dashi.Experiment(seed=s) for s in range(20)]
        downloads = [lab.download("10KiB") for lab in labs]
        for lab in reversed(labs):
            lab.run()
        assert all(d.ok for d in downloads)


@pytest.mark.skipif("ns3" not in dashi.ENGINES, reason="built without ns-3")
class TestNs3:
    """What only the ns-3 engine has."""

    def test_a_second_live_world_is_a_clear_error_and_closing_makes_room(self) -> None:
        with dashi.Experiment(engine="ns3"):
            with pytest.raises(dashi.WorldError, match="(?i)one|live|already"):
                dashi.Experiment(engine="ns3")
        dashi.Experiment(engine="ns3").close()

    def test_what_it_cannot_do_it_says(self) -> None:
        with dashi.Experiment(engine="ns3", direct=True) as lab:
            with pytest.raises(dashi.ConfigError, match="gateway"):
                lab.resolve("server.example")
            with pytest.raises(dashi.ConfigError, match="gateway"):
                lab.dhcp()

    def test_the_same_hosts_without_the_nat_are_no_slower(self) -> None:
        seconds = []
        for direct in (False, True):
            with dashi.Experiment(engine="ns3", wan=WAN, direct=direct) as lab:
                transfer = lab.download("1MB")
                lab.run()
                assert transfer.ok
                seconds.append(transfer.completion_time)
        assert seconds[1] <= seconds[0] < 1.2 * seconds[1]

    def test_a_fresh_process_gives_the_same_digest(self) -> None:
        program = (
            "import dashi\n"
            "with dashi.Experiment(seed=9, engine='ns3', wan=dashi.Link(rate='10mbit', delay='10ms', loss=0.01)) as lab:\n"
            "    lab.download('300KiB'); lab.run(); print(lab.digest)\n"
        )
        runs = [subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout for _ in range(2)]
        assert runs[0] == runs[1] and len(runs[0]) == 33
