"""The README's first piece, played as it is printed: the shell runs its blocks, and readers that are not ours open the files.

It is played against the development server on SQLite, and against gunicorn, green and plain, on PostgreSQL with a worker beside.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import requests
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from app.config import load
from seeds import DEVELOPMENT_PASSWORD
from tests.databases import ROOT, flask, migrated, on_postgresql_alone, postgresql_or_skip
from tests.rendering import COMPILED, Worker
from tests.servers import environment, serving

RATE = 48000
GRAVITY, RESTITUTION = 1.62, 0.8
BALLS = {"iron": (8.0, 1.0), "stone": (5.0, 1.5), "cork": (2.0, 2.0)}
"""Mass in kg, and the height in m that the ball's lowest point falls from."""
MIN_IMPULSE, MOST_NOTES = 0.1, 40.0
"""The least impulse in N s that is heard, and the most notes of a voice in a second."""

PERIODS = {
    "TRAPPIST-1 b": 1.510826,
    "TRAPPIST-1 c": 2.421937,
    "TRAPPIST-1 d": 4.049219,
    "TRAPPIST-1 e": 6.101013,
    "TRAPPIST-1 f": 9.207540,
    "TRAPPIST-1 g": 12.352446,
    "TRAPPIST-1 h": 18.772866,
}
"""In days: Agol et al. 2021, arXiv 2010.01074, table 2."""


