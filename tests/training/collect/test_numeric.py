import pytest

from training.collect.numeric import equal, last_number, may_be_equal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 42.", 42), ("first 1, then 2", 2), ("1,234,567.5 dollars", 1234567.5), ("10 000 m", 10_000),
        ("1\u202f234", 1234), ("1'000", 1000), ("1{,}234", 1234), ("1,2,3", 3), ("1,2345", 2345),
        ("-5", -5), ("−5", -5), ("–5", -5), ("$-5", -5), ("-$5", -5), ("(-3)", -3), ("3-5", 5), ("3 - 5 = -2", -2),
        ("3/4", 0.75), ("-1/2", -0.5), ("1 1/2 cups", 1.5), (r"\frac{1}{2}", 0.5), (r"\dfrac{-3}{4}", -0.75),
        ("on 12/05/2024", 12),
        ("6.02e23", 6.02e23), ("1e-3", 1e-3), ("3 x 10^8", 3e8), (r"$3 \times 10^{-8}$", 3e-8), ("2 * 10**3", 2000),
        ("10^6", 1e6), (".5", 0.5), ("**7**", 7), (r"\boxed{42}", 42), ("#### 72", 72), ("at 30°C", 30), ("5kg", 5),
        ("The area is 12 m^2", 12), ("12 m^{2}", 12), ("12 g of CO2", 12), ("x_1 = 9", 9), ("٣", 3),
    ],
)  # fmt: skip
def test_last_number(text, value):
    assert last_number(text).value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["", "none at all", "CO2", "v1.2.3", "1/0", "1e999", "forty-two"])
def test_no_number(text):
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,000", "1000.0", True), ("0.75", "3/4", True), ("50%", "0.5", True), ("50 percent", "50", True),
        ("50%", "50 %", True), ("5000%", "50%", False), ("1000000", "1000001", True), ("1000", "1001", False),
        ("0", "0.0", True), ("0", "1e-6", False), ("-3", "3", False),
    ],
)  # fmt: skip
def test_equal(one, other, same):
    assert equal(last_number(one), last_number(other)) is same
    assert equal(last_number(other), last_number(one)) is same


