//! Requests that the library does not make: long listings, unfinished uploads, creation of buckets, copies.

use http::{Method, header};
use object_store::client::{HttpRequest, HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use super::{
    address::Address,
    fault::Fault,
    line::{COPY_SOURCE, Line},
};
use crate::{
    model::time::Timestamp,
    store::{ByteRange, Listed},
};

/// What is spelled out in queries and paths.
const SPELLED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The metadata by which an object says which blob it is.
pub(super) const BLOB: &str = "vitrine-blob";
/// That metadata as a header.
const BLOB_HEADER: &str = "x-amz-meta-vitrine-blob";

/// Names, and where the listing continues.
pub(super) type Page<T> = (Vec<T>, Option<String>);

/// An upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// The name that its object is to have.
    pub(super) name: String,
    /// Its id.
    pub(super) id: String,
}

/// An object of any bucket on the server.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) etag: String,
}

/// Requests to one bucket.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    line: Line,
    address: Address,
    /// The URL of the bucket.
    url: String,
}

impl Calls {
    pub(super) fn new(line: Line, address: Address) -> Self {
        Self { line, url: address.bucket_url(), address }
    }

    fn request(
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<HttpRequest, Fault> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .header(header::CONTENT_LENGTH, body.len())
            .body(HttpRequestBody::from(body))
            .map_err(|error| Fault::Broken(error.to_string()))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, query: &str) -> Result<T, Fault> {
        // Some servers look for the bucket only with a slash after it.
        let url = format!("{}/?{query}", self.url);
        let (_, body) = self.line.ask(Self::request(Method::GET, &url, &[], String::new())?).await?;
        parsed(&body)
    }

    /// The next objects of the bucket, a thousand at most.
    pub(super) async fn objects(&self, after: Option<&str>) -> Result<Page<Listed>, Fault> {
        let mut query = "encoding-type=url&list-type=2".to_owned();
        if let Some(token) = after {
            query = format!("continuation-token={}&{query}", spelled(token));
        }
        let page: Objects = self.get(&query).await?;
        let listed = page.contents.iter().map(Object::listed).collect();
        Ok((listed, page.next.filter(|_| page.is_truncated)))
    }

    /// The next unfinished uploads, a thousand at most, of names that begin so. `after` is as the page before says.
    pub(super) async fn uploads(&self, prefix: &str, after: Option<&str>) -> Result<Page<Begun>, Fault> {
        let mut query = format!("encoding-type=url&prefix={}&uploads=", spelled(prefix));
        if let Some(place) = after {
            query = format!("{place}&{query}");
        }
        let page: Uploads = self.get(&query).await?;
        let begun = page.uploads.iter().map(|u| Begun { name: decoded(&u.key), id: u.id.clone() }).collect();
        let place = |key: &str, id: &str| {
            format!("key-marker={}&upload-id-marker={}", spelled(&decoded(key)), spelled(id))
        };
        let next = page.next_key.as_deref().filter(|_| page.is_truncated);
        Ok((begun, next.map(|key| place(key, page.next_id.as_deref().unwrap_or_default()))))
    }

