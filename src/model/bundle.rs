//! Bundles: the disks of a whole server as one image, whose block device mapping Nova reads.

use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    image::Image,
    lifecycle::text,
    list::Filter,
};

/// The property that names the bundle of an image; that of a bundle is its own id.
pub const SET_PROPERTY: &str = "image_set";
/// The property with the place of a disk in its bundle, from 0 on.
pub const INDEX_PROPERTY: &str = "image_set_index";
/// The property that says what an image is: `full` for bundles, `data` for disks that do not boot.
pub const KIND_PROPERTY: &str = "image_kind";
/// Its value for bundles.
pub const FULL: &str = "full";
/// The property that Nova boots from.
pub const MAPPING_PROPERTY: &str = "block_device_mapping";
/// Disks of a bundle at most.
pub const DISKS_MAX: usize = 32;
/// Size of a volume at most, in GiB: 1 PiB.
const VOLUME_MAX: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// One disk of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its image.
    pub image_id: String,
    /// 0 for the disk that boots, -1 for disks that do not.
    pub boot_index: i64,
    /// Size of the volume that is made of it, in GiB.
    pub volume_size: Option<u64>,
}

impl Disk {
    /// Reads one from a request.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the member that is wrong.
    fn parse(value: &Value) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| Error::invalid("A disk must be an object."))?;
        if let Some(name) =
            object.keys().find(|n| !["image_id", "boot_index", "volume_size"].contains(&n.as_str()))
        {
            return Err(Error::invalid(format!("A disk has no member {name:?}.")));
        }
        let image_id = object.get("image_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let boot_index = match object.get("boot_index") {
            None => -1,
            Some(value) => value
                .as_i64()
                .filter(|index| *index >= -1)
                .ok_or_else(|| Error::invalid("boot_index must be an integer of at least -1."))?,
        };
        let volume_size = match object.get("volume_size") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let size = value.as_u64().filter(|size| (1..=VOLUME_MAX).contains(size));
                let wrong =
                    || Error::invalid(format!("volume_size must be a number of GiB from 1 to {VOLUME_MAX}."));
                Some(size.ok_or_else(wrong)?)
            }
        };
        Ok(Self {
            image_id: image_id.ok_or_else(|| Error::invalid("Each disk needs an image_id."))?.to_owned(),
            boot_index,
            volume_size,
        })
    }

    /// The same with the size of its volume, which is large enough for the image.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the size that was asked for is too small.
    pub fn sized(self, image: &Image) -> Result<Self> {
        let bytes = image.virtual_size.or(image.size).and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let needed = bytes.div_ceil(GIB).max(u64::try_from(image.min_disk).unwrap_or(0)).max(1);
        match self.volume_size {
            Some(size) if size < needed => Err(Error::invalid(format!(
                "volume_size {size} is too small: image {} needs {needed} GiB.",
                self.image_id
            ))),
            Some(_) => Ok(self),
            None => Ok(Self { volume_size: Some(needed), ..self }),
        }
    }

    fn entry(&self) -> Value {
        json!({
            "source_type": "image",
            "image_id": self.image_id,
            "destination_type": "volume",
            "boot_index": self.boot_index,
            "volume_size": self.volume_size,
            "delete_on_termination": false,
        })
    }
}

/// Reads the disks of a request: different images, of which exactly one has boot index 0, and no two the same index.
///
/// # Errors
/// [`Error::Invalid`]
pub fn parse_disks(value: Option<&Value>) -> Result<Vec<Disk>> {
    let list = value.and_then(Value::as_array).ok_or_else(|| Error::invalid("disks must be a list."))?;
    if list.is_empty() || list.len() > DISKS_MAX {
        return Err(Error::invalid(format!("A bundle has 1 to {DISKS_MAX} disks.")));
    }
    let disks = list.iter().map(Disk::parse).collect::<Result<Vec<Disk>>>()?;
    for (place, disk) in disks.iter().enumerate() {
        let mut earlier = disks.iter().take(place);
        if earlier.clone().any(|other| other.image_id == disk.image_id) {
            return Err(Error::invalid(format!("Image {} is there twice.", disk.image_id)));
        }
        if disk.boot_index >= 0 && earlier.any(|other| other.boot_index == disk.boot_index) {
            return Err(Error::invalid(format!("Two disks have the boot_index {}.", disk.boot_index)));
        }
    }
    match disks.iter().any(|disk| disk.boot_index == 0) {
        true => Ok(disks),
        false => Err(Error::invalid("One disk must have the boot_index 0.")),
    }
}

