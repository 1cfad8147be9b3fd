"""Asks the real oslo.config what it makes of awkward files, and writes corpus.json.

Run with a Python that has oslo.config: python corpus.py > corpus.json
Cases with "ours" differ on purpose; "why" says so.
"""

import json
import os
import re
import sys
import tempfile
import warnings

from oslo_config import cfg, types

warnings.simplefilter("ignore")

OPTIONS = {
    "DEFAULT": [
        cfg.StrOpt("s"),
        cfg.StrOpt("t", default="tt"),
        cfg.StrOpt("u", default="$grp.t2/x"),
        cfg.IntOpt("i", default=3, min=0, max=10),
        cfg.IntOpt("j"),
        cfg.FloatOpt("f"),
        cfg.BoolOpt("b"),
        cfg.ListOpt("l"),
        cfg.ListOpt("q", bounds=True, item_type=types.String(quotes=True)),
        cfg.ListOpt("p", bounds=True, item_type=types.Integer(min=0, max=65535)),
        cfg.DictOpt("d"),
        cfg.MultiStrOpt("m"),
        cfg.StrOpt("c", choices=["one", "two"]),
        cfg.StrOpt("w", choices=["One", "two"], ignore_case=True),
        cfg.StrOpt("new", deprecated_name="old", deprecated_group="oldgrp"),
        cfg.MultiStrOpt("many", deprecated_name="several"),
    ],
    "grp": [
        cfg.StrOpt("s"),
        cfg.StrOpt("t2", default="T2"),
        cfg.IntOpt("n", default=7),
        cfg.BoolOpt("flag", default=True),
    ],
}