    /// Every unfinished upload of this name.
    pub(super) async fn uploads_of(&self, name: &str) -> Result<Vec<Begun>, Fault> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (begun, next) = self.uploads(name, after.as_deref()).await?;
            let past_it = begun.last().is_some_and(|upload| upload.name != name);
            found.extend(begun.into_iter().filter(|upload| upload.name == name));
            after = next;
            if after.is_none() || past_it {
                return Ok(found);
            }
        }
    }

    /// Whether the bucket is there.
    pub(super) async fn has_bucket(&self) -> Result<bool, Fault> {
        let head = Self::request(Method::HEAD, &format!("{}/", self.url), &[], String::new())?;
        match self.line.ask(head).await {
            Ok(_) => Ok(true),
            Err(Fault::Refused(status, _)) if status == http::StatusCode::NOT_FOUND => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Creates the bucket, in its region unless that is where they are by default.
    pub(super) async fn create_bucket(&self) -> Result<(), Fault> {
        let region = &self.address.region;
        let body = if region == "us-east-1" {
            String::new()
        } else {
            let region = quick_xml::escape::escape(region);
            format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            )
        };
        let put = Self::request(Method::PUT, &format!("{}/", self.url), &[], body)?;
        match self.line.ask(put).await {
            // Somebody else was faster.
            Err(Fault::Refused(_, Some(code))) if code == "BucketAlreadyOwnedByYou" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// What there is of an object of any bucket on the server.
    pub(super) async fn source(&self, bucket: &str, name: &str) -> Result<Source, Fault> {
        let place = Address { bucket: bucket.to_owned(), ..self.address.clone() };
        let url = format!("{}/{}", place.bucket_url(), spelled(name));
        let (parts, _) = self.line.ask(Self::request(Method::HEAD, &url, &[], String::new())?).await?;
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let size = text(header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let (Some(size), Some(etag)) = (size, text(header::ETAG)) else {
            return Err(Fault::Broken("the answer lacks a size or a tag".to_owned()));
        };
        Ok(Source { bucket: bucket.to_owned(), name: name.to_owned(), size, etag: etag.to_owned() })
    }

    /// The time of the server.
    pub(super) async fn time(&self) -> Result<Timestamp, Fault> {
        let head = Self::request(Method::HEAD, &format!("{}/", self.url), &[], String::new())?;
        let (parts, _) = self.line.ask(head).await?;
        let date = parts.headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(Timestamp::parse_http);
        time.ok_or_else(|| Fault::Broken("the answer has no date".to_owned()))
    }

    /// Copies an object, of 5 GiB at most, to a name of this bucket, with all that it says of itself.
    pub(super) async fn copy_as_it_is(&self, source: &Source, name: &str) -> Result<(), Fault> {
        let from = source.path();
        let headers = [(COPY_SOURCE, from.as_str()), ("x-amz-copy-source-if-match", source.etag.as_str())];
        let url = format!("{}/{}", self.url, spelled(name));
        self.line.ask(Self::request(Method::PUT, &url, &headers, String::new())?).await.map(|_| ())
    }

    /// Copies an object, of 5 GiB at most, to a name of this bucket.
    pub(super) async fn copy(&self, source: &Source, name: &str, blob: &str) -> Result<(), Fault> {
        let from = source.path();
        let headers = [
            (COPY_SOURCE, from.as_str()),
            ("x-amz-copy-source-if-match", source.etag.as_str()),
            ("x-amz-metadata-directive", "REPLACE"),
            (BLOB_HEADER, blob),
        ];
        let url = format!("{}/{}", self.url, spelled(name));
        self.line.ask(Self::request(Method::PUT, &url, &headers, String::new())?).await.map(|_| ())
    }

    /// Copies a piece of an object into an upload, as the part of this number, from 1; answers the part's tag.
    pub(super) async fn copy_part(
        &self,
        source: &Source,
        piece: ByteRange,
        to: &Begun,
        number: usize,
    ) -> Result<String, Fault> {
        let from = source.path();
        let range = format!("bytes={}-{}", piece.first, piece.last);
        let headers = [
            (COPY_SOURCE, from.as_str()),
            ("x-amz-copy-source-if-match", source.etag.as_str()),
            ("x-amz-copy-source-range", range.as_str()),
        ];
        let (name, id) = (spelled(&to.name), spelled(&to.id));
        let url = format!("{}/{name}?partNumber={number}&uploadId={id}", self.url);
        let (_, body) = self.line.ask(Self::request(Method::PUT, &url, &headers, String::new())?).await?;
        let copied: Copied = parsed(&body)?;
        Ok(copied.etag)
    }
}

impl Source {
    fn path(&self) -> String {
        format!("/{}/{}", self.bucket, spelled(&self.name))
    }
}

fn spelled(text: &str) -> String {
    utf8_percent_encode(text, SPELLED).to_string()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    quick_xml::de::from_reader(body).map_err(|_| Fault::Broken("the answer is not understood".to_owned()))
}

#[derive(Deserialize)]
struct Objects {
    #[serde(rename = "Contents", default)]
    contents: Vec<Object>,
    #[serde(rename = "IsTruncated", default)]
    is_truncated: bool,
    #[serde(rename = "NextContinuationToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Size")]
    size: Option<u64>,
    #[serde(rename = "LastModified")]
    modified: Option<String>,
}

impl Object {
    fn listed(&self) -> Listed {
        let modified = self.modified.as_deref().and_then(Timestamp::parse_iso);
        Listed { size: self.size, modified, ..Listed::of(decoded(&self.key), false) }
    }
}

#[derive(Deserialize)]
struct Uploads {
    #[serde(rename = "Upload", default)]
    uploads: Vec<Upload>,
    #[serde(rename = "IsTruncated", default)]
    is_truncated: bool,
    #[serde(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[serde(rename = "NextUploadIdMarker")]
    next_id: Option<String>,
}

#[derive(Deserialize)]
struct Upload {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "UploadId")]
    id: String,
}

#[derive(Deserialize)]
struct Copied {
    #[serde(rename = "ETag")]
    etag: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that listings of servers are read, with names that are spelled out, and without any.
    #[test]
    fn listings_are_read() {
        let page = b"<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Name>b</Name><IsTruncated>true</IsTruncated>\
            <Contents><Key>a%2Fb</Key><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents><Contents><Key>c</Key></Contents>\
            <NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
        let page: Objects = parsed(page).unwrap();
        let listed: Vec<_> = page.contents.iter().map(Object::listed).collect();
        let modified = Timestamp::parse_iso("2026-01-02T03:04:05Z");
        assert!(modified.is_some());
        let first = Listed { size: Some(1), modified, ..Listed::of("a/b".to_owned(), false) };
        assert_eq!(
            (listed, page.next.as_deref(), page.is_truncated),
            (vec![first, Listed::of("c".to_owned(), false)], Some("t"), true)
        );
        let empty: Uploads =
            parsed(b"<ListMultipartUploadsResult><Bucket>b</Bucket></ListMultipartUploadsResult>").unwrap();
        assert!(empty.uploads.is_empty() && !empty.is_truncated);
        assert!(parsed::<Objects>(b"<html>").is_err());
    }
}
