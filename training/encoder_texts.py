"""Texts on which an exported encoder is compared with its source: short to window-long, many kinds, many scripts."""

from contract.errors import InvalidInput
from contract.locate import find
from training.taxonomy import load_taxonomy

TAXONOMY = "data/taxonomy.yaml"

_WRITTEN = (
    "hi",
    "?",
    "42",
    "What is 1 + 9900?",
    "Thanks, that is all for today!",
    "Translate 'good morning' into Japanese.",
    "Summarise the following paragraph in one sentence.",
    "Who wrote The Master and Margarita?",
    "Prove that the square root of 2 is irrational.",
    "A train leaves at 9:40 and covers 320 km at 80 km/h; when does it arrive if it stops twice for 12 minutes?",
    "Three boxes are labelled apples, oranges and mixed, and every label is wrong. You may draw one fruit from one "
    "box. From which box do you draw, and how do you then relabel all three?",
    "def merge(a, b):\n    out = []\n    while a and b:\n        out.append((a if a[0] < b[0] else b).pop(0))\n"
    "    return out\n\nWhy does this lose elements?",
    "SELECT c.name, SUM(o.total) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1 "
    "HAVING SUM(o.total) > 100; explain why customers without orders are missing.",
    '{"id": 17, "status": "failed", "retries": [1, 2, 4], "error": null}',
    "| year | revenue | cost |\n|---|---|---|\n| 2021 | 10.4 | 8.1 |\n| 2022 | 12.9 | 9.7 |\n\n"
    "By how much did margins grow?",
    "Review this architecture: two regions, active-active, one Kafka cluster in each, mirrored; orders are "
    "deduplicated by an idempotency key in Redis. What happens to orders in flight when the link between them is cut?",
    "Qual è la capitale dell'Australia, e perché non è Sydney?",
    "Erkläre einem Kind, warum der Himmel blau ist.",
    "Résous l'équation x^2 - 5x + 6 = 0 et vérifie les deux solutions.",
    "¿Cuántos números primos hay entre 1 y 100? Razona paso a paso.",
    "Сколько существует способов разложить 8 ферзей на доске?",
    "请把下面的句子翻译成英文：今天天气很好。",
    "次の文章を要約してください。人工知能は急速に発展している。",
    "한국의 수도는 어디인가요?",
    "ما هي عاصمة المغرب؟",
    "एक आयत की लंबाई 12 और चौड़ाई 5 है; विकर्ण कितना है?",
    "aGVsbG8gd29ybGQsIHRoaXMgaXMgYmFzZTY0IGFuZCBub3RoaW5nIGVsc2U=",
    "🙂🙂🚀",
    "asdf qwer zxcv uiop",
)
_SENTENCES = (
    "The ship left the harbour at dawn with forty tons of grain and a crew of nine. ",
    "Each warehouse keeps a ledger, and every ledger is checked against the others at the end of the month. ",
    "If the count differs by more than two percent, the auditor asks for a second count by another clerk. ",
)


def parity_texts() -> list[str]:
    """Return texts written here, texts of growing length up to about 256 tokens, and the taxonomy's prompts."""
    ladder = ["".join(_SENTENCES[i % 3] for i in range(n)).strip() for n in range(1, 12)]
    return list(dict.fromkeys([*_WRITTEN, *ladder, *_taxonomy_texts()]))


def _taxonomy_texts() -> list[str]:
    try:
        path = find(TAXONOMY)
    except InvalidInput:  # an installed wheel has no data folder
        return []
    return [prompt for family in load_taxonomy(path) for prompt in family.prompts]