D = "[DEFAULT]\n"
# name: text, or (texts, environment)
CASES = {
    "continuation lines are joined by newlines": D + "s = a\n b\n\tc\n",
    "continuation of an empty value": D + "s =\n a\n",
    "an indented comment continues the value": D + "s = a\n # c\n b\n",
    "a comment ends a value": D + "s = a\n# c\n b\n",
    "a blank line ends a value": D + "s = a\n\n b\n",
    "a line of blanks ends a value": D + "s = a\n   \n b\n",
    "a header ends a value": D + "s = a\n[grp]\n b\n",
    "indentation with nothing above": D + " s = 1\n",
    "equals sign without blanks": D + "s=a\n",
    "colon": D + "s: a=b\n",
    "equals before colon": D + "s = a:b\n",
    "colon in the middle of a URL after equals": D + "s = http://h:1/p?a=b\n",
    "no comment after a value": D + "s = a # b ; c\n",
    "comments": "# x\n; y\n[DEFAULT]\n;s=1\n#s=2\ns = 3\n",
    "double quotes keep blanks": D + 's = " a b "\n',
    "single quotes keep blanks": D + "s = ' a b '\n",
    "quotes inside": D + 's = "a" b"\n',
    "unequal quotes": D + "s = 'a\"\n",
    "a lone quote is empty": D + 's = "\n',
    "quotes over two lines stay": D + "s = 'a\n b'\n",
    "empty value": D + "s =\n",
    "no line end at the end": D + "s = a",
    "empty file": "",
    "only a header": D,
    "the same key twice": D + "s = 1\ns = 2\n",
    "the same section twice": D + "s = 1\n[grp]\ns = g\n[DEFAULT]\nt = 2\n",
    "sections in any case": "[GRP]\ns = 1\n[grp]\ns = 2\n",
    "default section in small letters": "[default]\ns = 1\n",
    "blanks in a header": "[ DEFAULT ]\ns = 1\n",
    "key in capitals": D + "S = 1\n",
    "key with blanks around": D + "s\t = 1\n",
    "no-break space before a key": D + "\u00a0s = 1\n",
    "line separator in a value": D + "s = a\u2028b\n",
    "form feed in a value": D + "s = a\fb\n",
    "CRLF": "[DEFAULT]\r\ns = a\r\n b\r\n",
    "CR alone": "[DEFAULT]\rs = a\rt = b\r",
    "non-ASCII text": D + "s = Größe ✓\n",
    "assignment before any section": "s = 1\n",
    "header not closed": "[DEFAULT\ns = 1\n",
    "text after a header": "[DEFAULT] # c\ns = 1\n",
    "empty header": "[]\ns = 1\n",
    "no key": D + "= 1\n",
    "no equals sign": D + "s\n",
    "reference": D + "s = $t/a\n",
    "braced reference": D + "s = ${t}a\n",
    "reference to a group": D + "s = $grp.t2/a ${grp.n}\n",
    "reference prefers the own section": "[grp]\ns = $t2 $t\n",
    "reference to a boolean": D + "s = ${grp.flag}\n",
    "reference to an unset option": D + "s = <$c>\n",
    "reference in a default": "[grp]\nt2 = q\n",
    "reference through a reference": D + "s = $t\nt = $u\n",
    "reference to nothing": D + "s = $nope\n",
    "reference to an unknown group": D + "s = $nope.x\n",
    "reference with a dot at the end": D + "s = $t.\n",
    "reference in other case": D + "s = $T\n",
    "reference to a group in other case": D + "s = ${GRP.t2}\n",
    "reference to itself": D + "s = a$s\n",
    "references in a circle": D + "s = $t\nt = $s\n",
    "reference to a bad option": D + "i = 11\ns = $i\n",
    "dollar twice": D + "s = a$$t\n",
    "dollar escaped by a backslash": D + "s = a\\$t\n",
    "dollars that are no references": D + "s = $5 ${ $- ${t $\n",
    "braces with a bad name": D + "s = ${t!} ${}\n",
    "name ends before other letters": D + "s = $té\n",
    "integer": D + "i = 010\n",
    "integer with sign and blanks": D + "i = ' +4 '\n",
    "integer with underscore": D + "i = 1_0\n",
    "hexadecimal integer": D + "i = 0x1\n",
    "integer too large": D + "i = 11\n",
    "integer too small": D + "i = -1\n",
    "integer of words": D + "i = many\n",
    "negative integer": D + "j = -7\n",
    "empty integer without default": D + "j =\n",
    "empty integer with default": D + "i =\n",
    "float": D + "f = 1e3\n",
    "float without digits before the point": D + "f = .5\n",
    "float that is no number": D + "f = nan\n",
    "float of words": D + "f = many\n",
    "booleans": D + "b = YES\n[grp]\nflag = off\n",
    "boolean one": D + "b = 1\n",
    "boolean letter": D + "b = t\n",
    "empty boolean": D + "b =\n",
    "boolean with quoted blank": D + "b = ' on'\n",
    "choice": D + "c = two\n",
    "choice in other case": D + "c = Two\n",
    "choice not there": D + "c = three\n",
    "list": D + "l = a, b ,c\n",
    "list with empty items": D + "l = a,,b,\n",
    "list over lines": D + "l = a,\n b,\n c\n",
    "list of nothing": D + "l =\n",
    "list of a comma": D + "l = ,\n",
    "list with quotes": D + "l = \"a\", 'b'\n",
    "list in brackets": D + "l = [a, b]\n",
    "list of one address": D + "l = [::1]\n",
    "list of addresses and ports": D + "l = [::1]:1,inet6:[::2]:2\n",
    "bracketed list": D + "q = [a, \"b,c\", 'd']\n",
    "bracketed list of nothing": D + "q = []\n",
    "bracketed list with empty item": D + "q = [a,]\n",
    "bracketed list without brackets": D + "q = a, b\n",
    "bracketed list half open": D + "q = [a, b\n",
    "bracketed list with open quote": D + 'q = ["a, b]\n',
    "bracketed list of integers": D + "p = [80, 443 ]\n",
    "bracketed list of a bad integer": D + "p = [80, http]\n",
    "dict": D + "d = a:b, c : d:e\n",
    "dict of nothing": D + "d =\n",
    "dict without colon": D + "d = a\n",
    "dict with the same key twice": D + "d = a:1,a:2\n",
    "dict without key": D + "d = :1\n",
    "dict without value": D + "d = a:\n",
    "dict with comma at the end": D + "d = a:1,\n",
    "dict with comma in a key": D + "d = a:1,b,c:2\n",
    "multi": D + "m = 1\nm = 2\n",
    "multi of nothing": D + "m =\n",
    "multi with references": D + "m = $t\nm = $$t\n",
    "multi over files": ([D + "m = 1\nm = 2\n", D + "m = 3\n"], {}),
    "multi under both names": D + "many = 1\nseveral = 2\nmany = 3\n",
    "deprecated section": "[oldgrp]\nold = 6\n",
    "deprecated name in the present section": D + "several = 6\n",
    "the present name beats the earlier one": "[oldgrp]\nold = 5\n[DEFAULT]\nnew = 4\n",
    "a later file beats the present name": ([D + "new = 4\n", "[oldgrp]\nold = 5\n"], {}),
    "the later file wins": ([D + "s = 1\nt = 1\n", D + "s = 2\n"], {}),
    "environment beats files": ([D + "s = 1\n"], {"OS_DEFAULT__S": "2", "OS_GRP__S": "3"}),
    "environment keeps quotes and blanks": ([""], {"OS_DEFAULT__S": ' "a" $t '}),
    "environment is typed": ([""], {"OS_DEFAULT__I": "5", "OS_DEFAULT__L": "a,b"}),
    "environment with a bad value": ([""], {"OS_DEFAULT__I": "99"}),
    "environment in small letters": ([""], {"os_default__s": "2"}),
    "environment of a multi": ([""], {"OS_DEFAULT__M": "ab"}),
}

