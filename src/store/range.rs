//! Cuts a range from the stream of a whole blob, for stores and servers without ranges.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, future::ready};

use super::{ByteRange, StoreResult};

/// Only the bytes of `range` of a stream that begins at 0.
pub(super) fn cut(
    chunks: impl Stream<Item = StoreResult<Bytes>> + Send + 'static,
    range: ByteRange,
) -> impl Stream<Item = StoreResult<Bytes>> + Send {
    let mut at = 0_u64;
    let cut = chunks.map(move |chunk| {
        let mut chunk = chunk?;
        let begins = at;
        at = at.saturating_add(chunk.len() as u64);
        let skip = usize::try_from(range.first.saturating_sub(begins)).unwrap_or(usize::MAX).min(chunk.len());
        let ends = range.last.saturating_add(1).saturating_sub(begins);
        let keep = usize::try_from(ends).unwrap_or(usize::MAX).min(chunk.len());
        chunk.truncate(keep);
        Ok((at > range.last, if skip < chunk.len() { chunk.split_off(skip) } else { Bytes::new() }))
    });
    let mut finished = false;
    cut.take_while(move |item: &StoreResult<(bool, Bytes)>| {
        let go_on = !finished;
        finished = item.as_ref().is_ok_and(|(last, _)| *last);
        ready(go_on)
    })
    .map_ok(|(_, chunk)| chunk)
    .try_filter(|chunk| ready(!chunk.is_empty()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that whatever the sizes of the chunks, exactly the bytes of the range come out.
    #[tokio::test]
    async fn a_range_is_cut_from_a_whole_stream() {
        let whole = b"0123456789abcdef";
        for size in 1..7 {
            for (first, last) in [(0, 0), (0, 15), (3, 9), (15, 15), (6, 30)] {
                let chunks: Vec<_> = whole.chunks(size).map(|c| Ok(Bytes::from_static(c))).collect();
                let got: Vec<Bytes> = cut(futures::stream::iter(chunks), ByteRange { first, last })
                    .try_collect()
                    .await
                    .unwrap();
                let want = &whole[first as usize..=(last as usize).min(15)];
                assert_eq!(got.concat(), want, "{first}-{last} by {size}");
            }
        }
    }
}