/// The block device mapping of disks, as Nova reads it.
pub fn mapping(disks: &[Disk]) -> String {
    Value::Array(disks.iter().map(Disk::entry).collect()).to_string()
}

/// Whether an image is a bundle of this service.
pub fn is_bundle(image: &Image) -> bool {
    text(image, SET_PROPERTY) == Some(&image.id)
}

/// The condition that an image of a list is a bundle of this service.
pub fn only() -> Filter {
    Filter::PropertyIsOwnId(SET_PROPERTY)
}

/// The bundle that an image says it is a disk of.
pub fn bundle_of(image: &Image) -> Option<&str> {
    text(image, SET_PROPERTY).filter(|set| *set != image.id)
}

fn entries(image: &Image) -> Vec<Map<String, Value>> {
    let parsed = text(image, MAPPING_PROPERTY).and_then(|text| serde_json::from_str(text).ok());
    let Some(Value::Array(list)) = parsed else { return Vec::new() };
    list.into_iter()
        .take(DISKS_MAX)
        .filter_map(|entry| match entry {
            Value::Object(object) => Some(object),
            _ => None,
        })
        .collect()
}

/// The disks that the block device mapping of a bundle names.
pub fn disks(image: &Image) -> Vec<Disk> {
    let disk = |entry: Map<String, Value>| {
        Some(Disk {
            image_id: entry.get("image_id")?.as_str()?.to_owned(),
            boot_index: entry.get("boot_index").and_then(Value::as_i64).unwrap_or(-1),
            volume_size: entry.get("volume_size").and_then(Value::as_u64),
        })
    };
    entries(image).into_iter().filter_map(disk).collect()
}

/// The ids of the disks of a bundle; none of another image.
pub fn disk_ids(image: &Image) -> Vec<String> {
    match is_bundle(image) {
        true => disks(image).into_iter().map(|disk| disk.image_id).collect(),
        false => Vec::new(),
    }
}

/// Whether the block device mapping of a bundle names nothing but images, so that others can use it.
pub fn is_self_contained(image: &Image) -> bool {
    let set = |entry: &Map<String, Value>, name: &str| entry.get(name).is_some_and(|value| !value.is_null());
    !entries(image).iter().any(|entry| set(entry, "snapshot_id") || set(entry, "volume_id"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Proves which lists of disks make a bundle, and what is said of the others.
    #[test]
    fn disks_are_parsed() {
        let disks = parse_disks(Some(
            &json!([{"image_id": "a", "boot_index": 0}, {"image_id": "b", "volume_size": 100}]),
        ));
        let [a, b] = disks.unwrap().try_into().unwrap();
        assert_eq!(a, Disk { image_id: "a".to_owned(), boot_index: 0, volume_size: None });
        assert_eq!(b, Disk { image_id: "b".to_owned(), boot_index: -1, volume_size: Some(100) });
        for (list, said) in [
            (json!([]), "1 to 32 disks"),
            (json!({}), "must be a list"),
            (json!([1]), "must be an object"),
            (json!([{"boot_index": 0}]), "needs an image_id"),
            (json!([{"image_id": "a"}]), "must have the boot_index 0"),
            (json!([{"image_id": "a", "boot_index": -2}]), "at least -1"),
            (json!([{"image_id": "a", "boot_index": 0, "size": 1}]), "no member \"size\""),
            (json!([{"image_id": "a", "boot_index": 0, "volume_size": 0}]), "from 1 to"),
            (json!([{"image_id": "a", "boot_index": 0}, {"image_id": "a"}]), "there twice"),
            (json!([{"image_id": "a", "boot_index": 0}, {"image_id": "b", "boot_index": 0}]), "Two disks"),
        ] {
            let error = parse_disks(Some(&list)).unwrap_err().to_string();
            assert!(error.contains(said), "{list}: {error}");
        }
    }
}
