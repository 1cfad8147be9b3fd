//! Policy files: their forms, the order in which they count, and changes while the service runs.

use super::*;

fn member() -> Caller {
    caller("p", &["member"])
}

fn allows(enforcer: &Enforcer, rule: &str) -> bool {
    enforcer.allows(rule, &member(), &Empty)
}

/// YAML, JSON, lists, comments and emptiness are all fine; the last definition of a name wins.
#[test]
fn forms_of_files() {
    for text in ["", "# nothing\n", "{}", "[]", "---\n", "~"] {
        assert!(!allows(&Files::with(text).enforcer(), "get_images"), "{text:?}");
    }
    let allowing = [
        "get_images: role:member",
        "\"get_images\": \"\"  # all\n",
        "get_images:\n",
        "get_images: []\n",
        "get_images: [[], [\"role:member\", \"project_id:p\"]]\n",
        "get_images:\n  - role:x\n  - role:member\n",
        "{\n\t\"get_images\": \"role:member\",\n\t\"default\": \"!\"\n}",
        "get_images: '!'\nget_images: '@'\n",
        "get_images: >-\n  role:x or\n  role:member\n",
    ];
    for text in allowing {
        assert!(allows(&Files::with(text).enforcer(), "get_images"), "{text:?}");
    }
    let denying = ["get_images: role:member or", "get_images: [[]]", "get_images: 'role:\"member\"'"];
    for text in denying {
        assert!(!allows(&Files::with(text).enforcer(), "get_images"), "{text:?}");
    }
}

/// Files that are no policy files stop the start, with the file's name and the reason.
#[test]
fn broken_files_stop_the_start() {
    let deep = format!("a: {}", "[".repeat(10_000));
    let large = format!("# {}", "x".repeat(1024 * 1024));
    let broken = [
        "get_images: [",
        "just text",
        "- a\n",
        "get_images: true",
        "get_images: 7",
        "a: {b: c}",
        "get_images: !",
        "a: [[!]]\nb: - !",
        "get_images: ! # none\n",
        "a: !x b",
        "a: @",
        "a: b\n---\nc: d",
        "a: [[[b]]]",
        "a: [1]",
        &deep,
        &large,
    ];
    for text in broken {
        let files = Files::with(text);
        let error = Enforcer::new(files.settings.clone()).unwrap_err();
        let PolicyError::Broken { path, .. } = error else { panic!("{error}") };
        assert_eq!(path, files.settings.policy_file);
    }
    let files = Files::new();
    std::fs::create_dir(&files.settings.policy_file).unwrap();
    let error = Enforcer::new(files.settings.clone()).unwrap_err();
    assert!(matches!(error, PolicyError::Unreadable { .. }), "{error}");
}

/// Directories are read after the file, in the order of names; hidden files and folders are not.
#[test]
fn directories_override_the_file() {
    let files = Files::with("get_images: '@'\nget_image: '@'\n");
    files.write("policy.d/20.yaml", "get_images: '@'\n", 1);
    files.write("policy.d/10.json", "{\"get_images\": \"!\", \"get_image\": \"!\"}", 1);
    files.write("policy.d/.hidden", "get_images: '!'\n", 1);
    files.write("policy.d/folder/99.yaml", "get_images: '!'\n", 1);
    let enforcer = files.enforcer();
    assert!(allows(&enforcer, "get_images"));
    assert!(!allows(&enforcer, "get_image"));
}

/// A change is noticed by the file's stamp, once, whether the time moves on or back.
#[test]
fn changes_are_noticed() {
    let files = Files::new();
    let enforcer = files.enforcer();
    assert!(!allows(&enforcer, "get_images"));
    assert_eq!(enforcer.reload_if_changed(), Ok(false));
    files.write("policy.yaml", "get_images: '@'\n", 5);
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert_eq!(enforcer.reload_if_changed(), Ok(false));
    assert!(allows(&enforcer, "get_images"));
    let held = enforcer.rules();
    files.write("policy.yaml", "get_images: '!'\n", 4);
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert!(!allows(&enforcer, "get_images"));
    assert!(held.allows("get_images", &member(), &Empty), "a table in use does not change");
    files.write("policy.d/a", "get_images: '@'\n", 1);
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert!(allows(&enforcer, "get_images"));
}

/// As in Glance, a line taken out keeps its effect until a restart; other changes do not undo that.
#[test]
fn removed_lines_stay_in_force() {
    let files = Files::with("get_images: '@'\nget_image: '@'\n");
    let added = files.write("policy.d/a", "get_image: '!'\n", 1);
    let enforcer = files.enforcer();
    files.write("policy.yaml", "get_image: '@'\n", 2);
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert!(allows(&enforcer, "get_images"));
    assert!(!allows(&enforcer, "get_image"));
    std::fs::remove_file(added).unwrap();
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert!(!allows(&enforcer, "get_image"), "the unchanged file is not laid over again");
    std::fs::remove_file(&files.settings.policy_file).unwrap();
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert!(allows(&enforcer, "get_images"));
    assert!(!allows(&files.enforcer(), "get_images"), "after a restart the default is back");
}

/// A broken file leaves all old rules in force, those of sound files beside it too, until mended.
#[test]
fn broken_file_keeps_the_old_rules() {
    let files = Files::with("get_images: '@'\n");
    let enforcer = files.enforcer();
    assert_eq!(enforcer.last_error(), None);
    files.write("policy.yaml", "get_images: '!'\n", 2);
    let broken = files.write("policy.d/a", "get_image: [", 2);
    let error = enforcer.reload_if_changed().unwrap_err();
    assert!(error.to_string().contains("policy.d/a"), "{error}");
    assert_eq!(enforcer.reload_if_changed(), Ok(false), "it is not read again until it changes");
    assert_eq!(enforcer.last_error(), Some(error));
    assert!(allows(&enforcer, "get_images"));
    touch(&broken, 3);
    assert!(enforcer.reload_if_changed().is_err());
    std::fs::remove_file(broken).unwrap();
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert_eq!(enforcer.last_error(), None);
    assert!(!allows(&enforcer, "get_images"));
}

/// What cannot be read is tried again each time, and works once it can be.
#[test]
fn unreadable_directory_recovers() {
    let files = Files::with("get_images: '@'\n");
    let enforcer = files.enforcer();
    let directory = files.write("policy.d", "not a directory", 1);
    for _ in 0..2 {
        let error = enforcer.reload_if_changed().unwrap_err();
        assert!(matches!(error, PolicyError::Unreadable { .. }), "{error}");
    }
    assert!(allows(&enforcer, "get_images"));
    std::fs::remove_file(directory).unwrap();
    assert_eq!(enforcer.reload_if_changed(), Ok(true));
    assert_eq!(enforcer.last_error(), None);
}

/// The watcher takes up a change without being asked.
#[tokio::test]
async fn watcher_reloads() {
    let files = Files::new();
    let enforcer = Arc::new(files.enforcer());
    let watcher = tokio::spawn(Arc::clone(&enforcer).watch());
    files.write("policy.yaml", "get_images: '@'\n", 5);
    let reloaded = async {
        while !allows(&enforcer, "get_images") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reloaded).await.unwrap();
    watcher.abort();
}
