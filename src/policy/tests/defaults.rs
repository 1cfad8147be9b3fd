//! The registered rules: defaults, scopes, old defaults.

use super::*;
use crate::policy::rules::BadReferences;

/// Every default reads as a check, refers to rules that exist, and is listed once.
#[test]
fn table_is_sound() {
    let names: std::collections::BTreeSet<_> = registered().iter().map(|rule| rule.name).collect();
    assert_eq!((names.len(), registered().len()), (80, 80));
    for rule in registered() {
        let texts = [Some(rule.check), rule.hardened, rule.old.map(|old| old.check)];
        for text in texts.into_iter().flatten() {
            Expression::parse(text).expect(rule.name);
        }
    }
    for enforce_new_defaults in [true, false] {
        let settings = Settings { enforce_new_defaults, ..Settings::default() };
        let rules = Rules::build(&settings, &Default::default());
        assert_eq!(rules.bad_references(), BadReferences::default());
    }
}

/// One row per rule family: admin, member, reader of the owner; member of another project; nobody.
#[test]
fn defaults_by_role() {
    let admin = caller("else", &["admin"]);
    let member = caller("p", &["member", "reader"]);
    let reader = caller("p", &["reader"]);
    let other = caller("q", &["member", "reader"]);
    let roleless = caller("p", &[]);
    let rules = Files::new().enforcer().rules();
    let private = image("p", "private");
    let public = image("p", "public");
    let shared_with_other = MapTarget::new().with("member_id", "q").with("project_id", "p");
    let table: [(&str, &MapTarget, [bool; 5]); 14] = [
        ("add_image", &private, [true, true, false, false, false]),
        ("delete_image", &private, [true, true, false, false, false]),
        ("modify_image", &public, [true, true, false, false, false]),
        ("get_image", &private, [true, true, true, false, false]),
        ("get_image", &public, [true, true, true, true, false]),
        ("get_image", &shared_with_other, [true, true, true, true, false]),
        ("download_image", &public, [true, true, false, true, false]),
        ("publicize_image", &private, [true, false, false, false, false]),
        ("modify_member", &shared_with_other, [true, false, false, true, false]),
        ("get_members", &shared_with_other, [true, true, true, true, false]),
        ("tasks_api_access", &private, [true, false, false, false, false]),
        ("get_task", &private, [true, true, true, true, true]),
        ("get_metadef_namespace", &public, [true, true, true, true, false]),
        ("cache_list", &private, [true, false, false, false, false]),
    ];
    for (rule, target, expected) in table {
        let callers = [&admin, &member, &reader, &other, &roleless];
        let decided = callers.map(|caller| rules.allows(rule, caller, target));
        assert_eq!(decided, expected, "{rule} {target:?}");
    }
    let service = caller("x", &["service"]);
    assert!(rules.allows("fetch_image_location", &service, &private));
    assert!(!rules.allows("get_image", &service, &private));
}

/// Scoped rules refuse system and domain tokens, even an admin's; helper rules and operators who
/// switched the check off do not.
#[test]
fn scope_is_enforced_before_the_check() {
    let system = Caller { system_scope: Some("all".to_owned()), ..caller("p", &["admin"]) };
    let domain = Caller { domain_id: Some("d".to_owned()), ..caller("p", &["admin"]) };
    let mut files = Files::with("get_image: '@'\n");
    let enforcer = files.enforcer();
    for caller in [&system, &domain] {
        assert!(!enforcer.allows("get_image", caller, &Empty));
        assert!(!enforcer.allows("delete_image", caller, &Empty));
        assert!(enforcer.is_admin(caller));
        assert!(enforcer.allows("metadef_admin", caller, &Empty));
        let reference = Expression::reference("get_image");
        assert!(enforcer.rules().allows_expression(&reference, caller, &Empty));
    }
    files.settings.enforce_scope = false;
    assert!(files.enforcer().allows("delete_image", &system, &Empty));
}

/// With old defaults either definition grants, unless a file defines the rule.
#[test]
fn old_defaults_grant_unless_overridden() {
    let roleless = caller("p", &[]);
    let target = image("q", "private");
    let mut files = Files::with("delete_image: role:member\ncache_list: '!'\n");
    files.settings.enforce_new_defaults = false;
    let old = files.enforcer();
    assert!(old.allows("get_image", &roleless, &target));
    assert!(old.allows("modify_image", &roleless, &target));
    assert!(!old.allows("delete_image", &roleless, &target));
    assert!(!old.allows("publicize_image", &roleless, &target));
    assert!(!old.allows("cache_list", &caller("p", &["admin"]), &target));
    files.settings.enforce_new_defaults = true;
    assert!(!files.enforcer().allows("get_image", &roleless, &target));
}

/// A redefined helper changes the rules that refer to it, and the admin flag.
#[test]
fn helpers_can_be_redefined() {
    let enforcer = Files::with("context_is_admin: project_id:%(project_id)s\n").enforcer();
    let nobody = caller("p", &[]);
    assert!(enforcer.is_admin(&nobody));
    assert!(enforcer.allows("delete_image", &nobody, &image("p", "private")));
    assert!(!enforcer.allows("delete_image", &nobody, &image("q", "private")));
    let list = Files::with("context_is_admin: \"\\\"['a', 'b']\\\":%(roles)s\"\n");
    assert!(!list.enforcer().is_admin(&caller("p", &["a", "b"])));
    let listed = CallerTarget(&caller("p", &["a", "b"])).get("roles").unwrap().into_owned();
    assert_eq!(listed, "['a', 'b']");
}

/// Enforcing a name that only a file knows, or nobody, is our own mistake and never a yes.
#[tokio::test]
async fn unregistered_rules_are_an_error() {
    let enforcer = Files::with("mine: '@'\n").enforcer();
    let someone = caller("p", &["admin"]);
    for rule in ["mine", "nobodys"] {
        assert!(!enforcer.allows(rule, &someone, &Empty));
        let error = enforcer.check(rule, &someone, &Empty).await.unwrap_err();
        assert_eq!(error, PolicyError::NotRegistered { rule: rule.to_owned() });
    }
    assert!(enforcer.check("get_image", &someone, &Empty).await.unwrap());
    let mine = Expression::reference("mine");
    assert!(enforcer.check_expression(&mine, &caller("p", &[]), &Empty).await.unwrap());
}
