"""Settings of a training run: the defaults, what a file may say, and what is said of a wrong one."""

import pytest
from pydantic import ValidationError

from contract.errors import InvalidInput
from training.config import TrainConfig, load_config


def write(folder, content):
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def error_of(path):
    with pytest.raises(InvalidInput) as caught:
        load_config(path)
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


def test_no_file_means_the_defaults():
    assert load_config(None) == TrainConfig()


def test_a_file_changes_what_it_names_and_no_more(tmp_path):
    config = load_config(write(tmp_path, "iterations: 30\nseed: 11\nprior_weight: 0\n"))
    assert config == TrainConfig(iterations=30, seed=11, prior_weight=0)
    assert config.components == TrainConfig().components


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path):
    assert load_config(write(tmp_path, "\ufeffseed: 11\n")).seed == 11


def test_a_setting_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().seed = 3


def test_a_misspelt_setting_is_named_beside_the_known_ones(tmp_path):
    error = error_of(write(tmp_path, "iteratons: 30\n"))
    assert "unknown key iteratons (did you mean iterations?)" in error.message
    assert f"known keys: {', '.join(TrainConfig.model_fields)}" in error.message
    assert (error.field, error.limit) == ("iteratons", [*TrainConfig.model_fields])


@pytest.mark.parametrize("gone", ["calibration_share"])
def test_a_setting_of_an_older_version_is_unknown(tmp_path, gone):
    """Calibration is by cross-fitting: no share of the prompts is kept for it."""
    error = error_of(write(tmp_path, f"{gone}: 0.2\n"))
    assert error.field == gone
    assert "unknown key" in error.message


def test_a_key_that_is_no_text_is_unknown(tmp_path):
    assert "unknown key 1; known keys: seed" in error_of(write(tmp_path, "1: 2\n")).message


def test_a_misspelt_setting_comes_before_a_wrong_value(tmp_path):
    assert error_of(write(tmp_path, "iterations: 1\ncomponnets: 3\n")).field == "componnets"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("components", 1),
        ("components", 385),
        ("source_power", -0.1),
        ("source_power", 1.1),
        ("prior_weight", -0.1),
        ("prior_weight", 4.1),
        ("holdout_share", 0.019),
        ("holdout_share", 0.5),
        ("iterations", 9),
        ("iterations", 2001),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(tmp_path, key, value):
    error = error_of(write(tmp_path, f"{key}: {value}\n"))
    assert f"{key} is {value}: input should be " in error.message
    assert error.message.endswith("; correct the file")
    assert error.field == key
    assert error.limit is not None


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize("key", ["seed", "components", "source_power", "prior_weight", "holdout_share", "iterations"])
def test_a_number_is_finite(tmp_path, key, value):
    error = error_of(write(tmp_path, f"{key}: {value}\n"))
    assert error.field == key
    assert "should be a finite number" in error.message


@pytest.mark.parametrize("key", ["seed", "prior_weight", "source_power"])
def test_yes_is_no_number(tmp_path, key):
    error = error_of(write(tmp_path, f"{key}: yes\n"))
    assert f"{key} is true; give a number" in error.message
    assert error.field == key


@pytest.mark.parametrize(
    ("key", "value"), [("iterations", "many"), ("iterations", 30.5), ("iterations", "[30]"), ("seed", "~")]
)
def test_a_value_of_another_kind_is_refused(tmp_path, key, value):
    assert error_of(write(tmp_path, f"{key}: {value}\n")).field == key


def test_a_pattern_is_a_regular_expression(tmp_path):
    error = error_of(write(tmp_path, "chain_of_thought: '(cot'\n"))
    assert "chain_of_thought: is no regular expression (missing ), " in error.message
    assert error.field == "chain_of_thought"
    assert load_config(write(tmp_path, "chain_of_thought: 'cot|steps?'\n")).chain_of_thought == "cot|steps?"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("# iterations: 30\n", "is empty"),
        ("0", "holds 0"),
        ("[]", "holds a list"),
        ("- iterations: 30\n", "holds a list"),
        ("iterations\n", 'holds "iterations"'),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_rather_than_taken_for_the_defaults(tmp_path, content, said):
    error = error_of(write(tmp_path, content))
    assert said in error.message
    assert "leave it out for the defaults" in error.message
    assert error.field == "config"


@pytest.mark.parametrize("content", ["iterations: [", "\titerations: 3", "a: b: c", "iterations: 30\niterations: 40\n"])
def test_what_is_no_yaml_is_refused_with_its_line(tmp_path, content):
    error = error_of(write(tmp_path, content))
    assert "is not valid YAML: line " in error.message
    assert error.field == "config"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    error = error_of(write(tmp_path, "chain_of_thought: é\n".encode("latin-1")))
    assert "is not UTF-8 at byte 18; save it as UTF-8" in error.message


def test_a_file_that_is_not_there_names_the_option(tmp_path):
    error = error_of(tmp_path / "nowhere.yaml")
    assert "No such file" in error.message
    assert "--config" in error.message
    error_of(tmp_path)
