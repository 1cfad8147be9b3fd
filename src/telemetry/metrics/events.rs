//! Single things that happen.

use std::borrow::Cow;

use super::catalogue::{Book, Counters, Gauges};

/// Counts of them.
pub(super) struct Events {
    refused: Counters,
    verification_failures: Counters,
    cache: Counters,
    tokens: Counters,
    tokens_shared: Counters,
    notices: Counters,
    notices_waiting: Gauges,
    spans: Counters,
}

fn hit(found: bool) -> Cow<'static, str> {
    if found { "hit" } else { "miss" }.into()
}

impl Events {
    pub(super) fn new(book: &mut Book) -> Self {
        Self {
            refused: book.counters("refused", &["limit"], "Requests that a limit refused"),
            verification_failures: book.counters(
                "verification_failures",
                &["store", "what"],
                "Downloads that broke off because the data was not the image's",
            ),
            cache: book.counters(
                "cache_lookups",
                &["result"],
                "Downloads that looked for a copy in the image cache: hit or miss",
            ),
            tokens: book.counters(
                "token_cache_lookups",
                &["result"],
                "Tokens of a Keystone that were looked up in the cache: hit or miss",
            ),
            tokens_shared: book.counters(
                "token_memcached_calls",
                &["call", "outcome"],
                "Calls of memcached about tokens: get or set, and what became of them",
            ),
            notices: book.counters(
                "notifications",
                &["reader", "outcome"],
                "Events for the message bus or the audit log, by outcome",
            ),
            notices_waiting: book.gauges(
                "notifications_waiting",
                &["reader"],
                "Events that wait for the message bus or the audit log",
            ),
            spans: book.counters(
                "trace_spans",
                &["outcome"],
                "Spans of traces: sent, dropped because too many waited, or lost because the collector did not take them",
            ),
        }
    }

    pub(super) fn refused(&self, limit: &'static str) {
        self.refused.get_or_create(&vec![("limit", limit.into())]).inc();
    }

    pub(super) fn cache_looked_up(&self, found: bool) {
        self.cache.get_or_create(&vec![("result", hit(found))]).inc();
    }

    pub(super) fn token_looked_up(&self, found: bool) {
        self.tokens.get_or_create(&vec![("result", hit(found))]).inc();
    }

    pub(super) fn token_shared(&self, call: &'static str, outcome: &'static str) {
        self.tokens_shared.get_or_create(&vec![("call", call.into()), ("outcome", outcome.into())]).inc();
    }

    pub(super) fn notices(&self, reader: &'static str, outcome: &'static str, events: usize) {
        let labels = vec![("reader", reader.into()), ("outcome", outcome.into())];
        self.notices.get_or_create(&labels).inc_by(u64::try_from(events).unwrap_or(u64::MAX));
    }

    pub(super) fn notices_waiting(&self, reader: &'static str, events: i64) {
        self.notices_waiting.get_or_create(&vec![("reader", reader.into())]).set(events);
    }

    pub(super) fn spans(&self, outcome: &'static str, count: usize) {
        let counter = self.spans.get_or_create_owned(&vec![("outcome", outcome.into())]);
        counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(super) fn verification_failed(&self, store: &str, what: &'static str) {
        let labels = vec![("store", Cow::Owned(store.to_owned())), ("what", what.into())];
        self.verification_failures.get_or_create(&labels).inc();
    }
}
