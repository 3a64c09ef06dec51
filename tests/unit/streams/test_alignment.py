"""Clocks of whole sessions: what must hold whatever the evidence, and bad evidence."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigd.streams.alignment import Alignment, align
from rigd.streams.block import NO_TIME
from rigd.streams.clock_evidence import (
    NO_ANCHORS,
    Anchors,
    ClockEvidence,
    ClockSettings,
    Edges,
    RoundTrips,
    WallClock,
    thinned,
)
from rigd.streams.clock_map import Grade, Mode
from tests.clock.judged_alignment import (
    OURS,
    REFERENCE,
    START_NS,
    evidence_of,
    looked_at,
    ns,
    positions,
)
from tests.clock.simulated_devices import (
    CAMERA,
    HARSH,
    SERIAL,
    TYPICAL,
    USB,
    Device,
    Faults,
    Path,
    pulse_train,
    seen_edges,
    simulate_device,
)

PATHS = (USB, SERIAL, CAMERA)
US = 1e-6


def device(seed: int, path: Path = USB, faults: Faults | None = None) -> Device:
    random = np.random.default_rng(seed)
    return simulate_device(random, 90, path, HARSH, faults or Faults())


def alone(seed: int = 1, path: Path = USB, **settings: Any) -> ClockEvidence:
    return evidence_of(device(seed, path), OURS, None, ClockSettings(**settings))


def by_itself(evidence: ClockEvidence) -> Alignment:
    return align([evidence], start_ns=START_NS)[evidence.name]


class Pair:
    """Two devices with one line, and the truth."""

    def __init__(self, seed: int = 3, path: Path = USB, kind: str = "random") -> None:
        random = np.random.default_rng(seed)
        self.reference = simulate_device(random, 120, USB, TYPICAL)
        self.ours = simulate_device(random, 120, path, TYPICAL)
        self.pulses = pulse_train(random, 120, kind, self.reference.clock)
        self.their_evidence, self.evidence = (
            evidence_of(
                one, name, seen_edges(random, one, self.pulses, 0, 0), ClockSettings()
            )
            for one, name in ((self.reference, REFERENCE), (self.ours, OURS))
        )

    def align(self, ours: ClockEvidence | None = None) -> Alignment:
        domains = [self.their_evidence, ours or self.evidence]
        return align(domains, start_ns=START_NS, reference=REFERENCE)[OURS]

    def worst(self, found: Alignment) -> float:
        """Largest error against the reference's clock, s."""
        theirs = align([self.their_evidence], start_ns=START_NS, reference=REFERENCE)
        x, epoch, true = looked_at(self.ours)
        wanted = theirs[REFERENCE].clock.times(*positions(self.reference, true))
        return float(np.nanmax(np.abs(found.clock.times(x, epoch) - wanted)))


