#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of the tree that the compiler does not know. See RULES at the end.

    lint.py [ROOT]        check a source tree; exit 1 if a rule is broken
    lint.py --self-test   check that every rule catches its sample of a breach

A line that must break a rule says so and why: /* lint: allow <rule>: <reason> */
"""

import os
import re
import sys
import tempfile

SPDX = "SPDX-License-Identifier: Apache-2.0"
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000
FILE_LINES_WARN = 500
COMMENT_DISTANCE_MAX = 20

# Who may include whom; the folder itself is always allowed.
LAYERS = {
    "base": set(),
    "db": {"base"},
    "net": {"base"},
    "http": {"base"},
    "wire": {"base"},
    "store": {"base", "db"},
    "core": {"base", "net", "wire", "store"},
    "api": {"base", "http", "wire", "store", "core"},
    "cron": {"base", "store", "core"},
}

# Vendor headers and their one home.
VENDORS = {
    "db": re.compile(r"^(mysql|mariadb|errmsg\.h|mysqld_error\.h)"),
    "net": re.compile(r"^curl/"),
    "http": re.compile(r"^(fcgi|fastcgi)"),
    "base": re.compile(r"^(json-c/|json\.h|openssl/)"),
}

BANNED = {
    "sprintf": "snprintf or buf_printf",
    "vsprintf": "vsnprintf or buf_vprintf",
    "strcpy": "snprintf or base/buf",
    "strncpy": "snprintf or base/buf",
    "strcat": "base/buf",
    "strncat": "base/buf",
    "strtok": "strcspn",
    "strtok_r": "strcspn",
    "gets": "fgets",
    "atoi": "strtol and a check",
    "atol": "strtol and a check",
    "atoll": "strtoll and a check",
    "atof": "strtod and a check",
    "gmtime": "base/timing",
    "localtime": "base/timing",
    "ctime": "base/timing",
    "asctime": "base/timing",
    "alloca": "base/mem",
    "malloc": "base/mem",
    "calloc": "base/mem",
    "realloc": "base/mem",
    "free": "mem_free",
    "strdup": "mem_strdup",
    "strndup": "arena_strndup",
    "asprintf": "base/buf",
    "vasprintf": "base/buf",
}

SQL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CALL)\b\s*\S")
SKIPPED_FOLDERS = {"recordings", "corpus", "node_modules", "__pycache__", "build-aux", "run"}
CHECKED_FOLDERS = ("fcgi-app", "cron", "tests", "sql", "apache-conf")


class Source:
    """A file: raw lines, and for C the code without comments and strings, line for line."""

    def __init__(self, root, path):
        self.path = path.replace(os.sep, "/")
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.splitlines()
        self.is_c = path.endswith((".c", ".h"))
        self.strings = []  # (line number, content)
        self.code = self._blank() if self.is_c else []
        parts = self.path.split("/")
        self.is_test = parts[0] == "tests"
        self.layer = parts[1] if parts[0] == "fcgi-app" else parts[0]

    TOKEN = re.compile(
        r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)

    def _blank(self):
        def blank(match):
            text = match.group(0)
            if text[0] == '"':
                self.strings.append((self.text.count("\n", 0, match.start()) + 1, text[1:-1]))
                return '"' + " " * (len(text) - 2) + '"'
            if text.startswith("//"):
                return "//" + " " * (len(text) - 2)
            return re.sub(r"[^\n]", " ", text)

        # #include "x" is no string.
        hidden = re.sub(r'(?m)^(\s*#\s*include\s+)"([^"\n]*)"', r"\1<\2>", self.text)
        return self.TOKEN.sub(blank, hidden).split("\n")

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def check_layers(s):
    if s.layer not in LAYERS or s.is_test:
        return
    allowed = LAYERS[s.layer] | {s.layer}
    for number, quoted, name in s.includes():
        folder = name.split("/")[0] if "/" in name else None
        if not quoted:
            if folder in LAYERS:
                yield number, f'write #include "{name}"'
            continue
        if folder is None:
            if s.layer != "cron" and name != "config.h":
                yield number, f'"{name}": includes begin at the root of fcgi-app'
        elif folder not in LAYERS:
            yield number, f'"{name}" is in no layer'
        elif folder not in allowed:
            yield number, f"{s.layer}/ must not include {folder}/"


def check_vendors(s):
    if s.is_test:
        return
    for number, _, name in s.includes():
        for home, pattern in VENDORS.items():
            if pattern.match(name) and s.layer != home:
                yield number, f"<{name}> belongs into {home}/"


def check_sql(s):
    if not s.is_c or s.is_test or s.layer == "store":
        return
    for number, text in s.strings:
        if SQL.match(text):
            yield number, "SQL text belongs into store/"


def check_hidden_lock(s):
    """Measured: a query inside IF or SET locks the rows that it reads until the transaction ends, at every isolation level."""
    if not s.path.startswith("sql/procedures/"):
        return
    for number, line in enumerate(s.lines, 1):
        if re.match(r"\s*(IF|ELSEIF|SET)\b.*\(SELECT\b", line):
            yield number, "a query inside IF or SET locks what it reads: SELECT ... INTO, with LOCK IN SHARE MODE if that is meant"


def check_banned(s):
    if not s.is_c:
        return
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for number, line in enumerate(s.code, 1):
        for match in pattern.finditer(line):
            name = match.group(1)
            memory = BANNED[name] in ("base/mem", "mem_free")
            if memory and s.path == "fcgi-app/base/mem.c" and name != "alloca":
                continue
            yield number, f"{name}: use {BANNED[name]}"


def functions(s):
    """(line of the name, name, lines from its first to its last) of each definition: clang-format
    puts the braces of functions, and only those, alone into column 1."""
    start = None
    for number, line in enumerate(s.code, 1):
        if line == "{":
            start = number
        elif line.rstrip() == "}" and start is not None:
            first = start - 1
            while first > 1 and s.code[first - 2].strip() and not re.match(
                    r"[#}]|.*;\s*$", s.code[first - 2]):
                first -= 1
            head = " ".join(s.code[first - 1:start - 1])
            name = re.search(r"(\w+)\s*\(", head)
            yield first, name.group(1) if name else "?", number - first + 1
            start = None


def check_function_length(s):
    if not s.is_c:
        return
    for number, name, count in functions(s):
        if count > FUNCTION_LINES_MAX:
            yield number, f"{name} has {count} lines, more than {FUNCTION_LINES_MAX}"


def check_file_length(s):
    if s.is_c and len(s.lines) > FILE_LINES_MAX:
        yield len(s.lines), f"{len(s.lines)} lines, more than {FILE_LINES_MAX}"


def check_first_include(s):
    if not s.is_c or s.path == "fcgi-app/base/base.h":
        return
    for number, _, name in s.includes():
        if name != "base/base.h":
            yield number, 'the first include must be "base/base.h"'
        return


def check_spdx(s):
    if s.is_c:
        if not s.lines or s.lines[0] != f"/* {SPDX} */":
            yield 1, f"the first line must be /* {SPDX} */"
    elif s.path.endswith((".sh", ".py", ".sql", ".am", ".ac", ".m4")):
        if not any(SPDX in line for line in s.lines[:3]):
            yield 1, f"no {SPDX} in the first three lines"


def check_float(s):
    if not s.is_c or s.layer not in ("store", "cron"):
        return
    for number, line in enumerate(s.code, 1):
        match = re.search(r"\b(float|double)\b", line)
        if match:
            yield number, f"{match.group(1)}: money is decimal text and SQL's"


def check_comments(s):
    if not s.is_c:
        return
    for number, line in enumerate(s.code, 1):
        if "//" in line:
            yield number, "comments are /* */"


def check_typedef(s):
    if not s.is_c:
        return
    for number, line in enumerate(s.code, 1):
        if re.match(r"\s*typedef\s+(struct|enum|union)\b", line) and "(" not in line:
            yield number, "a typedef must not hide a struct, enum or union"


def check_header_comments(s):
    if not s.path.endswith(".h"):
        return
    opening = re.match(r"/\*[^\n]*\*/\n/\*\n( \*[^\n]*\n)+ \*/\n", s.text)
    if not opening:
        yield 2, "a header opens with a comment: what the module owns, which threads may call it"
    comment_ends = [0]
    for match in re.finditer(r"/\*.*?\*/", s.text, re.DOTALL):
        if SPDX not in match.group(0):
            comment_ends.append(s.text.count("\n", 0, match.end()) + 1)
    for number, line in enumerate(s.code, 1):
        match = re.match(r"(?!static|typedef|return|#)[A-Za-z_][\w \*]*?\b(\w+)\s*\((?!\*)", line)
        if not match or re.match(r"\s", line):
            continue
        nearest = max((end for end in comment_ends if end <= number), default=0)
        if nearest == 0 or number - nearest > COMMENT_DISTANCE_MAX:
            yield number, f"{match.group(1)} has no comment near it"


RULES = {
    "layers": check_layers,
    "vendors": check_vendors,
    "sql": check_sql,
    "hidden-lock": check_hidden_lock,
    "banned": check_banned,
    "function-length": check_function_length,
    "file-length": check_file_length,
    "first-include": check_first_include,
    "spdx": check_spdx,
    "float": check_float,
    "comments": check_comments,
    "typedef": check_typedef,
    "header-comments": check_header_comments,
}


# --- Rules about the tree as a whole ----------------------------------------------------------------


def check_cycles(sources):
    """No header includes itself by way of others."""
    graph = {}
    for s in sources:
        if s.path.startswith("fcgi-app/") and s.path.endswith(".h"):
            graph[s.path[len("fcgi-app/"):]] = [n for _, quoted, n in s.includes() if quoted]
    done = set()

    def visit(name, way):
        if name in way:
            yield "fcgi-app/" + name, 1, "cycle: " + " -> ".join(way[way.index(name):] + [name])
        elif name in graph and name not in done:
            for other in graph[name]:
                yield from visit(other, way + [name])
            done.add(name)

    for name in sorted(graph):
        yield from visit(name, [])


def check_listed(sources):
    """Every C file is built and every file that is built exists."""
    lists = {s.path.rsplit("/", 1)[0]: s for s in sources if s.path.endswith("/sources.am")}
    for folder, listing in sorted(lists.items()):
        text = re.sub(r"(?m)^#.*$", "", listing.text)
        named = set(re.findall(r"%D%/([\w./-]+)", text))
        here = {s.path[len(folder) + 1:] for s in sources
                if s.path.startswith(folder + "/") and s.is_c}
        for name in sorted(here):
            stem = name.rsplit(".", 1)[0]
            if name.endswith(".c") and name not in named and stem not in named:
                yield f"{folder}/{name}", 1, f"is not in {folder}/sources.am"
        for name in sorted(named):
            if name.endswith((".c", ".h")) and name not in here:
                yield f"{folder}/sources.am", 1, f"lists {name}, which does not exist"


def check_sample(sources):
    """Every key of base/conf.c stands in the sample configuration and the other way round."""
    by_path = {s.path: s for s in sources}
    conf = by_path.get("fcgi-app/base/conf.c")
    sample = by_path.get("apache-conf/ai-generate.conf.sample.in")
    if conf is None or sample is None:
        return
    keys = set(re.findall(r'^    \{"(\w+)",\s+KIND_', conf.text, re.MULTILINE))
    for provider in re.findall(r'^    PROVIDER\("(\w+)"', conf.text, re.MULTILINE):
        keys |= {provider + "_url", provider + "_key"}
    shown = set(re.findall(r"^#(\w+) =", sample.text, re.MULTILINE))
    for key in sorted(keys - shown):
        yield sample.path, 1, f"{key} is missing"
    for key in sorted(shown - keys):
        yield sample.path, 1, f"{key} is no key of base/conf.c"


TREE_RULES = {"cycles": check_cycles, "listed": check_listed, "sample": check_sample}


# --- Running -----------------------------------------------------------------------------------------


def collect(root):
    for name in ("configure.ac", "Makefile.am", "autogen.sh"):
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for top in CHECKED_FOLDERS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders
                                if f not in SKIPPED_FOLDERS and not f.startswith("."))
            for name in sorted(files):
                if name.endswith((".c", ".h", ".sh", ".py", ".sql", ".am", ".in")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def allowed(s, number, rule):
    line = s.lines[number - 1] if 0 < number <= len(s.lines) else ""
    return re.search(r"lint: allow " + re.escape(rule) + r": \S", line) is not None


def run(root):
    """[(path, line, rule, message)] of every breach, and warnings as texts."""
    sources = [Source(root, path) for path in collect(root)]
    by_path = {s.path: s for s in sources}
    breaches = []
    warnings = []
    for s in sources:
        for rule, check in RULES.items():
            for number, message in check(s):
                if not allowed(s, number, rule):
                    breaches.append((s.path, number, rule, message))
        if s.is_c and FILE_LINES_WARN < len(s.lines) <= FILE_LINES_MAX:
            warnings.append(f"{s.path}: {len(s.lines)} lines, better below {FILE_LINES_WARN}")
    for rule, check in TREE_RULES.items():
        for path, number, message in check(sources):
            if path not in by_path or not allowed(by_path[path], number, rule):
                breaches.append((path, number, rule, message))
    return breaches, warnings, len(sources)


def main(argv):
    if argv[1:] == ["--self-test"]:
        from samples import self_test  # beside this file
        return self_test(run, set(RULES) | set(TREE_RULES), tempfile)
    root = argv[1] if len(argv) > 1 else "."
    breaches, warnings, count = run(root)
    for text in warnings:
        print("note:", text)
    for path, number, rule, message in breaches:
        print(f"{path}:{number}: [{rule}] {message}")
    print(f"{count} files, {len(breaches)} breaches")
    if count == 0:
        print(f"{root}: no sources there")
    return 1 if breaches or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
