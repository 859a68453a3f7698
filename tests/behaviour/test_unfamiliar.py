"""What the shipped bundle has no evidence of gets `maybe` and a familiarity under one half: other languages, noise, huge pastes."""

import base64
import random

import pytest

from contract.bundle import in_use
from contract.locate import ROOT
from contract.policy import decide
from contract.prompt import Prompt
from contract.scorer import Scorer
from serving.router import Router
from serving.schemas import PredictRequest

LANGUAGES = {
    "German": ("Drei Maurer brauchen sechs Tage für eine Mauer. Wie lange brauchen neun?", "Fasse den folgenden Absatz in einem Satz zusammen."),
    "French": ("Résous cette équation et explique chaque étape : 3x + 5 = 2(x + 7).", "Rédige un courriel pour annuler mon abonnement à la salle de sport."),
    "Spanish": ("Si un tren sale a las ocho y va a 90 km por hora, ¿cuándo llega a Sevilla?", "Escríbeme un correo para pedir vacaciones en agosto."),
    "Italian": ("Dimostra che la somma di due numeri dispari è sempre pari.", "Qual è la differenza tra una mela e una pera?"),
    "Portuguese": ("Quantas maneiras há de sentar cinco pessoas numa mesa redonda?", "Traduza este parágrafo e corrija os erros de gramática."),
    "Dutch": ("Hoeveel liter water gaat er in een bad van twee meter lang?", "Schrijf een vriendelijke brief aan mijn huisbaas over de verwarming."),
    "Polish": ("Udowodnij, że pierwiastek z dwóch jest liczbą niewymierną.", "Napisz krótkie podsumowanie tego artykułu o klimacie."),
    "Turkish": ("Bir sepette on iki elma var, beşini yersem kaç elma kalır?", "Komşuma gürültü için nazik bir mektup yaz."),
    "Vietnamese": ("Hãy viết một bài thơ ngắn về mùa thu ở Hà Nội.", "Một cửa hàng bán ba loại bánh, tôi mua hết bao nhiêu tiền?"),
    "Indonesian": ("Tolong buatkan ringkasan singkat dari rapat tadi pagi.", "Berapa jumlah sudut dalam segi enam beraturan?"),
    "Japanese": ("次の文章を三行で要約してください。", "りんごが十二個あります。五個食べると何個残りますか。"),
    "Korean": ("다음 문장을 영어로 번역해 주세요.", "세 사람이 여섯 시간 걸리는 일을 아홉 사람이 하면 얼마나 걸리나요?"),
    "Russian": ("Докажи, что сумма углов треугольника равна двум прямым.", "Напиши письмо начальнику с просьбой об отпуске."),
    "Arabic": ("اكتب رسالة قصيرة إلى مدير المدرسة.", "كم عدد الطرق لترتيب خمسة كتب على رف؟"),
    "Hindi": ("मुझे इस लेख का सारांश दो।", "यदि एक ट्रेन आठ बजे चलती है तो वह कब पहुँचेगी?"),
}  # fmt: skip


def noise():
    rng = random.Random(11)
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    code = (ROOT / "training" / "heads.py").read_text(encoding="utf-8")
    words = english.split()
    lines = (
        f"2026-11-{i % 28 + 1:02d} 12:{i % 60:02d}:00 INFO worker-{i % 7} took {rng.randrange(900)} ms"
        for i in range(2000)
    )
    return {
        "letters": " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(30)),
        "base64": base64.b64encode(rng.randbytes(500)).decode(),
        "base64 of English": base64.b64encode(english[:600].encode()).decode(),
        "hexadecimal": rng.randbytes(300).hex(),
        "8 kB of words of no language": " ".join(
            "".join(rng.choices("aeioulmnrst", k=rng.randint(2, 9))) for _ in range(1200)
        )[:8000],
        "8 kB of base64": base64.b64encode(rng.randbytes(6000)).decode(),
        "8 kB of numbers": "\n".join(",".join(str(rng.randrange(1000)) for _ in range(12)) for _ in range(170))[:8000],
        "100 kB of English": (english * 20)[:100_000],
        "100 kB of code": (code * 20)[:100_000],
        "100 kB of words in no order": " ".join(rng.choices(words, k=17_000)),
        "100 kB of a log": "\n".join(lines),
        "100 kB of numbers": "\n".join(",".join(str(rng.randrange(1000)) for _ in range(12)) for _ in range(2200)),
    }


TEXTS = noise() | {f"{name} {i}": text for name, texts in LANGUAGES.items() for i, text in enumerate(texts)}


@pytest.fixture(scope="module")
def scorer():
    return Scorer.load(in_use(ROOT / "models" / "default"))


@pytest.mark.parametrize("kind", TEXTS)
def test_no_confident_verdict_without_evidence(scorer, kind):
    for profile in scorer.manifest.profiles.values():
        said = decide(scorer.score(Prompt.from_text(TEXTS[kind])).scores, profile, scorer.manifest.calibration)
        assert said.verdict == "maybe"
        assert said.familiarity < 0.5


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.org/1.png"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/1.png"}},
        {"type": "input_file", "file_id": "file-1"},
    ],
)
@pytest.mark.parametrize(
    "text", ["Solve the problem in this picture.", "Summarise the attached document.", "What is 17 * 23?"]
)
def test_a_prompt_with_an_image_or_a_file_that_nobody_reads_gets_no_confident_verdict(scorer, part, text):
    router = Router(scorer)
    content = [{"type": "text", "text": text}, part]
    answer = router.answer(PredictRequest(messages=[{"role": "user", "content": content}]))
    assert (answer.verdict, answer.familiarity < 0.5) == ("maybe", True)
    assert "not read, being no text: images, files or the like (1)" in answer.reasons
    alone = router.answer(PredictRequest(messages=[{"role": "user", "content": content[:1]}]))
    assert alone.familiarity > 0.5
