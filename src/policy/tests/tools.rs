//! The operators' tools.

use super::*;

/// The sample names every rule, changes nothing as it stands, and with the marks taken off still
/// decides as the defaults do.
#[test]
fn sample_is_a_policy_file() {
    let text = sample();
    let files = Files::with(&text);
    assert!(files.enforcer().rules().get("get_image").unwrap().file.is_none());
    let switched_on = text.replace("\n#\"", "\n\"");
    let files = Files::with(&switched_on);
    let rules = files.enforcer().rules();
    for rule in registered() {
        let found = rules.get(rule.name).unwrap();
        assert!(found.file.is_some(), "{}", rule.name);
        assert_eq!(found.text, rule.check);
    }
    let notes = validate(&files.settings);
    assert!(notes.iter().all(|finding| finding.severity == Severity::Note), "{notes:?}");
}

/// The dump can be loaded again and gives the same rules.
#[test]
fn effective_dump_loads_again() {
    let mut files = Files::with("get_images: [[role:a, role:b], role:c]\nmine: role:admin or\nx: '@'\n");
    files.settings.enforce_new_defaults = false;
    let first = files.enforcer().rules();
    let dump = first.effective();
    assert!(dump.contains("policy.yaml\n\"get_images\": \"((role:a and role:b) or role:c)\"\n"));
    assert!(dump.contains("\"mine\": \"!\"\n"), "{dump}");
    let second = Files::with(&dump).enforcer().rules();
    for (name, rule) in first.sorted() {
        let again = second.get(name).unwrap().expression.to_string();
        assert_eq!(again, rule.expression.to_string(), "{name}");
    }
}

/// Each kind of fault is found, with file, rule and weight.
#[test]
fn validate_finds_faults() {
    let files = Files::with(
        "get_image: role:member or\nget_images: tenant:%(tenant)s\nmodify_image: role:admin nd\n\
         delete_image: nonsense or rule:admin_or_owner\nupload_image: user_id:%(user_id)\n\
         add_image:\ngone_rule: '!'\nhelper: role:x\nadd_member: rule:helper\na: rule:b\nb: rule:a\n\
         metadef_admin: rule:context_is_admin\nget_member: 8a:x or roles.x:y\nmodify_task: '@'\n\
         delete_member: \"user_id:%(a)x\"\n",
    );
    files.write("policy.d/broken", "a: [", 1);
    let found: Vec<String> = validate(&files.settings).iter().map(ToString::to_string).collect();
    let has = |start: &str, middle: &str| {
        let fits = |line: &&String| line.starts_with(start) && line.contains(middle);
        assert!(found.iter().any(|line| fits(&line)), "{start} {middle}: {found:#?}");
    };
    has("error: ", "policy.d/broken: not a valid policy file");
    has("error: ", "policy.yaml: get_image: a check is missing at the end");
    has("warning: ", "get_images: tenant:%(tenant)s: callers have no attribute tenant");
    has("error: ", "modify_image: `and` or `or` is missing before `nd`");
    has("error: ", "delete_image: nonsense: is not a check");
    has("error: ", "delete_image: refers to rule:admin_or_owner, which no one defines; default");
    has("error: ", "upload_image: `and` or `or` is missing before `)`");
    has("warning: ", "add_image: has no value");
    has("warning: ", "gone_rule: the service has no such rule");
    has("error: ", "b: refers to itself in a circle");
    has("note: ", "metadef_admin: is the same as the default");
    has("error: ", "get_member: 8a:x: ");
    has("error: ", "get_member: roles.x:y: there is nothing below it");
    has("note: ", "modify_task: is announced for removal since Wallaby");
    has("error: ", "delete_member: user_id:%(a)x: only %(key)s");
    assert!(!found.iter().any(|line| line.contains(": helper: ")), "{found:#?}");
    assert_eq!(validate(&Files::new().settings), []);
}

/// The trace shows the verdict, the scope, and what each check compared.
#[test]
fn explain_names_the_reason() {
    let rules = Files::new().enforcer().rules();
    let text = rules.explain("modify_image", &caller("q", &["member"]), &image("p", "private"));
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "modify_image: denied",
        "  defined as \"rule:context_is_admin or (role:member and project_id:%(project_id)s)\" \
         (the service's default)",
        "  token of scope project: accepted",
        "  any of: no",
        "    rule:context_is_admin: no",
        "      role:admin: no (the caller's roles: member)",
        "    all of: no",
        "      role:member: yes",
        "      project_id:%(project_id)s: no (caller: q; target: p)",
    ];
    assert_eq!(lines, expected);
    let system = Caller { system_scope: Some("all".to_owned()), ..caller("p", &["admin"]) };
    let text = rules.explain("modify_image", &system, &Empty);
    assert!(text.starts_with("modify_image: denied\n"), "{text}");
    assert!(text.contains("token of scope system: refused"), "{text}");
    assert!(text.contains("    all of: not needed\n"), "{text}");
    let files = Files::with("get_image: rule:a\na: rule:get_image\nget_images: http://h/x\n");
    let rules = files.enforcer().rules();
    let cyclic = rules.explain("get_image", &system, &Empty);
    assert!(cyclic.contains("endless references"), "{cyclic}");
    let remote = rules.explain("get_images", &caller("p", &[]), &Empty);
    assert!(remote.starts_with("get_images: a policy server decides"), "{remote}");
    let unknown = rules.explain("unheard_of", &caller("p", &[]), &Empty);
    assert!(unknown.contains("the default rule"), "{unknown}");
}
