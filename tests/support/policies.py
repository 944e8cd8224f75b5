"""Policies that many tests run a gateway with."""

POLICY = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: team, when: 'labels["team"] == "x"', route: [cloud]}
  - {name: hard, when: 'complexity >= 0.6', route: [cloud, edge]}
  - {name: default, route: [edge, cloud]}
resilience: {attempts: 1, deadline_s: {default: 5, max: 10}}
replies:
  - {id: stays-here, when_reason: [CLEARANCE], text: "It stays here."}
  - {id: sorry, text: "Sorry."}
"""

AIR_GAP = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud:
    kind: openai
    model: m
    clearance: public
    price_per_million_usd: {input: 1, output: 1}
    %s
rules: [{name: default, route: [edge, cloud]}]
replies: [{id: sorry, text: x}]
"""
"""For a host from which nothing may leave: `%` takes the keys that say where the cloud model is."""
