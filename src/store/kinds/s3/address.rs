//! The address of a store: its server, region and bucket, and the URLs of its objects in Glance's form.

use crate::store::{StoreError, StoreErrorKind, StoreResult, StoreUrl, backend::Options, yard::ASIDE};

/// The schemes of these URLs.
pub const SCHEMES: [&str; 3] = ["s3", "s3+http", "s3+https"];

/// The object that says whose a bucket is.
pub(super) const MARK: &str = ".store-id";

/// The position of the bucket in request URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `https://host/bucket/object`
    Path,
    /// `https://bucket.host/object`
    Virtual,
}

/// A bucket on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether the server is spoken to by TLS.
    pub tls: bool,
    /// Host, port and whatever path comes before the bucket, without slashes around them.
    pub host: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Its state.
    pub style: Style,
}

impl Address {
    /// Reads `s3_store_host` and what goes with it.
    ///
    /// # Errors
    /// The option that cannot be used, and why.
    pub fn new(host: &str, region: &str, bucket: &str, style: &str) -> Result<Self, (usize, String)> {
        let (tls, rest) = match host.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => return Err((0, format!("`{scheme}` is neither http nor https"))),
            None => (false, host),
        };
        let place = rest.trim_matches('/');
        let name = place.split(['/', ':']).next().unwrap_or_default();
        if name.is_empty() || place.contains(['@', '?', '#']) || place.contains(char::is_whitespace) {
            return Err((0, "it names no host".to_owned()));
        }
        if bucket.is_empty() || bucket.contains(['/', '?', '#', '@']) || bucket.contains(char::is_whitespace)
        {
            return Err((2, "it is no name of a bucket".to_owned()));
        }
        let of_amazon = amazon_region(name);
        let style = match style {
            "path" => Style::Path,
            "virtual" if is_dns_name(bucket) => Style::Virtual,
            "virtual" => return Err((3, format!("bucket `{bucket}` is no DNS name, as `virtual` needs it"))),
            // Amazon's own hosts are served by bucket where nothing else is said, others by path: as boto does it.
            "auto" if of_amazon.is_some() && region.is_empty() && is_dns_name(bucket) => Style::Virtual,
            "auto" => Style::Path,
            other => return Err((3, format!("`{other}` is neither auto nor virtual nor path"))),
        };
        let region = match region {
            "" => of_amazon.unwrap_or("us-east-1"),
            given => given,
        };
        Ok(Self { tls, host: place.to_owned(), region: region.to_owned(), bucket: bucket.to_owned(), style })
    }

    /// The URL of the bucket for requests, without a slash at its end.
    pub fn bucket_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match self.style {
            Style::Path => format!("{scheme}://{}/{}", self.host, self.bucket),
            Style::Virtual => format!("{scheme}://{}.{}", self.bucket, self.host),
        }
    }

    /// The prefixes of object URLs, by scheme; the first is the one that is written.
    pub fn prefixes(&self) -> Vec<String> {
        let written = if self.tls { "s3+https" } else { "s3" };
        let others = SCHEMES.iter().filter(|scheme| **scheme != written);
        let all = std::iter::once(&written).chain(others);
        all.map(|scheme| format!("{scheme}://{}/{}/", self.host, self.bucket)).collect()
    }

    /// The URL of an object as locations have it: without keys.
    pub fn url_of(&self, name: &str) -> StoreUrl {
        let prefix = self.prefixes().into_iter().next().unwrap_or_default();
        StoreUrl::new(format!("{prefix}{name}"))
    }

    /// The bucket and the name of an object on this server.
    ///
    /// # Errors
    /// [`StoreErrorKind::BadUrl`] for what is none.
    pub fn object_at<'a>(&self, url: &'a StoreUrl) -> StoreResult<(&'a str, &'a str)> {
        let bad = || StoreError::new(StoreErrorKind::BadUrl, url.to_string(), "not a URL of this server");
        let (scheme, rest) = url.full().split_once("://").ok_or_else(bad)?;
        // Keys of Amazon's may hold slashes.
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let object =
            place.strip_prefix(&self.host).and_then(|path| path.strip_prefix('/')).ok_or_else(bad)?;
        let (bucket, name) = object.split_once('/').ok_or_else(bad)?;
        if !SCHEMES.contains(&scheme) || !is_name(name) {
            return Err(bad());
        }
        Ok((bucket, name))
    }

    /// The name of an object of this bucket.
    ///
    /// # Errors
    /// [`StoreErrorKind::BadUrl`] for what is none.
    pub fn name_at<'a>(&self, url: &'a StoreUrl) -> StoreResult<&'a str> {
        match self.object_at(url)? {
            (bucket, name) if bucket == self.bucket => Ok(name),
            _ => Err(StoreError::new(StoreErrorKind::BadUrl, url.to_string(), "not in this store's bucket")),
        }
    }
}

