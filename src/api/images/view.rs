//! An image as its JSON, keys in Glance's order (`glance/api/v2/images.py: ResponseSerializer._format_image`).

use serde_json::{Map, Value, json};

use crate::{
    access::protection::Action,
    api::State,
    model::{
        caller::Caller,
        image::{HIDDEN_PROPERTIES, Image},
        status::Status,
    },
};

/// Renders an image for a caller.
pub fn image(state: &State, caller: &Caller, image: &Image) -> Value {
    let settings = &state.app.images.settings;
    let mut view = Map::new();
    for property in &image.properties {
        let readable = state.app.images.access.may(caller, Action::Read, &property.name);
        if readable && !HIDDEN_PROPERTIES.contains(&property.name.as_str()) {
            let value = match &property.value {
                Some(text) => json!(text),
                None if state.app.images.schema.is_declared(&property.name) => Value::Null,
                None => json!(""),
            };
            view.insert(property.name.clone(), value);
        }
    }
    let mut put = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    let path = format!("/v2/images/{}", image.id);
    put("name", json!(image.name));
    put("disk_format", json!(image.disk_format));
    put("container_format", json!(image.container_format));
    put("visibility", json!(image.visibility.as_str()));
    put("size", json!(image.size));
    put("virtual_size", json!(image.virtual_size));
    put("status", json!(image.status.as_str()));
    put("checksum", json!(image.checksum));
    put("protected", json!(image.protected));
    put("min_ram", json!(image.min_ram));
    put("min_disk", json!(image.min_disk));
    put("owner", json!(image.owner));
    put("os_hidden", json!(image.os_hidden));
    put("os_hash_algo", json!(image.os_hash_algo));
    put("os_hash_value", json!(image.os_hash_value));
    put("id", json!(image.id));
    put("created_at", json!(image.created_at.isotime()));
    put("updated_at", json!(image.updated_at.isotime()));
    // A deactivated image shows nobody but admins where its data is.
    let hidden = image.status == Status::Deactivated && !caller.is_admin;
    let locations: &[_] = if hidden { &[] } else { &image.locations };
    if settings.show_multiple_locations {
        let list: Vec<Value> =
            locations.iter().map(|l| json!({"url": l.url, "metadata": l.metadata})).collect();
        put("locations", json!(list));
    }
    if settings.show_image_direct_url
        && let Some(preferred) = state.app.stores.preferred(locations)
    {
        put("direct_url", json!(preferred.url));
    }
    put("tags", json!(image.tags));
    put("self", json!(path));
    put("file", json!(format!("{path}/file")));
    put("schema", json!("/v2/schemas/image"));
    if state.app.stores.multiple {
        let stores: Vec<&str> = locations.iter().filter_map(|l| l.store.as_deref()).collect();
        if !stores.is_empty() {
            put("stores", json!(stores.join(",")));
        }
    }
    Value::Object(view)
}
