//! An image as JSON, with keys in Glance's order (`glance/api/v2/images.py: ResponseSerializer._format_image`).
//!
//! It is serialised directly into the response, because a page of images consists of nothing else.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{
    access::protection::Action,
    api::State,
    model::{
        caller::Caller,
        image::{HIDDEN_PROPERTIES, Image, Location},
        properties::Property,
        status::Status,
    },
};

/// An image as a caller sees it.
pub struct View<'a> {
    state: &'a State,
    caller: &'a Caller,
    image: &'a Image,
}

/// Renders an image for a caller.
pub fn image<'a>(state: &'a State, caller: &'a Caller, image: &'a Image) -> View<'a> {
    View { state, caller, image }
}

impl View<'_> {
    /// Where the data is, as far as the caller may see it: of a deactivated image nobody but admins does.
    fn locations(&self) -> &[Location] {
        let hidden = self.image.status == Status::Deactivated && !self.caller.is_admin;
        if hidden { &[] } else { &self.image.locations }
    }

    /// The location that is shown as the one to read from.
    fn preferred(&self) -> Option<&Location> {
        let app = &self.state.app;
        let shown = app.images.settings.show_image_direct_url;
        if shown { app.stores.preferred(self.locations()) } else { None }
    }

    /// The stores in which the data is.
    fn stores(&self) -> Option<String> {
        let stores: Vec<&str> = self.locations().iter().filter_map(|l| l.store.as_deref()).collect();
        (self.state.app.stores.multiple && !stores.is_empty()).then(|| stores.join(","))
    }

    /// Whether the image has something of this name that is no property.
    fn has(&self, name: &str) -> bool {
        match name {
            "locations" => self.state.app.images.settings.show_multiple_locations,
            "direct_url" => self.preferred().is_some(),
            "stores" => self.stores().is_some(),
            "id" | "name" | "owner" | "status" | "visibility" | "protected" | "os_hidden" | "tags" => true,
            "disk_format" | "container_format" | "size" | "virtual_size" | "min_disk" | "min_ram" => true,
            "checksum" | "os_hash_algo" | "os_hash_value" | "created_at" | "updated_at" => true,
            "self" | "file" | "schema" => true,
            _ => false,
        }
    }

    /// The properties that are shown, each with what is shown of it.
    fn properties(&self) -> impl Iterator<Item = (&Property, Option<&str>)> {
        let images = &self.state.app.images;
        let shown = self.image.properties.iter().filter(|property| {
            let name = property.name.as_str();
            !HIDDEN_PROPERTIES.contains(&name)
                && !self.has(name)
                && images.access.may(self.caller, Action::Read, name)
        });
        shown.map(|property| match &property.value {
            Some(text) => (property, Some(text.as_str())),
            None if images.schema.is_declared(&property.name) => (property, None),
            None => (property, Some("")),
        })
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = self.image;
        let mut map = serializer.serialize_map(None)?;
        for (property, value) in self.properties() {
            map.serialize_entry(&property.name, &value)?;
        }
        map.serialize_entry("name", &image.name)?;
        map.serialize_entry("disk_format", &image.disk_format)?;
        map.serialize_entry("container_format", &image.container_format)?;
        map.serialize_entry("visibility", image.visibility.as_str())?;
        map.serialize_entry("size", &image.size)?;
        map.serialize_entry("virtual_size", &image.virtual_size)?;
        map.serialize_entry("status", image.status.as_str())?;
        map.serialize_entry("checksum", &image.checksum)?;
        map.serialize_entry("protected", &image.protected)?;
        map.serialize_entry("min_ram", &image.min_ram)?;
        map.serialize_entry("min_disk", &image.min_disk)?;
        map.serialize_entry("owner", &image.owner)?;
        map.serialize_entry("os_hidden", &image.os_hidden)?;
        map.serialize_entry("os_hash_algo", &image.os_hash_algo)?;
        map.serialize_entry("os_hash_value", &image.os_hash_value)?;
        map.serialize_entry("id", &image.id)?;
        map.serialize_entry("created_at", &image.created_at.isotime())?;
        map.serialize_entry("updated_at", &image.updated_at.isotime())?;
        if self.state.app.images.settings.show_multiple_locations {
            map.serialize_entry("locations", &Places(self.locations()))?;
        }
        if let Some(preferred) = self.preferred() {
            map.serialize_entry("direct_url", &preferred.url)?;
        }
        map.serialize_entry("tags", &image.tags)?;
        map.serialize_entry("self", &format_args!("/v2/images/{}", image.id))?;
        map.serialize_entry("file", &format_args!("/v2/images/{}/file", image.id))?;
        map.serialize_entry("schema", "/v2/schemas/image")?;
        if let Some(stores) = self.stores() {
            map.serialize_entry("stores", &stores)?;
        }
        map.end()
    }
}

/// Locations, of which URL and metadata are shown.
struct Places<'a>(&'a [Location]);

impl Serialize for Places<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for location in self.0 {
            list.serialize_element(&Place { url: &location.url, metadata: &location.metadata })?;
        }
        list.end()
    }
}

#[derive(serde::Serialize)]
struct Place<'a> {
    url: &'a str,
    metadata: &'a serde_json::Map<String, serde_json::Value>,
}
