"""Measurements of Dateline: what it finds and answers on questions with known answers, beside plain baselines.

A package may import those to its left, never those to its right:

    datasets, metrics  ←  systems, reporting  ←  experiments  ←  protocols, performance  ←  gate  ←  commands  ←  cli

`reporting` comes before the experiments because it also defines what a result is (`reporting.outcome`) and how a run
survives an interrupt (`reporting.journal`). tests/eval/test_eval_layout.py holds this order. Nothing outside of eval
imports it.
"""
