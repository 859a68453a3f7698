import pytest

from training.collect.numeric import equal, last_number


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
