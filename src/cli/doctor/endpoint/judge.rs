//! What the answers on the way to the service mean.

use std::time::Duration;

use crate::{cli::doctor::finding::Finding, outbound::Url};

/// Nobody answers at the endpoint.
pub fn unreachable(base: &str, why: &str) -> Finding {
    if why.to_lowercase().contains("certificate") {
        return Finding::failure(
            "endpoint-certificate",
            format!("the certificate at {base} is not accepted: {why}"),
            "Name its authority with --os-cacert. If clients should trust it by themselves, see whether the proxy sends the \
             whole chain, and whether the certificate names the host of the endpoint and has not expired.",
        );
    }
    Finding::failure(
        "endpoint-unreachable",
        format!("nobody answers at {base}: {why}"),
        "See whether the proxy runs and its name leads to it, and what a firewall lets through. With --endpoint you can try \
         the server itself, without proxies.",
    )
}

/// Something answers that is no image service.
pub fn not_ours(base: &str, status: u16) -> Finding {
    let remedy = match status {
        502..=504 => {
            "The proxy does not reach the server: see whether that runs, and whether the proxy has the right address and \
             port of it."
        }
        _ => "See where the proxy leads this path; all paths below the endpoint belong to the service.",
    };
    let what = format!("what answers at {base}/versions is no image service (status {status})");
    Finding::failure("endpoint-not-ours", what, remedy)
}

/// A link of the service that leads neither to where clients have reached it nor to the public endpoint of its
/// configuration; `place` is where it stands.
pub fn links(base: &str, public: Option<&str>, link: &str, place: &str) -> Option<Finding> {
    if is_below(base, link) || public.is_some_and(|public| is_below(public, link)) {
        return None;
    }
    let by_hand = format!("or set [DEFAULT] public_endpoint = {base}");
    let remedy = match (Url::parse(base), Url::parse(link)) {
        (Ok(wanted), Ok(found)) if found.scheme() != wanted.scheme() => format!(
            "Have the proxy say what clients speak (X-Forwarded-Proto), with [oslo_middleware] enable_proxy_headers_parsing \
             = true, {by_hand}."
        ),
        (Ok(wanted), Ok(found)) if authority(&found) != authority(&wanted) => format!(
            "Have the proxy pass on the host that clients name (nginx: proxy_set_header Host $http_host), {by_hand}."
        ),
        _ => format!("Have the proxy say below which path it serves (X-Forwarded-Prefix), {by_hand}."),
    };
    // A client that begins with the document of versions goes on where that leads.
    Some(Finding::failure(
        "links-wrong",
        format!("{place} leads clients to {link}, and they came to {base}"),
        remedy,
    ))
}

/// Whether a URL is that of a base or below it, however host and port are written.
fn is_below(base: &str, link: &str) -> bool {
    let (Ok(base), Ok(link)) = (Url::parse(base), Url::parse(link)) else { return false };
    let rest = link.path().strip_prefix(base.path().trim_end_matches('/'));
    base.scheme() == link.scheme()
        && authority(&base) == authority(&link)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Host and port.
fn authority(url: &Url) -> Option<(String, Option<u16>)> {
    Some((url.host_str()?.to_owned(), url.port_or_known_default()))
}

/// The answer to an upload.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Whether it is the service's own: it names the request.
    pub is_ours: bool,
    /// Its words.
    pub words: String,
    /// How long after the beginning of the upload it came.
    pub took: Duration,
    /// Bytes that had been sent by then.
    pub sent: u64,
}

/// What an answer to an upload means; nothing if it is the right one.
pub fn upload(answer: &Answer) -> Option<Finding> {
    let Answer { status, is_ours, words, took, sent } = answer;
    if *status == 204 {
        return None;
    }
    let after = format!("after {:.1} s and {:.1} MiB", took.as_secs_f64(), mib(*sent));
    if *is_ours {
        return Some(Finding::failure(
            "upload-refused",
            format!("the service refused the trial upload with {status}, {after}: {words}"),
            "That is no proxy: see the quota and the rights of this user, and the log of the server.",
        ));
    }
    Some(match status {
        413 => Finding::failure(
            "body-limit",
            format!("a proxy refuses large uploads (413 {after})"),
            "nginx: client_max_body_size 0. Apache: LimitRequestBody 0. Kubernetes' ingress: the annotation \
             nginx.ingress.kubernetes.io/proxy-body-size: \"0\".",
        ),
        411 => Finding::failure(
            "length-required",
            format!(
                "a proxy refuses uploads of unknown length (411 {after}), as `openstack image create` sends them"
            ),
            "Have it speak HTTP/1.1 in both directions and pass on Transfer-Encoding: chunked.",
        ),
        408 => Finding::failure(
            "proxy-timeout",
            format!("a proxy does not wait for slow uploads (408 {after})"),
            "nginx: client_body_timeout. HAProxy: timeout client, and timeout http-request without `option \
             http-buffer-request`. Give it minutes.",
        ),
        504 => Finding::failure(
            "proxy-timeout",
            format!("a proxy does not wait for the answer to an upload (504 {after})"),
            "nginx: proxy_read_timeout and proxy_send_timeout. HAProxy: timeout server. Apache: ProxyTimeout. Give it 15 \
             minutes.",
        ),
        _ => Finding::failure(
            "proxy-error",
            format!("a proxy answered the trial upload with {status}, {after}: {words}"),
            "See the log of the proxy.",
        ),
    })
}

