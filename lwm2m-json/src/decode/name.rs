//! Base Name and Name, read as one text (TS 6.4.4).

use alloc::string::String;

use lwm2m_core::{Path, PathError};

use crate::reader::Text;

/// A path that is parsed character by character, so that two texts need not be joined: `/3/0/1` and
/// `6` are `/3/0/16`.
///
/// It may begin with an alternate path, whose segments are no numbers, so that they can't be taken for
/// identifiers (TS 8.2.2). What it is doesn't matter: the identifiers say what is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// The identifiers of the finished segments, 16 bits each, the last one lowest.
    ids: u64,
    /// How many segments have begun.
    slashes: u8,
    /// The identifier of the last segment so far.
    last: Option<u16>,
    /// Whether it can still become a path.
    valid: bool,
    /// Whether it is within a segment of an alternate path.
    within_root: bool,
}

impl Name {
    /// No text yet.
    pub(super) const EMPTY: Self = Self {
        ids: 0,
        slashes: 0,
        last: None,
        valid: true,
        within_root: false,
    };

    /// The name with more text after it.
    #[inline(always)]
    pub(super) fn followed_by(mut self, text: Text<'_>) -> Self {
        if text.escaped {
            // No character outside of ASCII is part of a path, and neither is 0xFF.
            text.chars()
                .for_each(|char| self.push(u8::try_from(char).unwrap_or(0xFF)));
        } else {
            text.raw.bytes().for_each(|byte| self.push(byte));
        }
        self
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        let digit = u16::from(byte.wrapping_sub(b'0'));
        match (byte, self.last) {
            (b'/', None) if self.within_root => self.within_root = false,
            (_, None) if self.within_root => {}
            (b'/', None) if self.slashes == 0 => self.slashes = 1,
            (b'/', Some(id)) if self.slashes < 4 => {
                self.ids = self.ids << 16 | u64::from(id);
                self.slashes = self.slashes.saturating_add(1);
                self.last = None;
            }
            (b'0'..=b'9', None) if self.slashes != 0 => self.last = Some(digit),
            // Each number has one spelling: nothing follows a zero.
            (b'0'..=b'9', Some(id @ 1..)) => {
                self.last = id.checked_mul(10).and_then(|id| id.checked_add(digit));
                self.valid &= self.last.is_some();
            }
            (b'0'..=b'9' | b'/', _) => self.valid = false,
            // Before the first identifier.
            _ if self.slashes == 1 => {
                self.last = None;
                self.within_root = true;
            }
            _ => self.valid = false,
        }
    }

    /// The path, if the whole text is one.
    #[inline(always)]
    pub(super) fn path(self) -> Option<Path> {
        match (self.valid && !self.within_root, self.slashes, self.last) {
            (true, 1, None) => Some(Path::Root),
            (true, slashes, Some(last)) => path_of(self.ids << 16 | u64::from(last), slashes),
            _ => None,
        }
    }

    /// The path that contains all names beginning with this text: the path of the text without a slash
    /// at its end.
    pub(super) fn place(self) -> Option<Path> {
        match (self.valid, self.slashes, self.last) {
            (true, 0, None) => Some(Path::Root),
            (true, 1, None) if self.within_root => Some(Path::Root),
            (true, slashes @ 2.., None) => path_of(self.ids, slashes.saturating_sub(1)),
            _ => self.path(),
        }
    }
}

/// The path of so many identifiers, 16 bits each, the last one lowest.
#[inline(always)]
fn path_of(ids: u64, count: u8) -> Option<Path> {
    let ids = [ids >> 48, ids >> 32, ids >> 16, ids].map(low_16_bits);
    let unused = ids.len().saturating_sub(usize::from(count));
    Path::of(ids.get(unused..)?)
}

