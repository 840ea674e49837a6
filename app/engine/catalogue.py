"""Every quantity that a person can set, by the kind of thing it belongs to."""

from __future__ import annotations

from app.engine.quantity import Quantity

_CODATA = "CODATA 2022"
_OURS = "chosen for this service"
_ORBITS = "Murray & Dermott, Solar System Dynamics"
_SOUNDING = "Fletcher & Rossing, The Physics of Musical Instruments"


def _by_name(*quantities: Quantity) -> dict[str, Quantity]:
    return {quantity.name: quantity for quantity in quantities}


PHYSICS = _by_name(
    Quantity("gravity.x", "g_x", "m/s^2", -300, 300, 0.0, "Uniform gravity, x component.", _OURS),
    Quantity("gravity.y", "g_y", "m/s^2", -300, 300, -9.80665, "Uniform gravity, y component (up is positive).", "CGPM 1901"),
    Quantity("gravity.z", "g_z", "m/s^2", -300, 300, 0.0, "Uniform gravity, z component.", _OURS),
    Quantity("time_scale", "s", "1", 1e-6, 1e10, 1.0, "Simulated seconds per second of score.", _OURS),
    Quantity("linear_damping", "k", "1/s", 0, 100, 0.0, "Exponential loss of velocity.", _OURS),
    Quantity("air_density", "rho", "kg/m^3", 0, 100, 0.0, "Density of the air; quadratic drag.", "ISO 2533:1975 gives 1.225 at sea level"),
    Quantity("restitution", "e", "1", 0, 1, 1.0, "Restitution of bodies that set none, and of the bounds.", "Newton's law of restitution"),
    Quantity("friction", "mu", "1", 0, 2, 0.1, "Coulomb friction of bodies that set none, and of the bounds.", "Coulomb's law of friction"),
    Quantity("temperature", "T", "K", 0, 10000, 293.15, "Temperature of the air.", "20 °C, ISO 1:2016"),
    Quantity("pressure", "p", "Pa", 0, 1e7, 101325.0, "Pressure of the air.", "standard atmosphere, CGPM 1954"),
    Quantity("gravitational_constant", "G", "m^3/kg/s^2", 0, 1, 6.67430e-11, "Newtonian constant of gravitation.", _CODATA),
    Quantity("timestep", "dt", "s", 1e-9, 1e7, None, "Step of stepping solvers; null leaves it to the solver.", _OURS),
)

_LENGTH = 1e15
BODY = _by_name(
    Quantity("mass", "m", "kg", 0, 1e32, 1.0, "Mass.", _OURS, above=True),
    Quantity("position", "x", "m", -_LENGTH, _LENGTH, 0.0, "A component of the position of the centre.", _OURS),
    Quantity("velocity", "v", "m/s", -299792458.0, 299792458.0, 0.0, "A component of the velocity.", "bounded by the speed of light, SI"),
    Quantity("angle", "theta", "rad", -1e6, 1e6, 0.0, "Rotation about z.", _OURS),
    Quantity("angular_velocity", "omega", "rad/s", -1e6, 1e6, 0.0, "Rate of rotation about z.", _OURS),
    Quantity("restitution", "e", "1", 0, 1, None, "Restitution; null takes the scene's.", "Newton's law of restitution"),
    Quantity("friction", "mu", "1", 0, 2, None, "Coulomb friction; null takes the scene's.", "Coulomb's law of friction"),
    Quantity("radius", "r", "m", 0, _LENGTH, None, "Radius of a circle.", _OURS, above=True),
    Quantity("width", "w", "m", 0, _LENGTH, None, "Width of a box.", _OURS, above=True),
    Quantity("height", "h", "m", 0, _LENGTH, None, "Height of a box.", _OURS, above=True),
    Quantity("vertex", "x", "m", -_LENGTH, _LENGTH, None, "A coordinate of a polygon's vertex.", _OURS),
)