/// An upload that was cut while it stood still.
pub fn impatient(why: &str, took: Duration) -> Finding {
    Finding::failure(
        "proxy-timeout",
        format!(
            "the connection was cut when the upload had stood still for {:.1} s: {why}",
            took.as_secs_f64()
        ),
        "nginx: client_body_timeout. HAProxy: timeout client. The server itself waits for [DEFAULT] client_socket_timeout.",
    )
}

/// An upload that has had no answer.
pub fn cut(why: &str, sent: u64, took: Duration) -> Finding {
    Finding::failure(
        "upload-broken",
        format!(
            "the trial upload broke off after {:.1} s and {:.1} MiB: {why}",
            took.as_secs_f64(),
            mib(sent)
        ),
        "See the logs of proxy and server at this time. A proxy that hangs up after the same time again has a time-out \
         (nginx: client_body_timeout, proxy_send_timeout; HAProxy: timeout client, timeout server); after the same amount, \
         a limit (client_max_body_size).",
    )
}

/// A proxy that keeps the body of a request until it has all of it.
pub fn buffering() -> Finding {
    Finding::warning(
        "proxy-buffers",
        "a proxy keeps whole uploads before it passes them on",
        "Each takes room on the proxy's disk and twice the time, and may run into time-outs. nginx: proxy_request_buffering \
         off, with proxy_http_version 1.1. HAProxy: no `option http-buffer-request`.",
    )
}

/// A header that the service sends, and that has not arrived.
pub fn dropped(header: &str) -> Finding {
    Finding::warning(
        "header-dropped",
        format!("a proxy removes the header {header} from answers"),
        "Have it pass on all headers: clients check data and resume downloads by them.",
    )
}

/// The answer to a request for a part of an image.
pub fn range(status: u16, header: Option<&str>, wanted: &str) -> Option<Finding> {
    match (status, header) {
        (206, Some(found)) if found == wanted => None,
        (206, None) => Some(dropped("Content-Range")),
        _ => Some(Finding::warning(
            "range-ignored",
            format!("a proxy does not pass on requests for parts of an image (status {status})"),
            "nginx: no proxy_force_ranges and no proxy_set_header Range, and no cache for this location.",
        )),
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Proves which links are wrong, and that the remedy is for what is wrong about them.
    #[test]
    fn links_are_judged() {
        let base = "https://cloud.example/image";
        let remedy = |link| links(base, None, link, "it").map(|finding| finding.remedy).unwrap_or_default();
        for link in [
            "https://cloud.example/image/v2/",
            "https://cloud.example/image",
            "https://CLOUD.example:443/image/v2/",
        ] {
            assert_eq!(remedy(link), "", "{link}");
        }
        let bare = |base, link| links(base, None, link, "it").map_or("", |finding| finding.id);
        assert_eq!(bare("http://Cloud.Example:80", "http://cloud.example/v2/"), "");
        assert_eq!(bare("http://cloud.example", "http://cloud.example:443/v2/"), "links-wrong");
        let direct = "https://10.0.0.1:9292";
        let of_public = |link| links(direct, Some(base), link, "it").map_or("", |finding| finding.id);
        assert_eq!(of_public("https://cloud.example/image/v2/"), "");
        assert_eq!(of_public("https://10.0.0.1:9292/v2/"), "");
        assert_eq!(of_public("https://cloud.example/v2/"), "links-wrong");
        for (link, word) in [
            ("http://cloud.example/image/v2/", "X-Forwarded-Proto"),
            ("https://10.0.0.1:9292/image/v2/", "$http_host"),
            ("https://cloud.example:9292/image/v2/", "$http_host"),
            ("https://cloud.example/v2/", "X-Forwarded-Prefix"),
            ("https://cloud.example/images/v2/", "X-Forwarded-Prefix"),
        ] {
            assert!(remedy(link).contains(word), "{link}: {}", remedy(link));
            assert!(remedy(link).contains(&format!("public_endpoint = {base}")), "{link}");
        }
    }

    /// Proves that a proxy's refusals are told apart, and from the service's own.
    #[test]
    fn answers_are_judged() {
        let answer = |status, is_ours| {
            let answer = Answer {
                status,
                is_ours,
                words: "W".to_owned(),
                took: Duration::from_secs(60),
                sent: 1 << 20,
            };
            upload(&answer)
        };
        for (status, is_ours, id) in [
            (413, false, "body-limit"),
            (411, false, "length-required"),
            (408, false, "proxy-timeout"),
            (504, false, "proxy-timeout"),
            (502, false, "proxy-error"),
            (413, true, "upload-refused"),
            (408, true, "upload-refused"),
        ] {
            assert_eq!(answer(status, is_ours).unwrap().id, id, "{status}");
        }
        assert_eq!(answer(204, true), None);
        let late = answer(504, false).unwrap();
        assert!(late.what.contains("60.0 s") && late.remedy.contains("proxy_read_timeout"), "{late:?}");
    }

    /// Proves what is said of parts, and of an endpoint at which nobody or somebody else answers.
    #[test]
    fn ends_are_judged() {
        let id = |status, header| range(status, header, "bytes 0-1/9").map_or("", |finding| finding.id);
        assert_eq!(id(206, Some("bytes 0-1/9")), "");
        assert_eq!(id(206, None), "header-dropped");
        assert_eq!(id(206, Some("bytes 0-2/9")), "range-ignored");
        assert_eq!(id(200, None), "range-ignored");
        assert_eq!(unreachable("u", "Connection refused").id, "endpoint-unreachable");
        assert_eq!(unreachable("u", "the Certificate has expired").id, "endpoint-certificate");
        assert!(not_ours("u", 502).remedy.contains("does not reach"));
    }
}
