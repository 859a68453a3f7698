"""Texts that no evidence covers, made up: what the familiarity head learns to tell from real prompts."""

import base64
import random

from training.foreign_words import FOREIGN_WORDS

_SCRIPTS = (
    (0x4E00, 0x9FA5), (0x3041, 0x3096), (0x30A1, 0x30FA), (0xAC00, 0xD7A3), (0x0430, 0x044F), (0x0627, 0x064A),
    (0x0905, 0x0939), (0x0E01, 0x0E2E), (0x0985, 0x09B9), (0x0C05, 0x0C39), (0x03B1, 0x03C9), (0x05D0, 0x05EA),
)  # fmt: skip
_KEYS = ("asdfghjkl", "qwertyuiop", "zxcvbnm", "asdf jkl", "qazwsxedc", "hjklfdsa")
_SIGNS = ("+", "=", "x", "(", ")", "km", "%", ":", "2x", "3,5")
_SYLLABLES = str.split(
    "ka ki ko ku ta tu te ti ma mi mo na ne no ra re ri ro sa se si va ve vi la le li lo pu pe pää yö än "
    "ül ße ção ñe és wa mba nga kwe zu ya yi che que ent ung sch keit zione aux ois ère æn øre åk ij oe "
    "sz czy ów ğı şe dlo ová aan een"
)


def unfamiliar_texts(n: int, seed: int) -> list[str]:
    """Return n texts: base64, hexadecimal (plain and as dumps), keyboard mash, letters of other scripts, words of no language and of others than English."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    makers = (_base64, _hex, _dump, _mash, _script, _syllables, _shuffled, *[_foreign] * 7)
    return [makers[i % len(makers)](rng) for i in range(n)]


def _base64(rng: random.Random) -> str:
    return base64.b64encode(rng.randbytes(rng.randint(12, 400))).decode()


def _hex(rng: random.Random) -> str:
    raw = rng.randbytes(rng.randint(8, 200)).hex()
    step = rng.choice((2, 4, 8, len(raw)))
    return " ".join(raw[i : i + step] for i in range(0, len(raw), step))


def _dump(rng: random.Random) -> str:
    """A hexadecimal dump with offsets, with or without the column of printable characters."""
    wide, printable, prefix = rng.choice((8, 16)), rng.random() < 0.5, rng.choice(("", "0x"))
    lines = []
    for i in range(rng.randint(1, 14)):
        row = rng.randbytes(wide)
        line = f"{prefix}{i * wide:08x}  {row.hex(' ')}"
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{line}  |{text}|" if printable else line)
    return "\n".join(lines)


def _mash(rng: random.Random) -> str:
    row = rng.choice((*_KEYS, "abcdefghijklmnopqrstuvwxyz"))
    return " ".join("".join(rng.choice(row) for _ in range(rng.randint(3, 11))) for _ in range(rng.randint(1, 25)))


def _script(rng: random.Random) -> str:
    low, high = rng.choice(_SCRIPTS)
    gap = "" if low >= 0x3041 and low < 0xAC00 else " "
    words = ["".join(chr(rng.randint(low, high)) for _ in range(rng.randint(2, 7))) for _ in range(rng.randint(3, 40))]
    return gap.join(words) + rng.choice(("", "?", "。", "."))


def _syllables(rng: random.Random) -> str:
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(rng.randint(4, 40))]
    return " ".join(words).capitalize() + rng.choice(("", "?", ".", "!"))


def _foreign(rng: random.Random) -> str:
    """Words of one language other than English in no order, with numbers and signs among them now and then."""
    words, signs = FOREIGN_WORDS[rng.choice([*FOREIGN_WORDS])], rng.choice((0.0, 0.05, 0.3))
    n = rng.choice((rng.randint(3, 6), rng.randint(4, 15), rng.randint(8, 60)))
    drawn = [
        rng.choice(words) if rng.random() >= signs else rng.choice((*_SIGNS, str(rng.randint(2, 900))))
        for _ in range(n)
    ]
    text = " ".join(drawn)
    return text[0].upper() + text[1:] + rng.choice(("", "?", ".", "!"))


def _shuffled(rng: random.Random) -> str:
    letters = "eeeeeeetttttaaaaoooiiinnnsssrrrhhhllldddcccuuummmppfg"
    return " ".join("".join(rng.choice(letters) for _ in range(rng.randint(2, 10))) for _ in range(rng.randint(4, 40)))