fn low_16_bits(word: u64) -> u16 {
    let [.., high, low] = word.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Why Base Name and Name aren't a path.
#[cold]
pub(super) fn reason(prefix: Option<Text<'_>>, name: Option<Text<'_>>) -> PathError {
    let texts = [prefix, name].into_iter().flatten();
    let joined: String = texts.flat_map(Text::chars).collect();
    let path: Result<Path, PathError> = joined.parse();
    path.err().unwrap_or(PathError::NotAbsolute)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn read(prefix: &str, name: &str) -> Result<Path, PathError> {
        let [prefix, name] = [prefix, name].map(|raw| Text {
            raw,
            escaped: false,
        });
        let path = Name::EMPTY.followed_by(prefix).followed_by(name).path();
        path.ok_or_else(|| reason(Some(prefix), Some(name)))
    }

    #[test]
    fn prefix_and_name_are_one_text() {
        for (prefix, name, path) in [
            ("/3/0/", "6/0", "/3/0/6/0"),
            ("/3/0/1", "6", "/3/0/16"),
            ("/3/0", "/1", "/3/0/1"),
            ("", "/3/0/1", "/3/0/1"),
            ("/", "65/0/0/0", "/65/0/0/0"),
            ("/3/0/0", "", "/3/0/0"),
            ("/6553", "5/65534/65535/65535", "/65535/65534/65535/65535"),
        ] {
            assert_eq!(read(prefix, name), path.parse(), "{prefix} {name}");
        }
        assert!(read("/3/0", "0").is_err(), "/3/00");
    }

    #[test]
    fn a_prefix_names_the_place_of_what_follows_it() {
        let place = |raw: &str| {
            let escaped = false;
            Name::EMPTY.followed_by(Text { raw, escaped }).place()
        };
        for text in [
            "/",
            "/3",
            "/3/0",
            "/3/0/7",
            "/65535/65534/65535",
            "/65535/65534/65535/65535",
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(place(text), Some(path));
            if (1..4).contains(&path.depth()) {
                assert_eq!(place(&(String::from(text) + "/")), Some(path));
            }
        }
        assert_eq!(place(""), Some(Path::Root));
        for text in [
            "3",
            "3/",
            "//",
            "/3//",
            "/03/",
            "/3/65535/",
            "/3/0/7/1/",
            "/3/x/",
            "/3/0/ ",
        ] {
            assert_eq!(place(text), None, "{text}");
        }
    }

    /// TS 8.2.2: none of its segments is a number.
    #[test]
    fn an_alternate_path_may_stand_before_the_identifiers() {
        for (prefix, name, path) in [
            ("/lwm2m/3/0/", "1", "/3/0/1"),
            ("/lwm2m", "/3/0/1", "/3/0/1"),
            ("", "/devices/2nd/3/0/1/0", "/3/0/1/0"),
            ("/a/", "3/0", "/3/0"),
        ] {
            assert_eq!(read(prefix, name), path.parse(), "{prefix} {name}");
        }
        for (prefix, name) in [
            ("/lwm2m", ""),
            ("lwm2m", "/3/0/1"),
            ("/lwm2m//", "3/0/1"),
            ("/3/lwm2m/", "0/1"),
            ("/3/0/", "1a"),
            ("/00a/", "3/0/1"),
        ] {
            assert!(read(prefix, name).is_err(), "{prefix} {name}");
        }
    }

    /// The text without the segments that make up an alternate path.
    fn below_root(mut text: &str) -> &str {
        while let Some((segment, _)) = text.strip_prefix('/').and_then(|text| text.split_once('/'))
        {
            let digits = segment.split('a').next().unwrap_or_default();
            let number = digits.parse::<u16>().map(|number| number.to_string());
            if digits.len() == segment.len() || !digits.is_empty() && number != Ok(digits.into()) {
                break;
            }
            text = &text[1 + segment.len()..];
        }
        text
    }

    proptest! {
        /// Below an alternate path it agrees with `Path`'s own parser.
        #[test]
        fn it_reads_what_a_path_reads(text in "[/0-9a]{0,12}|(/[0-9]{1,6}){0,5}", cut in 0usize..12) {
            let (prefix, name) = text.split_at(cut.min(text.len()));
            let path = read(prefix, name);
            let text = below_root(&text);
            prop_assert_eq!(path.ok(), text.parse().ok());
            if let Ok(path) = path {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}