# --- what always holds ----------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), which=st.integers(0, 2))
def test_times_increase_strictly_and_can_be_turned_round(seed: int, which: int) -> None:
    faults = Faults(restart=30.0, silent=70.0, silent_for=0.5)
    one = device(seed, PATHS[which], faults)
    clock = by_itself(evidence_of(one, OURS, None, ClockSettings())).clock
    x = ns(one.counter / one.path.rate)
    t = clock.times(x, one.run)
    assert np.all(np.diff(t) > 0)
    back, epoch = clock.positions(t)
    assert np.array_equal(epoch, one.run)
    assert np.max(np.abs(back - x)) <= 2


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    device_shift=st.integers(-(2**60), 2**60),
    host_shift=st.integers(0, 2**50),
)
def test_constants_added_to_the_clocks_change_nothing_else(
    seed: int, device_shift: int, host_shift: int
) -> None:
    evidence = alone(seed)
    moved = Anchors(
        evidence.anchors.epoch,
        evidence.anchors.x + device_shift,
        evidence.anchors.host_ns + host_shift,
    )
    shifted = align([replace(evidence, anchors=moved)], start_ns=START_NS + host_shift)[
        OURS
    ]
    x = evidence.anchors.x
    np.testing.assert_allclose(
        shifted.clock.times(x + device_shift, 0),
        by_itself(evidence).clock.times(x, 0),
        rtol=0,
        atol=1e-9,
    )


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), ppm=st.floats(-300, 300))
def test_another_nominal_rate_gives_the_same_times(seed: int, ppm: float) -> None:
    evidence = alone(seed)
    x = evidence.anchors.x - evidence.anchors.x[0]
    scaled = np.rint(x * (1 + ppm * 1e-6)).astype(np.int64)
    anchors = Anchors(evidence.anchors.epoch, scaled, evidence.anchors.host_ns)
    found = by_itself(replace(evidence, anchors=anchors)).clock.times(scaled, 0)
    same = by_itself(evidence).clock.times(evidence.anchors.x, 0)
    np.testing.assert_allclose(found, same, rtol=0, atol=20 * US)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_what_is_aligned_already_stays(seed: int) -> None:
    pair = Pair(seed)
    first = pair.align()
    evidence = pair.evidence
    assert evidence.edges is not None
    again = replace(
        evidence,
        anchors=replace(
            evidence.anchors, x=ns(first.clock.times(evidence.anchors.x, 0))
        ),
        edges=replace(evidence.edges, x=ns(first.clock.times(evidence.edges.x, 0))),
    )
    x = again.anchors.x
    assert np.max(np.abs(pair.align(again).clock.times(x, 0) - x / 1e9)) < 10 * US


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), cuts=st.integers(2, 5))
def test_how_samples_were_cut_into_blocks_does_not_matter(seed: int, cuts: int) -> None:
    evidence = alone(seed)
    anchors = evidence.anchors
    part = 10_000_000 // cuts
    x = (anchors.x[:, None] - part * np.arange(cuts)[::-1]).reshape(-1)
    more = Anchors(np.repeat(anchors.epoch, cuts), x, np.repeat(anchors.host_ns, cuts))
    found = by_itself(replace(evidence, anchors=more, transfer=0.01 / cuts))
    same = by_itself(evidence).clock.times(anchors.x, 0)
    np.testing.assert_allclose(
        found.clock.times(anchors.x, 0), same, rtol=0, atol=5 * US
    )


def test_thinned_anchors_give_the_same_clock() -> None:
    evidence = alone(5, SERIAL)
    host = evidence.anchors.host_ns
    span = int(host[0]), int(host[-1])
    pieces = [
        evidence.anchors.take(np.arange(i, i + 1000)) for i in range(0, 80_000, 1000)
    ]
    few = thinned(pieces, span_ns=span, most=5000)
    assert len(few) <= 5000
    found = by_itself(replace(evidence, anchors=few)).clock
    x = evidence.anchors.x[:80_000]
    away = found.times(x, 0) - by_itself(evidence).clock.times(x, 0)
    assert np.max(np.abs(away)) < 300 * US


# --- modes ----------------------------------------------------------------------------


def test_pulses_are_taken_where_there_are_any() -> None:
    pair = Pair()
    found = pair.align()
    assert found.mode is Mode.SYNC_LINE
    assert found.grade <= Grade.B
    assert pair.worst(found) < 25 * US
    match = found.matches[0]
    assert match.missing == 0 or match.missing <= 2
    assert match.matched >= 100
    assert found.used[0].source == "pulse"
    assert found.clock.segments[0].fit.against == REFERENCE


def test_without_a_reference_the_hosts_clock_leads_and_pulses_tie_the_devices() -> None:
    pair = Pair()
    found = align([pair.their_evidence, pair.evidence], start_ns=START_NS)
    modes = {name: one.mode for name, one in found.items()}
    assert sorted(modes.values()) == [Mode.HOST_CLOCK, Mode.SYNC_LINE]
    x, epoch, true = looked_at(pair.ours)
    assert np.max(np.abs(found[OURS].clock.times(x, epoch) - true)) < 100 * US


def test_the_reference_runs_at_its_own_speed_from_the_session_start() -> None:
    pair = Pair()
    found = align(
        [pair.their_evidence, pair.evidence], start_ns=START_NS, reference=REFERENCE
    )[REFERENCE]
    assert found.mode is Mode.SHARED_CLOCK
    assert found.error == 0
    x = pair.their_evidence.anchors.x
    t = found.clock.times(x, 0)
    np.testing.assert_allclose(np.diff(t), np.diff(x) / 1e9, atol=1e-9)
    host = (pair.their_evidence.anchors.host_ns[0] - START_NS) / 1e9
    assert t[0] == pytest.approx(host, abs=2e-3)


