//! The body of `POST /v2/images/{id}/import`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{
    error::{Error, Result},
    status::Status,
};

/// The import method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// From the staging folder.
    GlanceDirect,
    /// From a web server.
    WebDownload,
    /// From a store that has it already.
    CopyImage,
    /// From another image service.
    GlanceDownload,
    /// From a client, by `PUT /v2/images/{id}/file`: what its store wants in another format. Nobody can ask for it.
    Upload,
}

/// What a task says of an upload.
const UPLOAD: &str = "upload";

impl Method {
    /// Reads the name in the API.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "glance-direct" => Self::GlanceDirect,
            "web-download" => Self::WebDownload,
            "copy-image" => Self::CopyImage,
            "glance-download" => Self::GlanceDownload,
            UPLOAD => Self::Upload,
            _ => return None,
        })
    }

    /// Whether a client has brought the data into a staging folder before.
    pub fn is_staged(self) -> bool {
        matches!(self, Self::GlanceDirect | Self::Upload)
    }

    /// The status that an image must have.
    pub fn starts_from(self) -> Status {
        match self {
            Self::CopyImage => Status::Active,
            Self::GlanceDirect => Status::Uploading,
            Self::WebDownload | Self::GlanceDownload => Status::Queued,
            Self::Upload => Status::Saving,
        }
    }
}

/// A requested import. Its JSON is the body of the request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Asked {
    /// The body with defaults filled in, as the task shows it.
    pub body: Value,
    /// The method.
    pub method: Method,
    /// Target stores in the body.
    pub stores: Option<Vec<String>>,
    /// Every store.
    pub all_stores: bool,
    /// One store that fails makes the import fail.
    pub all_stores_must_succeed: bool,
}

impl Asked {
    /// Reads the body of the request.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the member that is wrong.
    pub fn parse(body: &Value, enabled: &[String]) -> Result<Self> {
        Self::read(body, Some(enabled))
    }

    fn read(body: &Value, enabled: Option<&[String]>) -> Result<Self> {
        let object =
            body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
        let method =
            object.get("method").ok_or_else(|| Error::invalid("Method missing in the import request."))?;
        let name = method.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| Error::invalid("The member \"name\" of \"method\" is missing."))?;
        let may = |enabled: &[String]| name != UPLOAD && enabled.iter().any(|m| m == name);
        let known = Method::parse(name).filter(|_| enabled.is_none_or(may));
        let method = known.ok_or_else(|| Error::invalid(format!("Unknown import method name {name:?}.")))?;
        let flag = |name: &str, default: bool| match object.get(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(Error::invalid(format!("{name} must be a boolean value."))),
        };
        let all_stores_must_succeed = flag("all_stores_must_succeed", true)?;
        let all_stores = flag("all_stores", false)?;
        let stores = match object.get("stores") {
            None | Some(Value::Null) => None,
            Some(list) => Some(texts(list).ok_or_else(|| Error::invalid("stores must be a list of texts."))?),
        };
        Ok(Self { body: body.clone(), method, stores, all_stores, all_stores_must_succeed })
    }

    /// The equivalent of an upload.
    pub fn upload() -> Self {
        Self {
            body: json!({ "method": { "name": UPLOAD } }),
            method: Method::Upload,
            stores: None,
            all_stores: false,
            all_stores_must_succeed: true,
        }
    }

    /// A text of the method; empty when it is absent.
    pub fn member(&self, name: &str) -> &str {
        self.body.pointer(&format!("/method/{name}")).and_then(Value::as_str).unwrap_or_default()
    }

    /// Region and interface of the source of `glance-download`.
    pub fn remote_service(&self) -> (&str, &str) {
        let interface = self.member("glance_service_interface");
        (self.member("glance_region"), if interface.is_empty() { "public" } else { interface })
    }

    /// The image to take from the source of `glance-download`.
    pub fn remote_image(&self) -> &str {
        self.member("glance_image_id")
    }

    /// The source of `web-download`.
    pub fn uri(&self) -> &str {
        self.member("uri")
    }
}

impl TryFrom<Value> for Asked {
    type Error = Error;

    /// Reads what was accepted before; the operator may have disabled its method since.
    fn try_from(body: Value) -> Result<Self> {
        Self::read(&body, None)
    }
}

impl From<Asked> for Value {
    fn from(asked: Asked) -> Self {
        asked.body
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn bodies_that_are_no_imports_are_refused() {
        let enabled = ["web-download", UPLOAD].map(str::to_owned);
        for bad in [
            json!([]),
            json!({}),
            json!({"method": null}),
            json!({"method": "web-download"}),
            json!({"method": {}}),
            json!({"method": {"name": 1}}),
            json!({"method": {"name": "glance-direct"}}),
            json!({"method": {"name": "upload"}}),
            json!({"method": {"name": "web-download"}, "all_stores": "yes"}),
            json!({"method": {"name": "web-download"}, "all_stores_must_succeed": 1}),
            json!({"method": {"name": "web-download"}, "stores": "fast"}),
        ] {
            assert!(matches!(Asked::parse(&bad, &enabled), Err(Error::Invalid(_))), "{bad}");
        }
        let body = json!({"method": {"name": "web-download", "uri": "http://x/"}, "colour": "red"});
        let asked = Asked::parse(&body, &enabled).unwrap();
        assert!(asked.all_stores_must_succeed && !asked.all_stores && asked.uri() == "http://x/");
    }
}
