//! The rules that the service registers: names, default check strings, scopes, API calls and old defaults.
//!
//! The facts are those of `glance/policies/*.py` (release 33 and later).

use std::collections::HashMap;
use std::sync::LazyLock;

/// One rule that the service enforces, with the definition it has unless an operator overrides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Name under which the rule is enforced and overridden.
    pub name: &'static str,
    /// Default check string in the policy language; empty means that everyone may.
    pub check: &'static str,
    /// Token scopes that are accepted (`project`); empty for helper rules, which accept any.
    pub scope_types: &'static [&'static str],
    /// API calls that enforce the rule, as `METHOD /path`; empty for helper rules.
    pub operations: &'static [&'static str],
    /// The default of earlier releases, while `enforce_new_defaults` may still bring it back.
    pub old: Option<OldDefault>,
    /// The default where the operator wants few to reach other networks through us (`[vitrine] profile = hardened`).
    pub hardened: Option<&'static str>,
    /// Release since which the rule is announced to disappear.
    pub for_removal_since: Option<&'static str>,
}

/// The check string that a rule had by default in an earlier release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldDefault {
    /// The earlier check string.
    pub check: &'static str,
    /// The release that replaced it.
    pub since: &'static str,
}

/// All registered rules, in Glance's order (`glance/policies/__init__.py` `list_rules`).
pub fn registered() -> &'static [Registered] {
    REGISTERED
}

/// The registered rule called `name`, if there is one.
pub fn find(name: &str) -> Option<&'static Registered> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Registered>> =
        LazyLock::new(|| REGISTERED.iter().map(|rule| (rule.name, rule)).collect());
    BY_NAME.get(name).copied()
}

const fn helper(name: &'static str, check: &'static str) -> Registered {
    let hardened = None;
    Registered {
        name,
        check,
        scope_types: &[],
        operations: &[],
        old: None,
        hardened,
        for_removal_since: None,
    }
}

const fn project(name: &'static str, check: &'static str, operations: &'static [&'static str]) -> Registered {
    Registered { scope_types: &["project"], operations, ..helper(name, check) }
}

impl Registered {
    const fn old(self, check: &'static str, since: &'static str) -> Self {
        Self { old: Some(OldDefault { check, since }), ..self }
    }

    const fn hardened(self, check: &'static str) -> Self {
        Self { hardened: Some(check), ..self }
    }

    const fn for_removal(self, since: &'static str) -> Self {
        Self { for_removal_since: Some(since), ..self }
    }
}

const METADEF_ADMIN: &str = "rule:metadef_admin";
const EVERYBODY: &str = "";
const ADMIN: &str = "rule:context_is_admin";
const MEMBER: &str = "rule:context_is_admin or (role:member and project_id:%(project_id)s)";
const METADEF_READER: &str =
    "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))";
const DEFAULT: &str = "rule:default";
const READER: &str = "rule:context_is_admin or (role:reader and project_id:%(project_id)s)";
const MEMBER_OF_VISIBLE: &str = "rule:context_is_admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))";
const READER_OR_SHARED_WITH: &str =
    "rule:context_is_admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)";
const MEMBER_AND_OWNER: &str =
    "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)";
const READER_OF_VISIBLE: &str = "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))";
const SERVICE_OR_OWNER: &str =
    "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)";
const SERVICE: &str = "rule:service_api";
const SHARED_WITH: &str = "rule:context_is_admin or (role:member and project_id:%(member_id)s)";
const ADMIN_OR_SERVICE: &str = "rule:context_is_admin or rule:service_api";