def test_tolerance_is_relative():
    assert equal(last_number("3.14"), last_number("3.1416"), 0.001)
    assert not equal(last_number("3.14"), last_number("3.1416"), 0.0001)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # letters: those of scripts without spaces stand straight before a number, others make it part of a word
        ("17 * 23是391", 391), ("3 + 4 等于7", 7), ("计算17乘以23，结果是391", 391), ("答案是42。", 42), ("答えは42です。", 42),
        ("답은42", 42), ("共42个", 42), ("結果は-42", -42), ("คำตอบคือ42บาท", 42), ("9 of GPT4", 9), ("9 is x2", 9), ("9 для х2", 9),
        ("9 of α2", 9), ("9 of snake_case_2", 9), ("4分の1", 0.25), ("4分之3", 0.75),
        # bullets, dashes, ranges and signs
        ("Answer:\n- 391", 391), ("- 42", 42), ("The options:\n- 41\n- 42", 42), ("---\n42", 42), ("* 42", 42),
        ("Final answer - 42", 42), ("Answer – 42", 42), ("Answer - −42", -42), ("- -42", -42), ("10–20", 20), ("10 – 20", 20),
        ("3-42", 42), ("10 - 5", 5), ("x - 5", 5), ("(2x)-5", 5), ("-42", -42), ("−42", -42),
        ("\u2212\u20093", -3), ("Answer: \u2212 42", -42), ("10 \u2212 5", 5), ("(1) \u2212 5", 5), ("x = -42", -42),
        ("x = - 42", -42), ("x ≈ − 42", -42), (r"\boxed{- 42}", -42), ("$- 42$", -42), ("=\n- 42", 42), (r"-\$5", -5),
        # powers and units
        ("1.5 × 10⁻³", 0.0015), ("10⁶", 1e6), ("6.67×10⁻¹¹ N·m²/kg²", 6.67e-11), ("2^10", 1024), ("2^{10}", 1024), ("2**10", 1024),
        ("2 ** 10", 1024), ("-2^2", -4), ("2^-1", 0.5), ("10^{−3}", 1e-3), ("**3** 5", 5), ("9.8 m s⁻²", 9.8), ("9.8 m s^-2", 9.8),
        (r"9.8\,\text{m s}^{-2}", 9.8), (r"\sin ^{-1} x = 3", 3), ("42 m²", 42), ("42 cm³", 42), ("42km", 42), ("42 km/h", 42),
        (r"42^\circ", 42), ("7 of x_{1}", 7), (r"5 \times 10^{3}", 5000), (r"2 \cdot 10^3", 2000), ("5E+3", 5000),
        # fractions
        ("½", 0.5), ("3½", 3.5), ("3 ½", 3.5), ("-½", -0.5), ("3⅔", 11 / 3), ("1⁄2", 0.5), (r"2\frac{1}{2}", 2.5), ("10 000/4", 2500),
        (r"-\frac{3}{4}", -0.75), (r"\boxed{-\frac{1}{2}}", -0.5), ("1\n1/2", 0.5),
        # width and emphasis
        ("１，０００", 1000), ("１．５", 1.5), ("－３", -3), ("３／４", 0.75), ("_42_", 42), ("__42__", 42), ("**42**", 42), ("_-42_", -42),
        ("`42`", 42),
        # points and commas
        ("3,5", 3.5), ("3,50", 3.5), ("€3,50", 3.5), ("-3,5", -3.5), ("0,375", 0.375), ("1234,567", 1234.567), ("1.000,5", 1000.5),
        ("1.234.567", 1234567), ("1.234.567,89", 1234567.89), ("10 000,5", 10000.5), ("1’000", 1000), ("12,34,567", 1234567),
        ("1,000", 1000), ("1,234.5", 1234.5), ("1.000", 1), (r"10,\!000", 10000), ("1, 2, 3", 3), ("3,5.", 3.5), ("3,5, 7", 7),
        ("两个数分别是15，120", 120), ("分别是 100，200", 200), ("共12，345", 345), ("分别是3，5", 5), ("１２，３４５", 12345), ("２．５", 2.5),
        # powers that are not whole are not read
        ("2^{0.5}", 2), ("2^{3n}", 2), ("2^n", 2),
        # around a number
        ("42.", 42), ("42)", 42), ("(42)", 42), ("1. 42", 42), ("1) 42", 42), ("Step 2: 42", 42), ("12 % of it", 12), ("₹500", 500),
        ("5th", 5), ("on 2024-05-12", 12), ("42, on no 12.05.2024", 42), ("42 in version 1.2.3", 42), (r"\boxed{\text{42}}", 42),
        (r"\$1{,}000", 1000), ("2 million", 2), ("3万", 3), ("10^" + "9" * 5000 + " is 4", 4),
    ],
)  # fmt: skip
def test_numbers_as_they_are_written(text, value):
    assert last_number(text).value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["x2", "GPT4", "х2", "β2", "Ա2", "x_1", "x_{1}", "CO₂", "m^2", "s^{-1}", "1.2.3", "3万5千", "3억5000만"]
)
def test_what_is_not_read(text):
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2", "2^10", False), ("1024", "2^10", True), ("2^10", "2^10", True), ("50％", "0.5", True), (r"50\%", "50", True),
        ("0.5 %", "0.005", True), ("3½ %", "3.5%", True), ("3,5", "4,5", False), ("10⁶", "106", False),
        # another reading would do: nothing is decided
        ("1.000", "1000", None), ("1.000", "1", True), ("1.000", "2", False), ("1.000", "1,000", None), ("1,000", "1000", True),
        ("3,142", "3.142", None), ("3,1416", "3.1416", None), ("3,5", "5", None), ("(3,5)", "(3, 5)", None), ("3,5", "3", False),
        ("- 42", "-42", None), ("- 42", "42", True), ("- 42", "-43", False), ("-42", "42", False), ("2 million", "2000000", None),
        ("1.5 Billion", "1500000000", None), ("3万", "30000", None), ("2억", "200000000", None), ("2 million", "3000000", False),
    ],
)  # fmt: skip
def test_equal_or_perhaps(one, other, same):
    for pair in ([last_number(one), last_number(other)], [last_number(other), last_number(one)]):
        assert equal(*pair) is (same is True)
        assert (equal(*pair) or may_be_equal(*pair)) is (same is not False)
