# SPDX-License-Identifier: Apache-2.0
"""Samples for lint.py --self-test: small trees that break one rule each, and one that breaks none."""

import os

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
BASE = '#include "base/base.h"\n'
C = SPDX + BASE
H = SPDX + "/*\n * What this owns.\n */\n" + BASE

# What is right and looks like a breach.
CLEAN = {
    "fcgi-app/base/base.h": SPDX + "/*\n * First include.\n */\n",
    "fcgi-app/base/mem.c": C + "void *mem_alloc(size_t n)\n{\n    return malloc(n);\n}\n",
    "fcgi-app/base/json.h": H + "\n#include <json-c/json.h>\n\n/* Reads. */\nint json_read(void);\n",
    "fcgi-app/store/keys.c": C + '#include "db/stmt.h"\n'
                             'static const char SQL_FIND[] = "SELECT a FROM b";\n'
                             "/* double entry, float: words in a comment */\n",
    "fcgi-app/core/x.c": C + '#include "store/keys.h"\n'
                         "static int f(struct s *p)\n{\n"
                         '    return p->free(p) + mem_free(p) + snprintf("sprintf(x) // no comment");\n'
                         "}\n"
                         "static const char *s = \"please SELECT one\"; /* strcpy(a, b) */\n"
                         "static void *q = malloc(1); /* lint: allow banned: a sample */\n",
    "fcgi-app/wire/long.c": C + "int f(void)\n{\n" + "    x();\n" * 67 + "}\n"
                            "int g(void)\n{\n    return 0;\n}\n",
    "fcgi-app/sources.am": "# SPDX-License-Identifier: Apache-2.0\n"
                           "x = %D%/base/mem.c %D%/store/keys.c %D%/core/x.c %D%/wire/long.c\n",
    "cron/c.c": C + '#include "cronmain.h"\n#include "store/keys.h"\n',
    "tests/unit/test_x.c": C + '#include <mysql.h>\n#include "core/x.h"\n'
                           'static const char *sql = "DELETE FROM account";\n',
    "sql/procedures/p.sql": "-- SPDX-License-Identifier: Apache-2.0\nSELECT EXISTS (SELECT 1 FROM t) INTO a;\n",
}