def printed() -> str:
    """The shell blocks of the README's first piece."""
    section = (ROOT / "README.md").read_text().split("\n## A first piece\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


@dataclass
class Journey:
    """What the shell left behind, and the server that is still there to be asked."""

    folder: Path
    said: list[str]
    api: str
    token: str

    def get(self, path: str) -> Any:
        answer = requests.get(self.api + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def render_of(self, name: str) -> dict[str, Any]:
        """The newest render of a scene of this name."""
        return next(render for render in self.get("/audio")["items"] if render["name"] == name)

    def sound(self, name: str) -> NDArray[np.float64]:
        """The samples of a file as (n, 2)."""
        samples, rate = soundfile.read(self.folder / name, always_2d=True)
        assert (rate, samples.shape[1]) == (RATE, 2)
        return samples

    def table(self) -> list[dict[str, str]]:
        with (self.folder / "balls.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@dataclass(frozen=True)
class Home:
    """A database with the demo user, and a folder for the files."""

    url: str
    data_dir: str

    def __post_init__(self) -> None:
        migrated(self.url)
        seeded = flask(self.url, "seed", DATA_DIR=self.data_dir)
        assert seeded.returncode == 0, seeded.stderr


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("sqlite")
    return Home(f"sqlite:///{folder / 'harmonic.db'}", str(folder))


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """With a worker, as gunicorn starts none."""
    on_postgresql_alone()
    with postgresql_or_skip() as url:
        home = Home(url, str(tmp_path_factory.mktemp("postgresql")))
        worker = Worker(load({}, database_url=home.url, data_dir=home.data_dir))
        yield home
        worker.end()


@pytest.fixture(scope="module", params=["run.py on sqlite", "eventlet on postgresql", "gthread on postgresql"])
def journey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    kind, database = request.param.split(" on ")
    home: Home = request.getfixturevalue(database)
    settings = {"DATABASE_URL": home.url, "DATA_DIR": home.data_dir, "NUMBA_CACHE_DIR": str(COMPILED)}
    with serving(kind, settings) as server:
        folder = tmp_path_factory.mktemp("here")
        said = play(folder, {**settings, "PORT": server.url.rpartition(":")[2]})
        login = {"username": "demo", "password": DEVELOPMENT_PASSWORD}
        token = requests.post(server.url + "/api/auth/login", json=login, timeout=30).json()["access_token"]
        yield Journey(folder, said, server.url + "/api", token)


def play(folder: Path, settings: dict[str, str]) -> list[str]:
    """Run the printed blocks in a folder that looks like the repository's; the lines that they said."""
    for path in ROOT.iterdir():
        if path.name != ".venv":
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    command = ["bash", "-e", "-o", "pipefail", "-c", printed()]
    done = subprocess.run(command, cwd=folder, env=environment(settings), capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_command_without_a_server_gives_the_server_s_samples(journey: Journey) -> None:
    of_server, of_command = journey.said[-2:]
    assert re.fullmatch("[0-9a-f]{64}", of_server)
    assert of_command == f"samples_hash: {of_server}"
    assert journey.render_of("Balls")["samples_hash"] == of_server
    assert np.array_equal(journey.sound("balls.wav"), journey.sound("offline.wav"))


@pytest.mark.parametrize(("file", "scene", "duration_s"), [("trappist-1.wav", "TRAPPIST-1", 60.0), ("balls.wav", "Balls", 12.0)])
def test_the_sound_file_is_whole_heard_and_below_full_scale(journey: Journey, file: str, scene: str, duration_s: float) -> None:
    samples, render = journey.sound(file), journey.render_of(scene)
    assert len(samples) == render["frames"] >= duration_s * RATE
    assert np.sqrt(np.mean(samples**2)) > 1e-3, "silence is below -60 dB"
    assert true_peak(samples) <= -1.0 + 0.1  # two oversampling filters differ by less than 0.1 dB
    assert np.abs(samples[-1]).max() < 1e-3, "it ends without a click"


def true_peak(samples: NDArray[np.float64]) -> float:
    """In dBTP: the largest sample at four times the rate, as ITU-R BS.1770 has it."""
    return 20 * math.log10(np.abs(resample_poly(samples, 4, 1, axis=0)).max())


def test_the_midi_file_has_a_note_for_each_line_of_the_table(journey: Journey) -> None:
    messages = [message for track in mido.MidiFile(journey.folder / "balls.mid").tracks for message in track]
    struck = [message for message in messages if message.type == "note_on" and message.velocity > 0]
    assert len(struck) == len(journey.table()) > 3 * len(BALLS)


def bounces(mass: float, height: float) -> Iterator[float]:
    """When a ball that falls from a height hits the floor hard enough: t = sqrt(2h/g) (1 + 2e + 2e^2 + ...)."""
    time = fall = math.sqrt(2 * height / GRAVITY)
    speed = GRAVITY * fall
    while mass * (1 + RESTITUTION) * speed >= MIN_IMPULSE and time < 12.0:
        yield time
        speed *= RESTITUTION
        time += 2 * speed / GRAVITY


def test_every_ball_is_heard_when_the_closed_form_says_that_it_bounces(journey: Journey) -> None:
    """A voice plays at most 40 notes a second: a bounce sooner than that after a note is heard as part of it."""
    scene = journey.render_of("Balls")["scene_id"]
    names = {body["id"]: body["name"] for body in journey.get(f"/scenes/{scene}/bodies")["items"]}
    rows = [(names[row["body_id"]], float(row["t_s"])) for row in journey.table()]
    expected = {name: list(bounces(*ball)) for name, ball in BALLS.items()}
    for name, time in rows:
        assert min(expected[name], key=lambda t: abs(t - time)) == pytest.approx(time, rel=1e-11)
    times = [time for _, time in rows]
    unheard = [t for name in BALLS for t in expected[name] if (name, pytest.approx(t, rel=1e-11)) not in rows]
    assert len(unheard) < len(rows) / 2
    assert all(any(0 <= t - time < len(BALLS) / MOST_NOTES for time in times) for t in unheard)
    iron = [time for name, time in rows if name == "iron"]
    assert iron[:10] == pytest.approx(expected["iron"][:10], rel=1e-11), "one ball by itself, while its bounces are far apart"


def test_nothing_sounds_before_the_first_bounce_and_then_the_bar_does(journey: Journey) -> None:
    first = math.floor(math.sqrt(2 * BALLS["iron"][1] / GRAVITY) * RATE)
    samples = journey.sound("balls.wav")
    assert np.abs(samples[: first - 1]).max() < 1e-4  # a step of 16 bits is 3e-5
    assert np.abs(samples[first : first + RATE // 50]).max() > 0.1


def test_the_intervals_of_the_planets_are_those_of_their_periods(journey: Journey) -> None:
    score = journey.get(f"/audio/{journey.render_of('TRAPPIST-1')['id']}/score")
    names = {body["id"]: body["name"] for body in journey.get(f"/scenes/{journey.render_of('TRAPPIST-1')['scene_id']}/bodies")["items"]}
    found = {
        (names[row["low_body_id"]], names[row["high_body_id"]]): row["cents"]
        for row in score["report"]["intervals"]
        if row["voice_id"] == "default-orbits"
    }
    wanted = {(far, near): 1200 * math.log2(PERIODS[far] / PERIODS[near]) for near, far in itertools.pairwise(PERIODS)}
    assert found == pytest.approx(wanted, abs=1e-9)  # rounding: days become seconds, and those become frequencies


def test_the_planets_sound_at_the_frequencies_of_their_score(journey: Journey) -> None:
    audio = journey.render_of("TRAPPIST-1")["id"]
    notes = [note for note in journey.get(f"/audio/{audio}/score")["notes"] if note["voice_id"] == "default-orbits"]
    fundamentals = sorted(note["hz"] for note in notes)
    assert len(fundamentals) == len(PERIODS)
    measured = spectral_peaks(journey.sound("trappist-1.wav")[:, 0], fundamentals)
    assert [cents(hz, peak) for hz, peak in zip(fundamentals, measured, strict=True)] == pytest.approx([0.0] * 7, abs=1.0)
    ratios = [PERIODS[far] / PERIODS[near] for near, far in itertools.pairwise(PERIODS)][::-1]
    heard = [high / low for low, high in itertools.pairwise(measured)]
    assert [cents(*pair) for pair in zip(ratios, heard, strict=True)] == pytest.approx([0.0] * 6, abs=1.0)
    report = journey.get(f"/audio/{audio}/report")
    assert report["ok"]
    assert report["notes"]["pitches"]["measured"] >= len(PERIODS)
    assert abs(report["notes"]["pitches"]["worst_cents"]) <= 1.0


def spectral_peaks(samples: NDArray[np.float64], near: list[float]) -> list[float]:
    """The frequency of the strongest partial within 30 cents of each, in Hz: a parabola through the logarithm of a Hann spectrum.

    Over 2^21 samples a bin is 0.3 cents of the lowest; the parabola is good to a hundredth of a bin.
    """
    count = 2**21
    stretch = samples[RATE : RATE + count] * np.hanning(count)
    spectrum = np.log(np.abs(np.fft.rfft(stretch)) + 1e-30)
    found = []
    for hz in near:
        low, high = (round(hz * 2 ** (side / 1200) * count / RATE) for side in (-30, 30))
        peak = low + int(np.argmax(spectrum[low : high + 1]))
        left, top, right = spectrum[peak - 1 : peak + 2]
        found.append((peak + (left - right) / (left - 2 * top + right) / 2) * RATE / count)
    return found


def cents(low: float, high: float) -> float:
    return 1200 * math.log2(high / low)
