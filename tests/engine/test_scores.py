"""Scores written elsewhere: repeats unfolded, ties joined, grace notes played; MusicXML, MEI, Humdrum."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, ScoreError
from engine.midi import Meter
from engine.scores.score import (
    CODA,
    DA_CAPO,
    DAL_SEGNO,
    FINE,
    SEGNO,
    TO_CODA,
    Measure,
    Part,
    Written,
    measure_order,
    score_file,
)
from tests.engine.written import BAR, grace, heard, note, read, xml, zipped


def measures(text: str) -> list[Measure]:
    """Words of a name each, with ':' before or after it for a repeat, '/1' for an ending, and '!' before a sign."""
    found = []
    for word in text.split():
        name, _, signs = word.partition("!")
        core, _, endings = name.strip(":").partition("/")
        found.append(
            Measure(
                is_repeat_start=name.startswith(":"),
                repeats=2 if name.endswith(":") else 0,
                endings=frozenset(int(n) for n in endings.split(",") if n),
                signs=frozenset({signs.replace("_", " ")}) if signs else frozenset(),
            )
        )
        assert len(core) == 1
    return found


ORDERS = {
    "A B": "AB",
    "A B: C": "ABABC",
    ":A B: C": "ABABC",
    "A :B: C": "ABBC",
    "A: B: C": "AABABC",
    "A B/1: C/2 D": "ABACD",
    "A :B C/1: D/2 :E F/1: G/2": "ABCBDEFEG",
    "A B/1,2: C/3 D": "ABABACD",
    "A B/1: C/2: D": "ABACD",
    "A B: C/2 D": "ABABCD",
    "A B/1: C": "ABAC",
    f"A B!{FINE} C D!{DA_CAPO.replace(' ', '_')} E": "ABCDAB",
    f"A B!{SEGNO} C!{FINE} D!{DAL_SEGNO.replace(' ', '_')}": "ABCDBC",
    f"A B!{TO_CODA.replace(' ', '_')} C D!{DA_CAPO.replace(' ', '_')} E!{CODA} F": "ABCDABEF",
}


@pytest.mark.parametrize(("written", "played"), ORDERS.items(), ids=ORDERS.keys())
def test_measures_are_played_in_the_order_of_their_repeats(written: str, played: str) -> None:
    names = [word.strip(":")[0] for word in written.split()]
    assert "".join(names[index] for index in measure_order(measures(written))) == played


@given(
    st.lists(
        st.builds(
            Measure,
            is_repeat_start=st.booleans(),
            repeats=st.sampled_from([0, 0, 2, 3, 100]),
            endings=st.frozensets(st.integers(1, 4), max_size=2),
            signs=st.frozensets(st.sampled_from([SEGNO, CODA, TO_CODA, FINE, DA_CAPO, DAL_SEGNO]), max_size=1),
        ),
        max_size=12,
    )
)
def test_whatever_the_repeats_say_the_order_ends(written: list[Measure]) -> None:
    order = measure_order(written)
    assert all(0 <= index < len(written) for index in order)
    assert len(order) < 20_000


def test_a_tied_note_is_one_note() -> None:
    tie = '<tie type="start"/>'
    file = read(xml(BAR + note("C4", 8, after=tie), note("C4", 4) + note("D4", 4)), "a.xml")
    assert heard(file) == [(0, 6, 60), (6, 8, 62)]


def test_grace_notes_are_played_before_the_beat_in_the_time_of_the_note_before() -> None:
    file = read(xml(BAR + note("C4", 4) + grace("D4") + grace("E4") + note("F4", 4)), "a.xml")
    assert heard(file) == [(0, 1.75, 60), (1.75, 1.875, 62), (1.875, 2, 64), (2, 4, 65)]


def test_a_grace_note_at_the_very_begin_is_played_on_the_beat() -> None:
    assert heard(read(xml(BAR + grace("D4") + note("C4", 4)), "a.xml")) == [(0, 0.125, 62), (0.125, 2, 60)]


def test_a_chord_and_two_voices_sound_together() -> None:
    content = xml(
        BAR + note("E4", 4) + note("G4", 4, "<chord/>") + note("F4", 4) + "<backup><duration>8</duration></backup>"
        "<forward><duration>2</duration></forward>" + note("C3", 6)
    )
    assert heard(read(content, "a.xml")) == [(0, 2, 64), (0, 2, 67), (1, 4, 48), (2, 4, 65)]


def test_a_transposing_instrument_sounds_as_it_sounds() -> None:
    attributes = BAR.replace("</divisions>", "</divisions><transpose><chromatic>-2</chromatic></transpose>")
    assert heard(read(xml(attributes + note("D4")), "a.xml")) == [(0, 1, 60)]


def test_tempo_meter_key_and_lyrics_are_kept() -> None:
    attributes = (
        "<attributes><divisions>2</divisions><key><fifths>-3</fifths><mode>minor</mode></key>"
        "<time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
        '<direction><sound tempo="60"/></direction>'
    )
    sung = "<lyric><syllabic>{}</syllabic><text>{}</text></lyric>"
    file = read(
        xml(
            attributes + note("C4", 2, after=sung.format("begin", "A")) + note("D4", 4, after=sung.format("end", "ve"))
        ),
        "a.musicxml",
    )
    assert [n.start for n in file.performance.notes] == [0, 1]
    assert file.meters == (Meter(0.0, 3, 4),)
    assert file.key_signatures[0][1:] == (-3, True)
    assert [text.text for text in file.lyrics] == ["A", "ve "]
    assert file.tracks[0].name == "Voice"


def test_repeats_and_endings_of_musicxml_are_unfolded() -> None:
    first = '<barline location="left"><ending number="1" type="start"/></barline>'
    back = '<barline><ending number="1" type="stop"/><repeat direction="backward"/></barline>'
    second = '<barline location="left"><ending number="2" type="start"/></barline>'
    content = xml(
        BAR + note("C4", 8),
        first + note("D4", 8) + back,
        second + note("E4", 8) + '<barline><ending number="2" type="stop"/></barline>',
    )
    assert [pitch for _, _, pitch in heard(read(content, "a.xml"))] == [60, 62, 60, 64]


def test_a_zipped_score_is_read() -> None:
    assert heard(read(zipped(xml(BAR + note("C4"))), "a.mxl")) == [(0, 1, 60)]


REFUSED = {
    "a bomb": (zipped(b" " * (17 * 2**20)), "unpacks to more than it should"),
    "many members": (zipped(xml(BAR), **{f"m{n}": b"" for n in range(1001)}), "holds more than 1,000 files"),
    "no zip": (b"PK\x03\x04 and no more", "is not a readable zipped score"),
    "entities": (b'<!DOCTYPE s [<!ENTITY a "aaaa">]><score-partwise>&a;</score-partwise>', "defines entities"),
    "cut": (xml(BAR + note("C4"))[:-20], "is not readable XML"),
    "another": (b"<html><body/></html>", "no MusicXML score"),
    "no divisions": (xml(BAR.replace(">2<", ">0<") + note("C4")), "divisions a quarter"),
    "huge number": (xml(BAR + note("C4").replace(">2<", ">9e99<")), "where a number should be"),
    "long": (xml(BAR + note("C4").replace("<duration>2<", "<duration>99999999999<")), "a note of"),
    "endless": (
        xml(*[note("C4", 8) + '<barline><repeat direction="backward" times="100"/></barline>'] * 300),
        "more than 20,000 measures",
    ),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_score_or_too_much_is_refused_with_a_sentence(content: bytes, said: str) -> None:
    with pytest.raises(ScoreError) as refusal:
        read(content, "a.xml")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


KERN = b"**kern\t**kern\n*M4/4\t*M4/4\n=1\t=1\n4c\t4e\n4d\t4f\n[2e\t2g\n=2\t=2\n4e]\t1cc\n2.f\t.\n==\t==\n*-\t*-\n"
MEI_SCORE = b"""<?xml version="1.0"?>
<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><music><body><mdiv><score>
<scoreDef meter.count="4" meter.unit="4"><staffGrp>
<staffDef n="1" lines="5" clef.shape="G" clef.line="2"/></staffGrp></scoreDef>
<section><measure n="1" right="rptend"><staff n="1"><layer n="1">
<note pname="c" oct="4" dur="2"/><note pname="d" oct="4" dur="2"/></layer></staff></measure>
<measure n="2"><staff n="1"><layer n="1"><note pname="e" oct="4" dur="1"/></layer></staff></measure>
</section></score></mdiv></body></music></mei>"""


def test_humdrum_is_read_with_its_ties() -> None:
    file = read(KERN, "a.krn")
    starts = [(round(n.start * 2), n.pitch) for n in file.performance.notes]
    assert sorted(starts) == [(0, 60), (0, 64), (1, 62), (1, 65), (2, 64), (2, 67), (4, 72), (5, 65)]


def test_mei_is_read_with_its_repeats() -> None:
    assert [n.pitch for n in read(MEI_SCORE, "a.mei").performance.notes] == [60, 62, 60, 62, 64]


def test_a_broken_engraving_is_refused_with_a_sentence() -> None:
    with pytest.raises(EngineError, match="is not readable XML"):
        read(MEI_SCORE[:500], "a.mei")


def test_a_score_that_lasts_days_is_refused() -> None:
    whole = Measure(length=Fraction(10_000), notes=[Written(Fraction(0), Fraction(10_000), 60)])
    with pytest.raises(ScoreError, match="24 hours"):
        score_file([Part("a", [whole] * 100)], "long")


def test_a_rest_that_is_longer_than_its_measure_does_not_make_it_longer() -> None:
    rest = "<note><rest/><duration>16</duration></note>"
    assert heard(read(xml(BAR + rest, note("C4", 8)), "a.xml")) == [(4, 8, 60)]