_PI = 3.141592653589793
ORBIT = _by_name(
    Quantity("semi_major_axis", "a", "m", 0, 1e15, None, "Semi-major axis.", _ORBITS, above=True),
    Quantity("period", "P", "s", 0, 1e12, None, "Sidereal period.", _ORBITS, above=True),
    Quantity("eccentricity", "e", "1", 0, 0.99, 0.0, "Eccentricity.", _ORBITS),
    Quantity("inclination", "i", "rad", -_PI, _PI, 0.0, "Inclination.", _ORBITS),
    Quantity(
        "longitude_of_node",
        "Omega",
        "rad",
        -2 * _PI,
        2 * _PI,
        0.0,
        "Longitude of the ascending node.",
        _ORBITS,
    ),
    Quantity("argument_of_periapsis", "omega", "rad", -2 * _PI, 2 * _PI, 0.0, "Argument of periapsis.", _ORBITS),
    Quantity("mean_anomaly", "M", "rad", -2 * _PI, 2 * _PI, 0.0, "Mean anomaly at the epoch.", _ORBITS),
)

MATERIAL = _by_name(
    Quantity(
        "density",
        "rho",
        "kg/m^3",
        0,
        30000,
        None,
        "Density of the material.",
        _SOUNDING,
        above=True,
    ),
    Quantity("youngs_modulus", "E", "Pa", 0, 2e12, None, "Young's modulus.", _SOUNDING, above=True),
    Quantity("poisson", "nu", "1", -1, 0.5, None, "Poisson's ratio.", _SOUNDING),
    Quantity(
        "damping_ratio",
        "zeta",
        "1",
        0,
        1,
        None,
        "Damping ratio of every mode, below 1 where something is to ring: half the loss factor of the material.",
        "Cremer, Heckl & Petersson, Structure-Borne Sound",
    ),
)

RESONATOR = _by_name(
    Quantity(
        "length", "L", "m", 0, 1000, None, "Length of a string, bar or pipe, or of a rectangular membrane or plate.", _OURS, above=True
    ),
    Quantity("width", "w", "m", 0, 1000, None, "Width of a bar, or of a rectangular membrane or plate.", _OURS, above=True),
    Quantity("thickness", "h", "m", 0, 100, None, "Thickness of a bar, membrane or plate.", _OURS, above=True),
    Quantity("radius", "r", "m", 0, 1000, None, "Radius of a string (its core), a pipe, or a round membrane or plate.", _OURS, above=True),
    Quantity(
        "tension",
        "T",
        "N",
        0,
        1e6,
        None,
        "Tension of a string; of a membrane the pull on its whole rim, so that each metre of the rim bears tension / rim (N/m).",
        _OURS,
        above=True,
    ),
    Quantity(
        "linear_density", "mu", "kg/m", 0, 100, None, "Mass of a string per length; null takes radius and density.", _OURS, above=True
    ),
)

CONSTRAINT = _by_name(
    Quantity("stiffness", "k", "N/m", 0, 1e9, None, "Stiffness of a spring.", "Hooke's law", above=True),
    Quantity("damping", "c", "N*s/m", 0, 1e6, 0.0, "Damping of a spring.", _OURS),
    Quantity("rest_length", "l_0", "m", 0, _LENGTH, None, "Length at which a spring is slack.", _OURS),
    Quantity("break_force", "F", "N", 0, 1e12, None, "Force at which the constraint breaks; null never.", _OURS, above=True),
    Quantity("anchor", "x", "m", -_LENGTH, _LENGTH, 0.0, "A coordinate of a fixed anchor.", _OURS),
)

SCENE = _by_name(
    Quantity("duration_s", "T", "s", 0.1, 600, 60.0, "Length of the scene in score seconds.", _OURS),
    Quantity("transition.seconds", "t", "s", 0, 30, 0.0, "Length of a crossfade.", _OURS),
    Quantity("story.harmony_tie", "h", "1", 0, 1, 0.0, "How closely the story is tied to the harmony.", _OURS),
)