OURS = {
    "assignment before any section": {"line": 1, "why": "the line itself is named"},
    "float that is no number": {"bad": ["DEFAULT.f"], "why": "only finite numbers"},
    "empty integer with default": {
        "bad": ["DEFAULT.i"],
        "why": "there it becomes None, which no reader of the option expects",
    },
    "list in brackets": {
        "values": {"DEFAULT.l": ["a", "b"]},
        "why": "nobody means `[a` and `b]`",
    },
    "bracketed list without brackets": {
        "values": {"DEFAULT.q": ["a", "b"]},
        "why": "the environment and other lists are written so",
    },
    "environment of a multi": {
        "values": {"DEFAULT.m": ["ab"]},
        "why": "there each letter becomes a value",
    },
}


def ask(files, env):
    for name in list(os.environ):
        if name.startswith("OS_"):
            del os.environ[name]
    os.environ.update(env)
    args = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(files):
            path = os.path.join(folder, f"{number}.conf")
            with open(path, "wb") as out:
                out.write(text.encode())
            args += ["--config-file", path]
        conf = cfg.ConfigOpts()
        for group, options in OPTIONS.items():
            conf.register_opts(options, group=None if group == "DEFAULT" else group)
        try:
            conf(args, project="x")
        except cfg.ConfigFileParseError as error:
            return {"line": int(re.search(r"\.conf:(\d+)", str(error)).group(1))}
        values, bad = {}, []
        for group, options in OPTIONS.items():
            holder = conf if group == "DEFAULT" else conf[group]
            for option in options:
                try:
                    value = holder[option.name]
                except Exception:  # whatever it is: there is no value
                    bad.append(f"{group}.{option.name}")
                    continue
                if value != value:
                    value = "nan"
                default = "T2/x" if option.name == "u" else option.default
                if value != default:
                    values[f"{group}.{option.name}"] = value
    found = {}
    if values:
        found["values"] = values
    if bad:
        found["bad"] = sorted(bad)
    return found


out = []
for name, case in CASES.items():
    files, env = case if isinstance(case, tuple) else ([case], {})
    entry = {"name": name, "files": files, "env": env, "oslo": ask(files, env)}
    if name in OURS:
        entry["ours"] = OURS[name]
    out.append(entry)
json.dump(out, sys.stdout, indent=1, ensure_ascii=False)
print()
