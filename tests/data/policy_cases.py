"""Writes policy_cases.json: what oslo.policy itself decides, as truth for our engine.

Run with a Python that has oslo.policy 6 installed (`pip install oslo.policy`):
    python tests/data/policy_cases.py > tests/data/policy_cases.json

Each case is an expression and a string with one letter for each caller and, within a caller, each
target: `1` allowed, `0` denied, `e` oslo.policy raised an exception (we deny).
"""

import itertools
import json
import logging
import sys
import warnings

from oslo_config import cfg
from oslo_policy import policy

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

SCALARS = [
    "user_id", "user_domain_id", "system_scope", "domain_id", "project_id", "project_domain_id",
    "service_user_id", "service_user_domain_id", "service_project_id", "service_project_domain_id",
]
CALLERS = [
    {"user_id": "u1", "project_id": "p1", "roles": ["member", "reader"]},
    {"user_id": "u2", "project_id": "p2", "roles": ["admin"], "is_admin_project": False},
    {"roles": []},
    {"user_id": "u3", "system_scope": "all", "roles": ["Admin", "straße"],
     "service_roles": ["service"], "service_user_id": "nova"},
]
TARGETS = [
    {},
    {"project_id": "p1", "owner": "p1", "visibility": "private", "member_id": None,
     "protected": False, "min_disk": 5},
    {"project_id": None, "visibility": "public", "member_id": "p2", "protected": True,
     "role_wanted": "MEMBER", "odd(key)": "p1", "text": "100%"},
]
HELPERS = {
    "yes": "@", "no": "!", "empty": "", "admin": "role:admin", "broken": "role:admin or",
    "owner": "project_id:%(project_id)s", "chain": "rule:chain2", "chain2": "not rule:no",
    "loop": "role:admin or rule:loop", "negloop": "not rule:negloop",
    "list": [["role:member", "project_id:p1"], "role:admin"],
}
ATOMS = """
@ ! role:admin ROLE:admin role:ADMIN role:%(role_wanted)s role:%(missing)s role: role:straSSe
role:STRAßE rule:yes rule:no rule:empty rule:admin rule:broken rule:owner rule:chain rule:loop
rule:negloop rule:list rule:unknown rule: RULE:yes
user_id:u1 user_id:U1 user_id:%(missing)s project_id:%(project_id)s project_id:%(owner)s
project_id:%(member_id)s project_id:p%% project_id:p1%% project_id:%(odd(key))s
user_domain_id:None user_domain_id:%(member_id)s system_scope:all system:all system:None domain_id:None
project_domain_id:None service_user_id:nova service_roles:service roles:admin roles:Admin roles:reader
roles:%(role_wanted)s is_admin_project:True is_admin_project:False is_admin_project:%(protected)s
is_admin:True tenant:p1 project:p1 user_name:None token.project.id:p1
user_id.x:y roles.x:y service_roles.x:y system.x:y unknown.x:y
'public':%(visibility)s "public":%(visibility)s 'Public':%(visibility)s 'public':public public:public
u'public':%(visibility)s r'public':%(visibility)s 'pub\\x':%(visibility)s 'a\\'b':a'b
True:%(protected)s False:%(protected)s None:%(member_id)s None:None true:%(protected)s
5:%(min_disk)s 5:%(min_disk)d +5:5 -5:-5 05:5 00:0 0:0 5.0:5.0 5.50:5.5 .5:0.5 5.:5.0 -0:0 -0.0:-0.0
5:%(visibility)d 5:%(missing)d
8a:x 8a:%(missing)s a-b:x a+b:x 1-2:x 1-b:x a..b:x .a:x a.:x :x : is:x a.is:x é:x _:x a.1:x -:x
user_id:%s user_id:%d user_id:%(user_id) user_id:%(a user_id:% user_id:%z user_id:%(project_id)z
user_id:%(missing)z user_id:%(missing)s% user_id:%(project_id)s%
'100%':%(text)s '100%%':%(text)s '100%':100%% user_id:u1:x '':%(missing)s '':
nonsense and-or role
""".split()
WHOLE = [
    "", " ", "\t", "\n", "(", ")", "()", "( )", "and", "or", "not", "not not @", "not not not @",
    "(@)", "((@))", "( @ )", "(@", "@)", "@ @", "@ and", "and @", "@ or", "or @", "@ not @", "not",
    "@ and or @", "@ or or @", "not and @", "(@ and !) or @", "@ and (! or @)", "@ or @ and !",
    "! and @ or @", "@ or ! and !", "! or @ and @ or !", "not ! and !", "not (! and !)",
    "not ! or !", "not @ or @", "not (@ or @)", "@ AND @", "@ And ! oR @", "NOT !", "Not(!)",
    "not(!)", "not (!)", "(not !)", "((not !) and @)", "@and @", "@ and@", "(@)and (@)",
    "(@) and (@)", "(@)or(@)", "@ and (@) (@)", "! or (@ and (! or @))", "\x1c@\x1f", "@\u00a0and\u00a0@",
    "'quoted'", '"quoted"', "@ or 'quoted'", "('quoted')", "'a:b'", "'a':'b'", "'", '"', "''",
    "not nonsense", "nonsense or @", "nonsense and @", "not rule:unknown", "not rule:broken",
    "not 8a:x", "8a:x or @", "@ or 8a:x", "! and 8a:x", "not user_id:%(missing)s",
    "not user_id:%z", "not role:%(missing)s", "not user_id.x:y", "not a-b:x", "rule:loop or @",
    "@ or rule:loop", "not rule:loop", "rule:owner and role:member or role:admin",
    "rule:admin or (role:member and (project_id:%(project_id)s or 'public':%(visibility)s))",
    "rule:admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)",
    "(rule:admin or role:reader) and project_id:%(project_id)s", "role:a(b) or @", "role:(admin)",
    "project_id:%(project_id)", "(project_id:%(project_id)s)", "((project_id:%(project_id)s) or !)",
    [], [[]], [[], []], [""], [[""]], ["@"], ["!"], ["@", "!"], [["@", "!"]], [["@"], ["!"]],
    ["role:admin or role:member"], ["role:admin", "role:member"], [["role:member", "project_id:p1"]],
    [[], "role:admin"], ["nonsense", "role:admin"], [["nonsense", "role:admin"]], ["(@)"], ["not !"],
    [["rule:yes", "role:reader"], ["user_id:u2"]],
]
TRIPLES = [
    f"{n1}{a} {j1} {n2}{b} {j2} {c}"
    for (n1, n2), (j1, j2), (a, b, c) in itertools.product(
        [("", ""), ("not ", ""), ("", "not ")],
        itertools.product(["and", "or"], repeat=2),
        [("role:admin", "role:member", "project_id:%(project_id)s"), ("@", "rule:owner", "!"),
         ("user_id:%(missing)s", "@", "role:reader")],
    )
]
TRIPLES += [t.replace(" or ", " or (", 1) + ")" for t in TRIPLES if " or " in t]