def test_round_trips_tell_the_constant_that_host_stamps_do_not() -> None:
    one = device(7, CAMERA)
    random = np.random.default_rng(0)
    true = np.arange(3, 85, 5.0)
    there, back = random.exponential(2e-4, (2, len(true))) + 1e-4
    x, epoch = positions(one, true + there)
    trips = RoundTrips(
        epoch, x, ns(true + (there + back) / 2) + START_NS, ns((there + back) / 2)
    )
    evidence = evidence_of(one, OURS, None, ClockSettings())
    unknown = replace(evidence, settings=ClockSettings(), round_trips=trips)
    found = by_itself(unknown)
    assert found.mode is Mode.TWO_WAY
    at, epoch, true = looked_at(one)
    error = np.max(np.abs(found.clock.times(at, epoch) - true))
    assert found.error is not None
    assert error < found.error < 1e-3


def test_a_disciplined_device_is_laid_onto_the_wall_clock() -> None:
    true = np.arange(1, 80, 0.01)
    utc_0 = 1_700_000_000 * 10**9
    host = ns(true + 2e-3 + np.random.default_rng(1).exponential(1e-3, len(true)))
    anchors = Anchors(np.zeros(len(true), np.int64), utc_0 + ns(true), host + START_NS)
    at = ns(np.array([0.0, 60.0]))
    wall = WallClock(at + START_NS, utc_0 + at, 1e-4)
    asked = ClockSettings(utc_uncertainty=1e-5)
    evidence = ClockEvidence("gps", anchors, 0.01, 0.0, settings=asked, counts=False)
    found = align([evidence], start_ns=START_NS, wall=wall)["gps"]
    assert found.mode is Mode.DEVICE_UTC
    np.testing.assert_allclose(found.clock.times(anchors.x, 0), true, atol=1e-7)
    late = replace(wall, utc_ns=wall.utc_ns + 5 * 10**9)
    doubted = align([evidence], start_ns=START_NS, wall=late)["gps"]
    assert doubted.mode is Mode.HOST_CLOCK
    assert "later than the device's UTC says" in " ".join(doubted.warnings)


def test_a_shared_clock_takes_the_speed_of_the_other_device() -> None:
    one = device(11)
    leading = evidence_of(one, "leader", None, ClockSettings())
    x = leading.anchors.x - leading.anchors.x[0] + 10**9
    few = Anchors(leading.anchors.epoch, x, leading.anchors.host_ns).take(
        np.arange(0, len(x), 50)
    )
    asked = ClockSettings(
        Mode.SHARED_CLOCK, latency=USB.least, shares_clock_with="leader"
    )
    follower = ClockEvidence("follower", few, 1 / 30e3, 0.01, settings=asked)
    found = align([follower, leading], start_ns=START_NS)
    assert found["follower"].mode is Mode.SHARED_CLOCK
    away = found["follower"].clock.times(x, 0) - one.true
    assert np.max(np.abs(away)) < 300 * US


def test_the_nominal_rate_is_used_when_asked_for_and_is_graded_f() -> None:
    found = by_itself(alone(2, mode=Mode.NOMINAL))
    assert found.mode is Mode.NOMINAL
    assert found.grade is Grade.F


def faster(evidence: ClockEvidence, ppm: float, epoch: int = 0) -> ClockEvidence:
    """Let the device count faster in one epoch."""
    anchors = evidence.anchors
    mine = anchors.epoch == epoch
    x = anchors.x + np.where(mine, np.rint(anchors.x * ppm * 1e-6), 0).astype(np.int64)
    return replace(evidence, anchors=replace(anchors, x=x))


