//! Base64 as Python's `base64.b64decode` reads it, with which signatures are read in Glance: what is not of the alphabet
//! is passed over, as line breaks are, and nothing is read after the padding.

/// The bytes of a text; `None` if it ends in the middle of one.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut kept, mut digits, mut pads) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0, 0);
    for character in text.bytes() {
        if character == b'=' {
            pads += 1;
            if digits >= 2 && digits + pads >= 4 {
                return Some(bytes);
            }
            continue;
        }
        let Some(value) = value(character) else { continue };
        pads = 0;
        kept = kept << 6 | value;
        digits += 1;
        // Each digit but the first of four completes a byte.
        let rest = match digits {
            1 => continue,
            2 => 4,
            3 => 2,
            _ => 0,
        };
        bytes.push(u8::try_from(kept >> rest & 0xff).unwrap_or_default());
        digits %= 4;
    }
    (digits == 0).then_some(bytes)
}

fn value(character: u8) -> Option<u32> {
    Some(u32::from(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use ::base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    /// Proves that every length comes back, with and without line breaks.
    #[test]
    fn what_was_written_is_read() {
        for length in 0..100_u8 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            let text = STANDARD.encode(&bytes);
            assert_eq!(decode(&text).unwrap(), bytes);
            let broken: String = text.chars().flat_map(|letter| [letter, '\n']).collect();
            assert_eq!(decode(&broken).unwrap(), bytes);
        }
    }

    /// Proves what Python answers to texts that are not what they should be: each pair was tried with `b64decode`.
    #[test]
    fn odd_texts_are_read_as_python_reads_them() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("=", Some(b"")),
            ("!!!", Some(b"")),
            ("YQ==YQ==", Some(b"a")),
            ("Y=Q==", Some(b"a")),
            ("Y", None),
            ("YQ", None),
            ("YQ=", None),
            ("YWI", None),
            ("YWJj=", Some(b"abc")),
            ("YWJjY", None),
        ] {
            assert_eq!(decode(text).as_deref(), bytes, "{text:?}");
        }
    }
}