def enforcer(default_rule):
    conf = cfg.ConfigOpts()
    conf([])
    made = policy.Enforcer(conf, use_conf=False, default_rule=default_rule)
    made.set_rules(policy.Rules.from_dict(HELPERS, default_rule), use_conf=False)
    return made


def credentials(caller):
    creds = {name: caller.get(name) for name in SCALARS}
    creds["is_admin_project"] = caller.get("is_admin_project", True)
    for name in ("roles", "service_roles"):
        creds[name] = caller.get(name, [])
    return creds


def decide(made, check, caller, target):
    try:
        return "1" if made.enforce(check, dict(target), credentials(caller)) else "0"
    except (Exception, SyntaxError, RecursionError):
        return "e"


def main():
    out = {
        "about": "Decisions of oslo.policy itself; written by policy_cases.py beside this file.",
        "callers": CALLERS, "targets": TARGETS, "helpers": HELPERS, "cases": {},
    }
    for default_rule in ("absent", "yes"):
        made = enforcer(default_rule)
        expressions = ATOMS + WHOLE + TRIPLES
        if default_rule == "yes":
            expressions = [e for e in expressions if "rule:" in e]
        out["cases"][default_rule] = cases = []
        for expression in expressions:
            check = policy._parser.parse_rule(expression)
            cells = [decide(made, check, c, t) for c in CALLERS for t in TARGETS]
            cases.append([expression, "".join(cells)])
    json.dump(out, sys.stdout, ensure_ascii=True, indent=0)


main()