def test_a_camera_of_another_rate_than_named_is_aligned_and_told() -> None:
    camera = device(2, CAMERA)
    camera.counter -= camera.counter[0]
    named_30 = faster(evidence_of(camera, OURS, None, ClockSettings()), -999)
    found = by_itself(named_30)
    at = named_30.anchors.x, named_30.anchors.epoch
    assert np.max(np.abs(found.clock.times(*at) - camera.true)) < 200 * US
    assert found.mode is Mode.HOST_CLOCK
    assert found.grade is Grade.D
    told = [w for w in found.warnings if "its samples come at 29.9" in w]
    assert "not at the nominal 30 (-" in told[0]
    assert "correct its nominal rate" in told[0]


def test_a_device_that_starts_anew_at_another_rate_keeps_both() -> None:
    restarted = device(4, USB, Faults(restart=45.0))
    restarted.counter -= np.where(restarted.run == 0, restarted.counter[0], 0)
    evidence = evidence_of(restarted, OURS, None, ClockSettings())
    slower = faster(evidence, -400, epoch=1)
    found = by_itself(slower)
    times = found.clock.times(slower.anchors.x, slower.anchors.epoch)
    assert np.max(np.abs(times - restarted.true)) < 200 * US
    ppm = [segment.fit.drift_ppm for segment in found.clock.segments]
    assert ppm[0] is not None
    assert ppm[1] is not None
    assert ppm[1] - ppm[0] == pytest.approx(-400, abs=5)


def test_the_last_sample_of_a_batch_may_have_waited_for_one_more() -> None:
    batches = alone()
    assert batches.sample_period is not None
    one_by_one = replace(batches, transfer=batches.sample_period)
    with_wait, without = by_itself(batches).error, by_itself(one_by_one).error
    assert with_wait is not None
    assert without is not None
    assert with_wait - without == pytest.approx(batches.sample_period)


def test_latency_is_subtracted_and_makes_the_grade() -> None:
    known = by_itself(alone(4))
    assert known.grade is Grade.C
    evidence = alone(4)
    unknown = by_itself(replace(evidence, settings=ClockSettings()))
    assert unknown.grade is Grade.D
    x = evidence.anchors.x
    away = unknown.clock.times(x, 0) - known.clock.times(x, 0)
    np.testing.assert_allclose(away, USB.least, atol=1e-9)


# --- bad evidence ---------------------------------------------------------------------


def test_a_domain_without_stamps_gets_no_times() -> None:
    found = by_itself(ClockEvidence("none", NO_ANCHORS))
    assert found.clock.segments == ()
    assert found.grade is Grade.F
    assert found.error is None
    assert "no host stamps" in found.warnings[0]


def test_one_stamp_gets_the_nominal_rate_and_says_so() -> None:
    evidence = alone(1)
    found = by_itself(replace(evidence, anchors=evidence.anchors.take(np.array([5]))))
    assert found.mode is Mode.NOMINAL
    assert found.grade is Grade.F
    assert any("too few" in warning for warning in found.warnings)


def test_times_that_are_none_are_left_out() -> None:
    evidence = alone(1)
    x = evidence.anchors.x.copy()
    x[::7] = NO_TIME
    found = by_itself(replace(evidence, anchors=replace(evidence.anchors, x=x)))
    good = evidence.anchors.x
    same = by_itself(evidence).clock.times(good, 0)
    np.testing.assert_allclose(found.clock.times(good, 0), same, atol=20 * US)
    assert np.isnan(found.clock.times(np.array([NO_TIME]), 0)).all()


def test_stamps_from_before_the_session_are_left_out_and_told() -> None:
    evidence = alone(1)
    host = evidence.anchors.host_ns.copy()
    host[:3] = START_NS - 3600 * 10**9
    found = by_itself(
        replace(evidence, anchors=replace(evidence.anchors, host_ns=host))
    )
    assert "3 host stamps are from before the session" in found.warnings[0]
    assert found.clock.times(evidence.anchors.x[:1], 0)[0] > 0