static REGISTERED: &[Registered] = &[
    helper("default", "").old(ADMIN, "Ussuri"),
    helper("context_is_admin", "role:admin"),
    helper("service_api", "role:service or role:admin"),
    project("add_image", MEMBER_AND_OWNER, &["POST /v2/images"]).old(DEFAULT, "Wallaby"),
    project("delete_image", MEMBER, &["DELETE /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("get_image", READER_OF_VISIBLE, &["GET /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("get_images", READER, &["GET /v2/images"]).old(DEFAULT, "Wallaby"),
    project("modify_image", MEMBER, &["PATCH /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("publicize_image", ADMIN, &["PATCH /v2/images/{image_id}"]),
    project("communitize_image", MEMBER, &["PATCH /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("download_image", MEMBER_OF_VISIBLE, &["GET /v2/images/{image_id}/file"]).old(DEFAULT, "Wallaby"),
    project("download_from_store", MEMBER_OF_VISIBLE, &["GET /v2/images/{image_id}/file"]),
    project("upload_image", MEMBER, &["PUT /v2/images/{image_id}/file"]).old(DEFAULT, "Wallaby"),
    project("delete_image_location", ADMIN, &["PATCH /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("get_image_location", READER, &["GET /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("set_image_location", MEMBER, &["PATCH /v2/images/{image_id}"]).old(DEFAULT, "Wallaby"),
    project("add_image_location", SERVICE_OR_OWNER, &["POST /v2/images/{image_id}/locations"]),
    project("calculate_hash", ADMIN, &["POST /v2/images/{image_id}/hash"]),
    project("fetch_image_location", SERVICE, &["GET /v2/images/{image_id}/locations"]),
    project("add_member", MEMBER, &["POST /v2/images/{image_id}/members"]).old(DEFAULT, "Wallaby"),
    project("delete_member", MEMBER, &["DELETE /v2/images/{image_id}/members/{member_id}"])
        .old(DEFAULT, "Wallaby"),
    project("get_member", READER_OR_SHARED_WITH, &["GET /v2/images/{image_id}/members/{member_id}"])
        .old(DEFAULT, "Wallaby"),
    project("get_members", READER_OR_SHARED_WITH, &["GET /v2/images/{image_id}/members"])
        .old(DEFAULT, "Wallaby"),
    project("modify_member", SHARED_WITH, &["PUT /v2/images/{image_id}/members/{member_id}"])
        .old(DEFAULT, "Wallaby"),
    project("manage_image_cache", ADMIN, &[]),
    project("deactivate", MEMBER, &["POST /v2/images/{image_id}/actions/deactivate"]).old(DEFAULT, "Wallaby"),
    project("reactivate", MEMBER, &["POST /v2/images/{image_id}/actions/reactivate"]).old(DEFAULT, "Wallaby"),
    project("copy_image", ADMIN, &["POST /v2/images/{image_id}/import"]),
    project("list_cached_nodes", ADMIN, &["GET /v2/cache/nodes/{image_id}"]),
    project("get_task", DEFAULT, &["GET /v2/tasks/{task_id}"]).old(DEFAULT, "Xena"),
    project("get_tasks", DEFAULT, &["GET /v2/tasks"]).old(DEFAULT, "Xena"),
    project("add_task", DEFAULT, &["POST /v2/tasks"]).old(DEFAULT, "Xena"),
    project("modify_task", DEFAULT, &["DELETE /v2/tasks/{task_id}"]).for_removal("Wallaby"),
    project(
        "tasks_api_access",
        ADMIN,
        &["GET /v2/tasks/{task_id}", "GET /v2/tasks", "POST /v2/tasks", "DELETE /v2/tasks/{task_id}"],
    ),
    helper("metadef_default", ""),
    helper("metadef_admin", ADMIN),
    project("get_metadef_namespace", METADEF_READER, &["GET /v2/metadefs/namespaces/{namespace_name}"])
        .old("rule:metadef_default", "Xena"),
    project("get_metadef_namespaces", READER, &["GET /v2/metadefs/namespaces"])
        .old("rule:metadef_default", "Xena"),
    project("modify_metadef_namespace", METADEF_ADMIN, &["PUT /v2/metadefs/namespaces/{namespace_name}"]),
    project("add_metadef_namespace", METADEF_ADMIN, &["POST /v2/metadefs/namespaces"]),
    project("delete_metadef_namespace", METADEF_ADMIN, &["DELETE /v2/metadefs/namespaces/{namespace_name}"]),
    project(
        "get_metadef_object",
        METADEF_READER,
        &["GET /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}"],
    )
    .old("rule:metadef_default", "Xena"),
    project("get_metadef_objects", METADEF_READER, &["GET /v2/metadefs/namespaces/{namespace_name}/objects"])
        .old("rule:metadef_default", "Xena"),
    project(
        "modify_metadef_object",
        METADEF_ADMIN,
        &["PUT /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}"],
    ),
    project("add_metadef_object", METADEF_ADMIN, &["POST /v2/metadefs/namespaces/{namespace_name}/objects"]),
    project(
        "delete_metadef_object",
        METADEF_ADMIN,
        &["DELETE /v2/metadefs/namespaces/{namespace_name}/objects/{object_name}"],
    ),
    project("list_metadef_resource_types", METADEF_READER, &["GET /v2/metadefs/resource_types"])
        .old("rule:metadef_default", "Xena"),
    project(
        "get_metadef_resource_type",
        METADEF_READER,
        &["GET /v2/metadefs/namespaces/{namespace_name}/resource_types"],
    )
    .old("rule:metadef_default", "Xena"),
    project(
        "add_metadef_resource_type_association",
        METADEF_ADMIN,
        &["POST /v2/metadefs/namespaces/{namespace_name}/resource_types"],
    ),
    project(
        "remove_metadef_resource_type_association",
        METADEF_ADMIN,
        &["DELETE /v2/metadefs/namespaces/{namespace_name}/resource_types/{name}"],
    ),
    project(
        "get_metadef_property",
        METADEF_READER,
        &["GET /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}"],
    )
    .old("rule:metadef_default", "Xena"),
    project(
        "get_metadef_properties",
        METADEF_READER,
        &["GET /v2/metadefs/namespaces/{namespace_name}/properties"],
    )
    .old("rule:metadef_default", "Xena"),
    project(
        "modify_metadef_property",
        METADEF_ADMIN,
        &["PUT /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}"],
    ),
    project(
        "add_metadef_property",
        METADEF_ADMIN,
        &["POST /v2/metadefs/namespaces/{namespace_name}/properties"],
    ),
    project(
        "remove_metadef_property",
        METADEF_ADMIN,
        &["DELETE /v2/metadefs/namespaces/{namespace_name}/properties/{property_name}"],
    ),
    project(
        "get_metadef_tag",
        METADEF_READER,
        &["GET /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}"],
    )
    .old("rule:metadef_default", "Xena"),
    project("get_metadef_tags", METADEF_READER, &["GET /v2/metadefs/namespaces/{namespace_name}/tags"])
        .old("rule:metadef_default", "Xena"),
    project(
        "modify_metadef_tag",
        METADEF_ADMIN,
        &["PUT /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}"],
    ),
    project(
        "add_metadef_tag",
        METADEF_ADMIN,
        &["POST /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}"],
    ),
    project("add_metadef_tags", METADEF_ADMIN, &["POST /v2/metadefs/namespaces/{namespace_name}/tags"]),
    project(
        "delete_metadef_tag",
        METADEF_ADMIN,
        &["DELETE /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}"],
    ),
    project("delete_metadef_tags", METADEF_ADMIN, &["DELETE /v2/metadefs/namespaces/{namespace_name}/tags"]),
    project("cache_image", ADMIN, &["PUT /v2/cache/{image_id}"]).old("rule:manage_image_cache", "Xena"),
    project("cache_list", ADMIN, &["GET /v2/cache"]).old("rule:manage_image_cache", "Xena"),
    project("cache_delete", ADMIN, &["DELETE /v2/cache", "DELETE /v2/cache/{image_id}"])
        .old("rule:manage_image_cache", "Xena"),
    project("cache_clean", ADMIN, &["POST /v2/cache/clean"]),
    project("cache_prune", ADMIN, &["POST /v2/cache/prune"]),
    project(
        "ext:consumers",
        SERVICE,
        &[
            "PUT /ext/v1/consumers",
            "PUT /ext/v1/images/{image_id}/consumers/{type}/{consumer_id}",
            "DELETE /ext/v1/images/{image_id}/consumers/{type}/{consumer_id}",
        ],
    ),
    project("ext:import_remote", EVERYBODY, &["POST /v2/images/{image_id}/import"])
        .hardened("rule:context_is_admin or role:image_import_admin"),
    project(
        "ext:webhooks",
        MEMBER,
        &[
            "GET /ext/v1/webhooks",
            "POST /ext/v1/webhooks",
            "GET /ext/v1/webhooks/{webhook_id}",
            "DELETE /ext/v1/webhooks/{webhook_id}",
        ],
    ),
    project(
        "ext:stores_admin",
        ADMIN,
        &[
            "GET /ext/v1/stores",
            "GET /ext/v1/stores/{store_id}/objects",
            "POST /ext/v1/stores/{store_id}/reconcile",
            "POST /ext/v1/stores/{store_id}/objects/adopt",
            "POST /ext/v1/stores/{store_id}/quarantine/{id}/restore",
            "POST /ext/v1/stores/{store_id}/quarantine/{id}/purge",
            "GET /ext/v1/jobs/{job_id}/findings",
        ],
    ),
    project(
        "ext:family_publish",
        MEMBER,
        &["POST /ext/v1/families/{name}/publish", "POST /ext/v1/families/{name}/rollback"],
    ),
    project(
        "ext:retention",
        MEMBER,
        &[
            "GET /ext/v1/retention/{project_id}",
            "PUT /ext/v1/retention/{project_id}",
            "DELETE /ext/v1/retention/{project_id}",
            "POST /ext/v1/retention/{project_id}/run",
        ],
    ),
    project(
        "ext:limits",
        ADMIN,
        &["PUT /ext/v1/projects/{id}/limits", "DELETE /ext/v1/projects/{id}/limits"],
    ),
    project("ext:limits_show", READER, &["GET /ext/v1/projects/{id}/limits"]),
    project(
        "ext:media_groups",
        ADMIN,
        &[
            "POST /ext/v1/media-groups",
            "PATCH /ext/v1/media-groups/{name}",
            "DELETE /ext/v1/media-groups/{name}",
        ],
    ),
    project("ext:attach", ADMIN, &["POST /ext/v1/images/{id}/attach", "POST /ext/v1/images/{id}/detach"]),
    project(
        "ext:usage_own",
        "role:reader and project_id:%(project_id)s",
        &["GET /ext/v1/usage/report", "GET /ext/v1/usage/now", "GET /ext/v1/usage/image-hours"],
    ),
    project(
        "ext:usage_all",
        ADMIN,
        &[
            "GET /ext/v1/usage/report",
            "GET /ext/v1/usage/now",
            "GET /ext/v1/usage/image-hours",
            "GET /ext/v1/usage/events",
            "GET /ext/v1/usage/rates",
            "PUT /ext/v1/usage/rates",
        ],
    ),
    project("stores_info_detail", ADMIN_OR_SERVICE, &["GET /v2/info/stores/detail"]).old(ADMIN, "2025.1"),
];
