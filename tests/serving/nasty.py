"""Texts and bodies that parsers, expressions and tokenizers have stumbled over, made here so that none is a large file."""

import json

UNITS = {
    "one letter": "a", "spaces": " x" + " " * 60, "newlines": "\n\nx\n", "opening braces": "{", "opening brackets": "[",
    "closing brackets": "]})", "quotes": '"', "backslashes": "\\", "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmM=",
    "Chinese": "今天天气怎么样", "digits": "1234567890", "numbers": "3.14 * 7 - 22, ", "table": "| a | b | c |\n", "fences": "```\n",
    "code": "```python\nx = 1\n```\n", "chat marks": "<|im_end|><|im_start|>system\n", "special tokens": "[SEP] [CLS] [MASK] [PAD] ",
    "NUL": "\x00", "byte order marks": "\ufeff", "controls": "\x01\x02\x1f\x7f\x85", "combining marks": "a\u0301\u0302\u0303\u0327\u0335",
    "only combining marks": "\u0301", "right to left": "\u202eשלום\u202c ", "isolates": "\u2066a\u2069\u2067", "joined emoji": "👩‍👩‍👧‍👦🏳️‍🌈🙂",
    "flags": "🇦🇧", "lone surrogates": "\ud800", "noncharacters": "\uffff\U0010ffff", "line separators": "\u2028\u2029\x0b\x0c",
    "jamo": "\u1100\u1161\u11a8", "conjuncts": "क्षि", "variation selectors": "☺\ufe0f", "dollars": "$a\\", "formulas": "$x^2_",
    "labels": "\nquestion: ", "shots": "Q: a A: b ", "headings": "\n#", "stars": "* ", "tabs": "\t", "quoted": "> q\n",
    "opening tags": "<document>", "closing tags": "</document>", "tags": "<document> x </document> ", "triple quotes": '\n """',
    "bars": "|", "rules": "---+", "dump rows": "0000000 0a0b 0c0d\n", "options": "\n\nA) x", "decorators": "@a(\n", "imports": "import a\n",
    "envelopes": "\nClassify this message:\n", "lengths": "\n\nConversation so far: ~1 tokens across the request\n",
    "numbered turns": "\n[1] user: ", "no-break spaces": "\u00a0", "sentences": "Do it? ", "JSON": '{"a": [1, 2]}, ',
}  # fmt: skip
"""What a text is filled with, by name."""


def filled(unit, size):
    """Return a text of so many characters."""
    return (unit * (size // len(unit) + 1))[:size]


def largest(unit, limit):
    """Return the longest text of a unit whose JSON, not escaped more than it must be, has at most so many bytes."""
    size = len(json.dumps(unit, ensure_ascii=False).encode("utf-8", "replace")) - 2
    return filled(unit, limit // size * len(unit))


def body(prompt, **more):
    """Return a body as a client sends it: a lone surrogate has no UTF-8, and is escaped."""
    try:
        return json.dumps({"prompt": prompt, **more}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps({"prompt": prompt, **more}).encode()


def bodies(limit):
    """Return bodies of about so many bytes, valid or nearly: deep, wide, many, long."""
    many = "".join(f'"k{i}": 1, ' for i in range(limit // 12))
    short = '{"role": "user", "content": "a"}'
    return {
        "very many messages": '{{"messages": [{}]}}'.format(", ".join([short] * (limit // 36))),
        "very many empty messages": '{{"messages": [{}]}}'.format(", ".join(["{}"] * (limit // 5))),
        "messages of numbers": '{{"messages": [{}]}}'.format(",".join("1" * (limit // 2))),
        "very many parts": '{{"messages": [{{"role": "user", "content": [{}]}}]}}'.format(",".join(['"a"'] * (limit // 5))),
        "very many images": '{{"messages": [{{"role": "user", "content": [{}]}}]}}'.format(",".join(['{"type": "image"}'] * (limit // 19))),
        "very many tools": '{{"prompt": "a", "tools": [{}]}}'.format(",".join(["{}"] * (limit // 4))),
        "tools of numbers": '{{"prompt": "a", "tools": [{}]}}'.format(",".join("1" * (limit // 2))),
        "very many keys": f'{{{many}"prompt": "a"}}',
        "very many keys of a tool": f'{{"prompt": "a", "tools": [{{{many}"x": 1}}]}}',
        "one key very often": '{%s"prompt": "a"}' % ('"prompt": "b", ' * (limit // 15)),
        "a very long key": '{"prompt": "a", "%s": 1}' % ("k" * limit),
        "long integers": '{{"prompt": "a", "tools": [{{"x": [{}]}}]}}'.format(",".join(["9" * 4300] * (limit // 4301))),
        "a longer integer": '{"prompt": "a", "tools": [{"x": %s}]}' % ("9" * limit),
        "as deep as may be": '{"prompt": "a", "tools": [{"x": %s}]}' % ("[" * 61 + "]" * 61),
        "deep": '{"prompt": "a", "tools": [{"x": %s}]}' % ("[" * (limit // 2) + "]" * (limit // 2)),
        "deep objects": '{"a":' * (limit // 5),
        "brackets in a text": '{"prompt": "%s"}' % ("[{" * (limit // 2)),
        "escapes": '{"prompt": "%s"}' % ("\\u005b" * (limit // 6)),
        "escaped surrogates": '{"prompt": "%s"}' % ("\\ud83d\\ude00\\udc00" * (limit // 18)),
        "a very long profile": '{"prompt": "a", "profile": "%s"}' % ("p" * limit),
        "a text that never ends": '{"prompt": "' + "a" * limit,
        "spaces around": " " * (limit // 2) + '{"prompt": "a"}' + "\n" * (limit // 2),
        "very many requests": '{{"requests": [{}]}}'.format(",".join(["{}"] * (limit // 3))),
        "very many outcomes": '{{"outcomes": [{}]}}'.format(",".join(["{}"] * (limit // 3))),
        "very many questions": f'{{"state": "a", "questions": {{{many}"x": 1}}}}',
        "a wide state": '{{"state": [{}], "questions": {{"thinking_helps": {{"type": "noul"}}}}}}'.format(",".join(["[]"] * (limit // 3))),
        "very many labels": f'{{"state": "a", "questions": {{"tier": {{"type": "choice", "criteria": {{{many}"x": 1}}}}}}}}',
    }  # fmt: skip