def test_a_clock_that_jumps_back_is_told() -> None:
    evidence = alone(1)
    x = evidence.anchors.x.copy()
    x[len(x) // 2 :] -= 20 * 10**9
    found = by_itself(replace(evidence, anchors=replace(evidence.anchors, x=x)))
    assert "goes back by 20.0 s" in found.warnings[0]
    assert found.grade >= Grade.D


def test_stretches_that_overlap_are_told_and_graded_d() -> None:
    evidence = alone(1)
    half = len(evidence.anchors) // 2
    epoch = np.repeat([0, 1], [half, len(evidence.anchors) - half])
    host = evidence.anchors.host_ns.copy()
    host[half:] -= 15 * 10**9
    anchors = Anchors(epoch, evidence.anchors.x, host)
    found = by_itself(replace(evidence, anchors=anchors))
    assert "before the one before it has ended" in " ".join(found.warnings)
    assert found.clock.segments[1].fit.grade >= Grade.D


def test_early_stamps_do_not_move_the_clock() -> None:
    evidence = alone(9)
    host = evidence.anchors.host_ns.copy()
    host[[1000, 4000, 7000]] -= 60_000_000
    found = by_itself(
        replace(evidence, anchors=replace(evidence.anchors, host_ns=host))
    )
    x = evidence.anchors.x
    away = found.clock.times(x, 0) - by_itself(evidence).clock.times(x, 0)
    assert np.max(np.abs(away)) < 20 * US
    assert "impossibly early" in " ".join(found.warnings)


Trick = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]

TRICKS: dict[str, tuple[Trick, str]] = {
    "none": (lambda x: x[:0], "shows no pulse: is the cable plugged in?"),
    "few": (lambda x: x[:3], "shows 3 pulses; 8 or more are needed"),
    "aliased": (
        lambda x: np.arange(x[0], x[-1], 2_000_000),
        "the line bounces, or carries something else",
    ),
    "too fast": (
        lambda x: np.arange(x[0], x[-1], 20_000_000),
        "no offset of the two lines stands out",
    ),
    "swapped": (
        lambda x: x[0] + np.cumsum(np.diff(x)[::-1]),
        "are on the other line too",
    ),
}


@pytest.mark.parametrize("name", TRICKS)
def test_a_useless_line_gives_way_to_host_stamps_with_a_reason(name: str) -> None:
    trick, reason = TRICKS[name]
    pair = Pair()
    assert pair.evidence.edges is not None
    x = trick(pair.evidence.edges.x)
    edges = Edges(np.zeros(len(x), np.int64), x, 1 / 30e3)
    found = pair.align(replace(pair.evidence, edges=edges))
    assert found.mode is Mode.HOST_CLOCK
    assert found.grade >= Grade.C
    assert reason in " ".join(found.warnings)
    assert pair.worst(found) < 150 * US


def test_pulses_on_one_side_only_are_told() -> None:
    pair = Pair()
    theirs = replace(pair.their_evidence, edges=None)
    found = align([theirs, pair.evidence], start_ns=START_NS)[OURS]
    assert found.mode is Mode.HOST_CLOCK
    assert "no other device shows pulses" in " ".join(found.warnings)


def test_a_line_that_bounces_is_used() -> None:
    pair = Pair()
    assert pair.evidence.edges is not None
    again = np.array([0, 700_000, 2_000_000], np.int64)
    x = np.sort((pair.evidence.edges.x[:, None] + again).reshape(-1))
    edges = Edges(np.zeros(len(x), np.int64), x, 1 / 30e3)
    found = pair.align(replace(pair.evidence, edges=edges))
    assert found.mode is Mode.SYNC_LINE
    assert pair.worst(found) < 25 * US


@pytest.mark.parametrize(("pulses", "is_told"), [("locked", True), ("random", False)])
def test_pulses_in_step_with_samples_are_told(pulses: str, is_told: bool) -> None:
    found = Pair(4, USB, pulses).align()
    (match,) = found.matches
    assert found.mode is Mode.SYNC_LINE
    assert found.grade < Grade.D
    assert (match.in_step > 60) is is_told
    assert any("keep in step with" in warning for warning in found.warnings) is is_told


def test_regular_pulses_on_a_coarse_line_are_doubted() -> None:
    pair = Pair(4, CAMERA, "regular")
    found = pair.align()
    assert found.grade >= Grade.D
    assert "use pulses at random intervals" in " ".join(found.warnings)


def test_a_mode_that_is_asked_for_without_evidence_is_told() -> None:
    found = by_itself(alone(1, mode=Mode.TWO_WAY))
    assert found.mode is Mode.HOST_CLOCK
    assert found.warnings[0].startswith("`two_way` can't be used: no round trips")


