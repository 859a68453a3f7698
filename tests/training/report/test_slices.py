"""The figures of slices, and which of them have the wrong sign."""

import pytest

from training.report.slices import slices, wrong_signs


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)


def test_a_slice_has_its_net_benefit_as_predicted_and_as_realised(told, profile):
    table = told(60, family="sums")
    (part,) = slices(table, profile)["family"]["parts"].values()
    assert part["net_benefit"]["predicted"] == pytest.approx(table.net_benefit.mean())
    low, high = part["net_benefit"]["realised"]["interval"]
    assert low < part["net_benefit"]["realised"]["value"] < high


def test_without_families_there_is_no_slice_of_them(told, profile):
    assert "family" not in slices(told(60), profile)


@pytest.mark.parametrize(
    ("predicted", "interval", "wrong"),
    [
        (0.1, (-0.3, -0.1), True), (-0.1, (0.1, 0.3), True), (0.1, (0.1, 0.3), False), (-0.1, (-0.3, -0.1), False),
        (0.1, (-0.3, 0.1), False), (-0.1, (-0.1, 0.3), False), (0.0, (0.1, 0.3), False), (0.1, None, False),
    ],
)  # fmt: skip
def test_a_sign_is_wrong_where_the_interval_lies_wholly_on_the_other_side_of_0(predicted, interval, wrong):
    net = {"predicted": predicted, "realised": {"value": 0.0, "interval": interval}}
    assert wrong_signs({"f": {"n": 30, "net_benefit": net}}) == ({"f": {"n": 30, **net}} if wrong else {})