HARMONY = _by_name(
    Quantity("tempo_bpm", "bpm", "1", 20, 400, 120.0, "Quarter notes per minute.", _OURS),
    Quantity("a4_hz", "A4", "Hz", 380, 480, 440.0, "Frequency of A4.", "ISO 16:1975 gives 440 Hz"),
    Quantity("range.low_hz", "f_low", "Hz", 16, 16000, 16.0, "Lowest sounding pitch.", _OURS),
    Quantity("range.high_hz", "f_high", "Hz", 16, 16000, 16000.0, "Highest sounding pitch.", _OURS),
    Quantity(
        "swing",
        "s",
        "1",
        0.5,
        0.75,
        0.5,
        "Share that the first of two steps of the time grid takes: 0.5 is straight, 2/3 a triplet's swing; it delays every second line.",
        _OURS,
    ),
    Quantity("max_notes_per_second", "n", "1", 1, 200, 40.0, "Most notes a second in one voice; closer ones are merged.", _OURS),
)

VOICE = _by_name(
    Quantity("gain_db", "G", "dB", -60, 6, 0.0, "Gain of the voice.", _OURS),
    Quantity("pan", "p", "1", -1, 1, 0.0, "Place between left (-1) and right (1).", _OURS),
    Quantity("adsr.attack_s", "A", "s", 0.002, 10, 0.002, "Attack.", "2 ms is the shortest attack without a click"),
    Quantity("adsr.decay_s", "D", "s", 0, 10, 0.0, "Decay.", _OURS),
    Quantity("adsr.sustain", "S", "1", 0, 1, 1.0, "Sustain level.", _OURS),
    Quantity("adsr.release_s", "R", "s", 0.005, 20, 0.05, "Release.", "5 ms is the shortest release without a click"),
    Quantity("midi_channel", "ch", "1", 1, 16, None, "MIDI channel for a voice without microtones.", "MIDI 1.0", integer=True),
    Quantity("midi_program", "pc", "1", 0, 127, None, "MIDI program (0 is Acoustic Grand Piano).", "General MIDI 1", integer=True),
)

RENDER = _by_name(
    Quantity("sample_rate", "f_s", "Hz", 8000, 192000, 48000.0, "Sample rate.", "AES5-2018 recommends 48 kHz", integer=True),
    Quantity("duration_s", "T", "s", 0.1, 600, None, "Length to render; null takes the scene's.", _OURS),
    Quantity("tail_s", "t", "s", 0, 10, None, "Time for notes to ring out after the end; null takes what they need.", _OURS),
    Quantity("floor_db", "L_0", "dB", -140, -20, -90.0, "Level that is black in a spectrogram, below a sine at full scale.", _OURS),
    Quantity("quality", "q", "1", 0.3, 1, 0.7, "How well ogg and mp3 keep the sound; wav and flac keep all of it.", _OURS),
    Quantity("loudness_lufs", "L_K", "LUFS", -40, -5, None, "Integrated loudness of the file; null leaves it as it is.", "ITU-R BS.1770-5"),
    Quantity("reverb.wet_db", "G_w", "dB", -60, 12, 0.0, "Level of what the room answers; 0 is as it is there.", _OURS),
    Quantity("reverb.rt60_s", "T_60", "s", 0.1, 10, None, "Reverberation time at 500 Hz and 1 kHz; null takes the room's.", "ISO 3382-1"),
)

MATERIAL_FILE = _by_name(
    Quantity("channels", "C", "1", 1, 2, None, "Channels of an uploaded sound.", _OURS, integer=True),
    Quantity("sample_rate", "f_s", "Hz", 8000, 192000, None, "Sample rate of an uploaded sound.", _OURS, integer=True),
    Quantity("duration_s", "T", "s", 0, 600, None, "Length of an uploaded sound.", _OURS, above=True),
)

CATALOGUE: dict[str, dict[str, Quantity]] = {
    "physics": PHYSICS,
    "body": BODY,
    "orbit": ORBIT,
    "material": MATERIAL,
    "resonator": RESONATOR,
    "constraint": CONSTRAINT,
    "scene": SCENE,
    "harmony": HARMONY,
    "voice": VOICE,
    "render": RENDER,
}