def test_an_unknown_reference_leaves_the_hosts_clock() -> None:
    found = align([alone(1)], start_ns=START_NS, reference="gone")[OURS]
    assert "`gone` has no host stamps" in found.warnings[0]


# --- losses and restarts --------------------------------------------------------------


@pytest.mark.parametrize(("path", "lasts"), [(USB, 0.0101), (CAMERA, 0.034), (USB, 5)])
def test_a_silent_loss_is_found(path: Path, lasts: float) -> None:
    one = device(21, path, Faults(silent=50.0, silent_for=lasts))
    found = by_itself(evidence_of(one, OURS, None, ClockSettings()))
    (loss,) = found.losses
    hole = one.runs[0].holes[0]
    near = path.packet / path.rate
    assert loss.stop - loss.start == pytest.approx(hole.end - hole.begin, abs=near)
    assert hole.begin - near < loss.start < hole.end


def test_a_device_that_gives_its_own_times_has_no_silent_losses() -> None:
    one = device(21, USB, Faults(silent=50.0, silent_for=0.1))
    evidence = evidence_of(one, OURS, None, ClockSettings())
    assert by_itself(replace(evidence, counts=False)).losses == ()


def test_a_restart_makes_a_segment_that_says_so() -> None:
    one = device(22, USB, Faults(restart=40.0))
    found = by_itself(evidence_of(one, OURS, None, ClockSettings()))
    begins = [part.fit.begins_with for part in found.clock.segments]
    assert begins == ["start", "restart"]


# --- anything -------------------------------------------------------------------------

DAY_NS = 86_400 * 10**9

some_ns = st.integers(-DAY_NS, DAY_NS) | st.integers(-(10**9), 10**9)


@st.composite
def any_anchors(draw: st.DrawFn) -> Anchors:
    count = draw(st.integers(0, 40))
    epoch = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    x = draw(st.lists(some_ns, min_size=count, max_size=count))
    host = draw(st.lists(some_ns, min_size=count, max_size=count))
    if draw(st.booleans()):
        x, host = sorted(x), sorted(host)
    order = np.argsort(epoch, kind="stable")
    return Anchors(
        np.array(epoch, np.int64)[order],
        np.array(x, np.int64)[order],
        START_NS + np.array(host, np.int64)[order],
    )


@st.composite
def any_evidence(draw: st.DrawFn, name: str) -> ClockEvidence:
    x = sorted(draw(st.lists(some_ns, max_size=30)))
    edges = Edges(np.zeros(len(x), np.int64), np.array(x, np.int64), 1e-3)
    return ClockEvidence(
        name,
        draw(any_anchors()),
        draw(st.sampled_from([None, 1e-3])),
        draw(st.sampled_from([0.0, 0.01])),
        draw(st.sampled_from([None, edges])),
        settings=ClockSettings(
            draw(st.sampled_from([mode for mode in Mode if mode is not Mode.ARRIVAL])),
            latency=draw(st.sampled_from([None, 1e-3])),
            utc_uncertainty=draw(st.sampled_from([None, 1e-4])),
            shares_clock_with=draw(st.sampled_from([None, "a", "b", "gone"])),
        ),
        counts=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=60)
@given(
    one=any_evidence("a"),
    other=any_evidence("b"),
    reference=st.sampled_from([None, "a", "gone"]),
)
def test_any_evidence_gives_a_map_or_none_and_never_an_invented_time(
    one: ClockEvidence, other: ClockEvidence, reference: str | None
) -> None:
    wall = WallClock(np.array([START_NS]), np.array([10**18]), 1e-3)
    found = align([one, other], start_ns=START_NS, reference=reference, wall=wall)
    for evidence in (one, other):
        alignment = found[evidence.name]
        known = {segment.epoch for segment in alignment.clock.segments}
        assert known <= set(evidence.anchors.epoch.tolist())
        times = alignment.clock.times(evidence.anchors.x, evidence.anchors.epoch)
        has_map = np.isin(evidence.anchors.epoch, list(known))
        assert np.array_equal(np.isfinite(times), has_map)
        for segment in alignment.clock.segments:
            assert segment.fit.error is not None
            assert segment.fit.error >= 0