# rule: [(path, content)], each of which must be caught by this rule and by no other.
BREACHES = {
    "layers": [
        ("fcgi-app/base/a.h", H + '#include "db/pool.h"\n'),
        ("fcgi-app/wire/a.h", H + '#include "net/transfer.h"\n'),
        ("fcgi-app/http/a.h", H + '#include "core/app.h"\n'),
        ("fcgi-app/core/a.h", H + '#include "http/fcgi.h"\n'),
        ("fcgi-app/core/a.h", H + '#include "db/pool.h"\n'),
        ("fcgi-app/api/a.h", H + '#include "db/pool.h"\n'),
        ("fcgi-app/core/a.h", H + '#include "../base/buf.h"\n'),
        ("fcgi-app/core/a.h", H + '#include "relay.h"\n'),
        ("fcgi-app/core/a.h", H + "#include <base/buf.h>\n"),
        ("cron/a.h", H + '#include "wire/format.h"\n'),
    ],
    "vendors": [
        ("fcgi-app/store/a.h", H + "#include <mysql.h>\n"),
        ("fcgi-app/core/a.h", H + "#include <mysql/mysql.h>\n"),
        ("fcgi-app/core/a.h", H + "#include <curl/curl.h>\n"),
        ("fcgi-app/api/a.h", H + "#include <fcgiapp.h>\n"),
        ("fcgi-app/wire/a.h", H + "#include <json-c/json.h>\n"),
        ("cron/a.h", H + "#include <openssl/evp.h>\n"),
    ],
    "sql": [
        ("fcgi-app/core/a.h", H + 'static const char *s = "SELECT 1";\n'),
        ("fcgi-app/db/a.h", H + 'static const char *s = " UPDATE account SET x = 1";\n'),
        ("cron/a.h", H + 'static const char *s = "CALL ledger_expire(?)";\n'),
    ],
    "hidden-lock": [
        ("sql/procedures/a.sql", "-- SPDX-License-Identifier: Apache-2.0\n" + line + "\n")
        for line in ("    IF NOT EXISTS (SELECT 1 FROM t) THEN", "ELSEIF a AND EXISTS (SELECT 1 FROM t) THEN", "SET a = (SELECT b FROM t);")
    ],
    "banned": [
        ("fcgi-app/core/a.h", H + f"static int x = {call}(a, b);\n")
        for call in ("sprintf", "strcpy", "strcat", "strtok", "atoi", "gmtime", "localtime",
                     "alloca", "malloc", "calloc", "realloc", "free", "strdup")
    ] + [
        ("tests/unit/a.h", H + "static void *x = malloc (1);\n"),
        ("fcgi-app/core/a.h", H + "static void *x = malloc(1); /* lint: allow sql: wrong rule */\n"),
    ],
    "function-length": [
        ("fcgi-app/core/a.h", H + "static int f(void)\n{\n" + "    x();\n" * 68 + "}\n"),
        ("fcgi-app/core/a.h", H + "int y;\nstatic int\nf(int a,\n  int b)\n{\n" + "\n" * 66 + "}\n"),
    ],
    "file-length": [("fcgi-app/core/a.h", H + "int x;\n" * 1000)],
    "first-include": [
        ("fcgi-app/core/a.h", SPDX + "/*\n * x\n */\n#include <stdio.h>\n" + BASE),
        ("tests/unit/a.h", SPDX + "/*\n * x\n */\n#include <stdio.h>\n"),
    ],
    "spdx": [
        ("fcgi-app/core/a.c", "\n" + C),
        ("fcgi-app/core/a.c", "/* Copyright */\n" + BASE),
        ("tests/env/a.sh", "#!/bin/sh\n"),
        ("sql/procedures/a.sql", "SELECT 1;\n"),
        ("tests/e2e/a.py", "print(1)\n"),
    ],
    "float": [
        ("fcgi-app/store/a.h", H + "static double price;\n"),
        ("cron/a.h", H + "static float price;\n"),
    ],
    "comments": [("fcgi-app/core/a.h", H + "static int x; // a comment\n")],
    "typedef": [("fcgi-app/core/a.h", H + "typedef struct hold hold_t;\n")],
    "header-comments": [
        ("fcgi-app/core/a.h", SPDX + BASE + "static int x;\n"),
        ("fcgi-app/core/a.h", H + "\n" * 20 + "int far_away(void);\n"),
    ],
    "cycles": [("fcgi-app/base/json.h", H + '#include "base/json.h"\n')],
    "listed": [
        ("fcgi-app/core/a.c", C),
        ("fcgi-app/sources.am", "# SPDX-License-Identifier: Apache-2.0\n"
                                "x = %D%/base/mem.c %D%/store/keys.c %D%/core/x.c %D%/wire/long.c "
                                "%D%/core/gone.c\n"),
    ],
    "sample": [
        ("apache-conf/ai-generate.conf.sample.in", "#db_port = 3306\n#wrong = 1\n"),
        ("apache-conf/ai-generate.conf.sample.in", "# nothing\n"),
    ],
}

CONF = C + 'static const struct option options[] = {\n    {"db_port", KIND_INT, 0},\n};\n'


def write(root, files):
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(content)


def check_one(run, tempfile, files):
    with tempfile.TemporaryDirectory() as root:
        write(root, files)
        breaches, _, _ = run(root)
        return breaches


def self_test(run, rules, tempfile):
    wrong = []
    found = check_one(run, tempfile, CLEAN)
    if found:
        wrong.append(f"the clean sample is not clean: {found}")
    for rule in sorted(rules):
        samples = BREACHES.get(rule, [])
        if not samples:
            wrong.append(f"{rule}: no sample")
        for path, content in samples:
            files = dict(CLEAN)
            files[path] = content
            if rule == "sample":
                files["fcgi-app/base/conf.c"] = CONF
                files["fcgi-app/sources.am"] += "y = %D%/base/conf.c\n"
            elif path.endswith(".c") and rule != "listed":
                files["fcgi-app/sources.am"] += "y = %D%/" + path.split("/", 1)[1] + "\n"
            caught = {breach[2] for breach in check_one(run, tempfile, files)}
            if caught != {rule}:
                wrong.append(f"{rule}: {path} gave {sorted(caught)}:\n{content[-200:]}")
    for text in wrong:
        print("self-test:", text)
    count = sum(len(samples) for samples in BREACHES.values())
    print(f"self-test: {count} samples of {len(rules)} rules, {len(wrong)} wrong")
    return 1 if wrong else 0
