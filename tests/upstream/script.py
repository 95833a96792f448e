# SPDX-License-Identifier: Apache-2.0
"""Finding the script for a request: in its text, or laid down beforehand. README.md explains the language."""

import json
import re

PROVIDERS = ("openai", "openrouter", "anthropic", "google", "kie", "recraft", "mureka", "replicate")
KEYS = set("""replay text words tool_calls reasoning refusal finish usage set unset status error headers body content_type body_bytes done
delay first_delay interval comment drip split crlf endless drop stall cut error_event malformed raw long_line
code msg state record callback callback_delay credits took files result fail_code""".split())
MARK = "[[fake:"
PAIR = re.compile(r'([A-Za-z_][\w.\-]*)=("(?:[^"\\]|\\.)*"|\S+)')


class BadScript(Exception):
    pass


def short_form(text):
    script = {}
    rest = PAIR.sub("", text).strip()
    if rest:
        raise BadScript(f"cannot read {rest!r}")
    for path, value in PAIR.findall(text):
        try:
            value = json.loads(value)
        except ValueError:
            pass
        at, parts = script, path.split(".")
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = value
    return script


def extract(text):
    """(script or None, text without marks)"""
    script = None
    while MARK in text:
        start = text.index(MARK)
        body = start + len(MARK)
        if text[body:].lstrip()[:1] in ("{", "["):
            body += len(text[body:]) - len(text[body:].lstrip())
            try:
                script, end = json.JSONDecoder().raw_decode(text, body)
            except ValueError as problem:
                raise BadScript(str(problem)) from None
            close = text.find("]]", end)
            if close < 0 or text[end:close].strip():
                raise BadScript("]] is missing")
        else:
            close = text.find("]]", body)
            if close < 0:
                raise BadScript("]] is missing")
            script = short_form(text[body:close])
        text = text[:start].rstrip(" ") + text[close + 2:]
    return script, text


def pick(script, provider, attempt):
    """One plain script out of lists and objects by provider."""
    for _ in range(3):
        if isinstance(script, list):
            script = script[min(attempt, len(script) - 1)] if script else {}
        elif isinstance(script, dict) and script and set(script) <= set(PROVIDERS):
            script = script.get(provider, {})
    if not isinstance(script, dict):
        raise BadScript("a script is an object")
    unknown = set(script) - KEYS
    if unknown:
        raise BadScript(f"unknown key {sorted(unknown)[0]!r}")
    for key in ("stall", "cut", "error_event", "malformed", "raw", "long_line", "drip", "headers", "set"):
        if key in script and not isinstance(script[key], dict):
            if key == "malformed" and script[key] is True:
                script = dict(script, malformed={})
                continue
            raise BadScript(f"{key} is an object")
    return script


class Rules:
    """Scripts laid down beforehand, and how often each was used."""

    def __init__(self):
        self.rules = []
        self.attempts = {}
        self.last_id = 0

    def add(self, rule):
        if not isinstance(rule, dict) or "script" not in rule or set(rule) - {"match", "times", "script"}:
            raise BadScript("expected {match, times, script}")
        match = rule.get("match") or {}
        unknown = set(match) - {"provider", "api", "model", "stream", "contains"}
        if unknown:
            raise BadScript(f"cannot match by {sorted(unknown)[0]!r}")
        for provider in PROVIDERS:
            pick(rule["script"], provider, 0)
        self.last_id += 1
        self.rules.append({"id": self.last_id, "match": match, "times": int(rule.get("times") or 0),
                           "script": rule["script"], "hits": 0})
        return self.last_id

    def remove(self, rule_id=None):
        self.rules = [] if rule_id is None else [r for r in self.rules if r["id"] != rule_id]
        if rule_id is None:
            self.attempts = {}

    def attempt(self, *key):
        count = self.attempts.get(key, 0)
        self.attempts[key] = count + 1
        return count

    def find(self, facts, raw):
        for rule in self.rules:
            match = rule["match"]
            if rule["times"] and rule["hits"] >= rule["times"]:
                continue
            if "contains" in match and match["contains"].encode() not in raw:
                continue
            if any(facts.get(k) != v for k, v in match.items() if k != "contains"):
                continue
            rule["hits"] += 1
            return pick(rule["script"], facts["provider"], self.attempt(rule["id"], facts["provider"]))
        return None

    def choose(self, facts, raw, user_text):
        """(script in use or None, user text without marks)"""
        inner, text = extract(user_text)
        script = self.find(facts, raw)
        if script is None and inner is not None:
            script = pick(inner, facts["provider"], self.attempt(facts["provider"], user_text))
        return script, text