/// Reads an address from the options of these names, unless it lacks its host or its bucket; a value that cannot be used
/// is refused.
pub(super) fn read(options: &mut dyn Options, names: [&str; 4]) -> Option<Address> {
    let [host, region, bucket, style] = names.map(|name| options.text(name).unwrap_or_default());
    if host.is_empty() || bucket.is_empty() {
        return None;
    }
    match Address::new(&host, &region, &bucket, &style) {
        Ok(address) => Some(address),
        Err((which, reason)) => {
            options.refuse(names.get(which).copied().unwrap_or_default(), reason);
            None
        }
    }
}

/// Whether a name is one that blobs may have here: no folder, nothing hidden.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Whether a name is of an object that is none of the blobs: the mark of the bucket, and what lies out of the way.
pub(super) fn is_hidden(name: &str) -> bool {
    name == MARK || name.strip_prefix(ASIDE).is_some_and(is_name)
}

/// The region in the name of a host of Amazon's (`s3.eu-west-1.amazonaws.com`, of old `s3-eu-west-1.…`).
fn amazon_region(host: &str) -> Option<&str> {
    let place = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?;
    let place = place.strip_prefix("s3.dualstack.").or_else(|| place.strip_prefix("s3"))?;
    match place.trim_start_matches(['.', '-']) {
        "" | "external-1" => Some("us-east-1"),
        region => Some(region),
    }
}

/// Whether a bucket can be the first part of a host name.
fn is_dns_name(bucket: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(plain)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that hosts, regions and styles are understood as glance_store and boto do, and where requests go.
    #[test]
    fn hosts_are_understood() {
        for (host, region, style, url, signed_for) in [
            ("cloud:7480", "", "auto", "http://cloud:7480/images", "us-east-1"),
            ("http://cloud/", "north", "path", "http://cloud/images", "north"),
            ("https://cloud/s3/", "", "auto", "https://cloud/s3/images", "us-east-1"),
            ("https://cloud", "", "virtual", "https://images.cloud", "us-east-1"),
            (
                "https://s3.eu-west-1.amazonaws.com",
                "",
                "auto",
                "https://images.s3.eu-west-1.amazonaws.com",
                "eu-west-1",
            ),
            (
                "https://s3-eu-west-1.amazonaws.com",
                "",
                "path",
                "https://s3-eu-west-1.amazonaws.com/images",
                "eu-west-1",
            ),
            ("https://s3.amazonaws.com", "", "auto", "https://images.s3.amazonaws.com", "us-east-1"),
            ("https://s3.amazonaws.com", "eu-west-3", "auto", "https://s3.amazonaws.com/images", "eu-west-3"),
        ] {
            let address = Address::new(host, region, "images", style).unwrap();
            assert_eq!((address.bucket_url().as_str(), address.region.as_str()), (url, signed_for), "{host}");
        }
        for (host, bucket, style, at_fault) in [
            ("", "b", "auto", 0),
            ("ftp://cloud", "b", "auto", 0),
            ("key@cloud", "b", "auto", 0),
            ("cloud", "", "auto", 2),
            ("cloud", "a/b", "auto", 2),
            ("cloud", "Not_DNS", "virtual", 3),
            ("cloud", "b", "subdomain", 3),
        ] {
            assert_eq!(
                Address::new(host, "", bucket, style).unwrap_err().0,
                at_fault,
                "{host} {bucket} {style}"
            );
        }
    }

    /// Proves that URLs of Glance's are read, with keys of any sort and without, that ours have none, and that the
    /// objects of other servers and buckets are not taken for ours.
    #[test]
    fn urls_with_and_without_keys_are_read() {
        let plain = Address::new("http://cloud:7480", "", "images", "auto").unwrap();
        let tls = Address::new("https://cloud:7480", "", "images", "auto").unwrap();
        assert_eq!(plain.url_of("1").full(), "s3://cloud:7480/images/1");
        assert_eq!(tls.url_of("1").full(), "s3+https://cloud:7480/images/1");
        for url in [
            "s3://cloud:7480/images/1",
            "s3+http://k:s@cloud:7480/images/1",
            "s3+https://k:s/e+c@r@cloud:7480/images/1",
        ] {
            assert_eq!(plain.name_at(&StoreUrl::new(url)).unwrap(), "1", "{url}");
        }
        for url in [
            "s3://cloud/images/1",
            "s3://cloud:7480/others/1",
            "s3://cloud:7480/images/",
            "s3://cloud:7480/images/a/b",
            "s3://cloud:7480/images/.hidden",
            "s3://k:s@evil/images/1@cloud:74801/images/1",
            "swift://cloud:7480/images/1",
            "cloud:7480/images/1",
        ] {
            let error = plain.name_at(&StoreUrl::new(url)).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::BadUrl, "{url}");
        }
    }
}
