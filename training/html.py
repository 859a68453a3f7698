"""The evaluation report as one self-contained HTML page."""

from typing import Any

from jinja2 import Environment, select_autoescape

from training.metrics import ranged, shown

_PAGE = """{% macro gained(name, d) -%}
<tr><td>{{ name }}<td>{{ "{:,}".format(d.n) }}<td>{{ ranged(d.mean_gain, d.interval, "+.3f") }}</tr>
{%- endmacro %}<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>thinkworth: evaluation of {{ r.revision }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8886; } th:first-child, td:first-child { text-align: left; }
td + td { white-space: nowrap; } h1, h2 { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
</style>
<h1>Evaluation of {{ r.revision }}</h1>
<p>{{ "{:,}".format(r.n) }} pairs with both arms scored; profile {{ r.profile }}. In brackets: 95 % bootstrap intervals over prompts.
q is the normalised Qini over tokens: 0 is a random order, 1 an oracle that knows the realised gains. A dash: undefined.</p>
<div class="wide"><table><caption>By source</caption>
<tr><th>source<th>pairs<th>mean gain<th>q<th>AUC for gain &gt; 0<th>ECE of P(use)<th>unfamiliar</tr>
{% for name, s in r.sources.items() %}<tr><td>{{ name }}<td>{{ "{:,}".format(s.n) }}<td>{{ "%+.3f"|format(s.mean_gain) }}
<td>{{ ranged(**s.q) }}<td>{{ ranged(**s.auc) }}<td>{{ shown(s.ece_p_use) }}<td>{{ "%.0f %%"|format(100 * s.familiarity.below_half) }}</tr>{% endfor %}
</table></div>
{% for name, s in r.sources.items() %}
<h2>{{ name }}</h2>
<div class="wide"><table><caption>Policies</caption><tr><th>policy<th>share that thinks<th>score<th>extra tokens a prompt<th>points per 1,000 extra tokens</tr>
{% for p in s.policies %}<tr><td>{{ p.policy }}<td>{{ "%.2f"|format(p.share) }}<td>{{ ranged(p.score, p.score_interval) }}
<td>{{ ranged(p.extra_tokens, p.extra_tokens_interval, ".1f") }}<td>{{ shown(p.points_per_1k_tokens, ".2f") }}</tr>{% endfor %}
</table></div>
<div class="wide"><table><caption>Verdicts and the gain that was realised</caption><tr><th>verdict<th>pairs<th>mean gain</tr>
{% for v, d in s.verdicts.items() %}{{ gained(v, d) }}{% endfor %}
</table></div>
{% endfor %}
{% for name, s in r.one_arm.items() %}
<h2>{{ name }}: prompts with one arm</h2>
<div class="wide"><table><caption>Verdicts and the doubly robust mean gain: estimated, from arms that were not drawn by chance</caption>
<tr><th>verdict<th>prompts<th>mean gain</tr>
{{ gained("all", s) }}
{% for v, d in s.verdicts.items() %}{{ gained(v, d) }}{% endfor %}
</table></div>
{% endfor %}
</html>
"""


def page(report: dict[str, Any]) -> str:
    """Return the page of a report of `training.evaluate`; every text in it is escaped, an undefined figure is a dash."""
    environment = Environment(autoescape=select_autoescape(default_for_string=True, default=True))
    environment.globals.update(ranged=ranged, shown=shown)
    return environment.from_string(_PAGE).render(r=report)
