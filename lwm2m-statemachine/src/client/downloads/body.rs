//! A body that is fetched block by block (RFC 7959 §2.4), and how the blocks of two bodies are kept
//! apart.

use alloc::vec::Vec;

use lwm2m_core::ContentFormat;
use lwm2m_objects::FetchFailure;

use crate::coap::{BlockOption, MessageRef};

/// How far a body has been fetched.
#[derive(Debug)]
pub(super) struct Body {
    /// How many bytes have been taken.
    received: u64,
    /// The size of the next block in bytes: what the Client prefers, or less if the server does.
    size: usize,
    /// What the first block says about the whole.
    first: Option<First>,
    doubt: Doubt,
}

/// What has to show after an interruption that it is still the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Nothing: it has been shown, or there was no interruption.
    None,
    /// The ETag of the next block. If it has none, the first block is asked for.
    NextBlock,
    /// The first block, before it goes on.
    FirstBlock,
}

#[derive(Debug)]
struct First {
    etag: Option<Vec<u8>>,
    format: Option<ContentFormat>,
    /// The announced size of the body in bytes.
    announced: Option<u32>,
    /// Its bytes, as long as there is no ETag: a block at most.
    bytes: Vec<u8>,
}

/// What a response brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress<'d> {
    /// The next bytes, and whether more follow.
    Bytes {
        offset: u64,
        bytes: &'d [u8],
        more: bool,
    },
    /// No bytes that are needed. It is still the same body, or may be: ask for the block that is needed
    /// now.
    Nothing,
    /// It is another body: fetch it from the beginning.
    Changed,
    /// The block isn't the one that was asked for.
    Failed(FetchFailure),
}

impl Body {
    /// Nothing has been fetched. `size` is the preferred size of a block.
    pub(super) fn new(size: usize) -> Self {
        Self {
            received: 0,
            size: 1 << size.clamp(16, 1024).ilog2(),
            first: None,
            doubt: Doubt::None,
        }
    }

    /// How many bytes have been taken.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// The announced size in bytes.
    pub(super) fn announced(&self) -> Option<u32> {
        self.first.as_ref()?.announced
    }

    /// Some time has passed, in which another body may have taken its place. An ETag will tell;
    /// without one the first block is asked for again.
    pub(super) fn interrupt(&mut self) {
        self.doubt = match (&self.first, self.doubt) {
            (None, _) => Doubt::None,
            (Some(First { etag: Some(_), .. }), Doubt::None) => Doubt::NextBlock,
            (Some(First { etag: None, .. }), _) => Doubt::FirstBlock,
            (Some(_), doubt) => doubt,
        };
    }

    /// Where the block begins that is needed now.
    const fn wanted(&self) -> u64 {
        match self.doubt {
            Doubt::FirstBlock => 0,
            Doubt::None | Doubt::NextBlock => self.received,
        }
    }

    /// The block that is needed now; `None` if it can't be numbered.
    pub(super) fn block(&self) -> Option<BlockOption> {
        let size = u64::try_from(self.size).ok()?;
        let number = u32::try_from(self.wanted().checked_div(size)?).ok()?;
        BlockOption::new(number, false, self.size)
    }

    /// Takes a 2.05.
    pub(super) fn take<'d>(&mut self, response: &MessageRef<'d>) -> Progress<'d> {
        let (offset, bytes) = (self.wanted(), response.payload());
        let more = match response.block2() {
            Some(block) => {
                let more = block.more();
                let is_whole = bytes.len() == block.size() || !more && bytes.len() < block.size();
                if u64::try_from(block.offset()) != Ok(offset) || !is_whole {
                    return Progress::Failed(FetchFailure::Integrity);
                }
                self.size = self.size.min(block.size());
                more
            }
            None if offset == 0 => false,
            // Now it fits into one message.
            None => return Progress::Changed,
        };
        let Some(first) = &mut self.first else {
            self.first = Some(First::of(response));
            self.received = length(bytes);
            return Progress::Bytes {
                offset,
                bytes,
                more,
            };
        };
        let is_compared = self.doubt == Doubt::FirstBlock;
        if !first.describes(response) || is_compared && !first.is(response) {
            return Progress::Changed;
        }
        // A server may send the ETag with the first block alone.
        let is_unknown = self.doubt == Doubt::NextBlock && response.etag().is_none();
        self.doubt = if is_unknown {
            Doubt::FirstBlock
        } else {
            Doubt::None
        };
        if is_compared || is_unknown {
            return Progress::Nothing;
        }
        self.received = offset.saturating_add(length(bytes));
        Progress::Bytes {
            offset,
            bytes,
            more,
        }
    }
}

impl First {
    fn of(response: &MessageRef<'_>) -> Self {
        let etag = response.etag().map(Vec::from);
        let bytes = match etag {
            Some(_) => Vec::new(),
            None => response.payload().into(),
        };
        Self {
            etag,
            format: response.content_format(),
            announced: response.size2(),
            bytes,
        }
    }

    /// Whether a block may be of this body. If both have an ETag, these are compared; later blocks
    /// may omit the format (RFC 7959 §2.4).
    fn describes(&self, response: &MessageRef<'_>) -> bool {
        let (etag, format) = (response.etag(), response.content_format());
        let same_etag = match (&self.etag, etag) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        same_etag && (format.is_none() || format == self.format)
    }

    /// Whether this is the first block of this body: it has the same ETag, or, if there was none, the
    /// same bytes, as far as both go, and announces the same size.
    fn is(&self, response: &MessageRef<'_>) -> bool {
        if self.etag.is_some() {
            return self.etag.as_deref() == response.etag();
        }
        let (before, now) = (&*self.bytes, response.payload());
        let compared = before.len().min(now.len());
        let same = before.get(..compared) == now.get(..compared);
        same && (compared > 0 || before.len() == now.len()) && self.announced == response.size2()
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Code;

    use super::*;
    use crate::coap::{MessageBuf, MessageType, OptionNumber, Token, WireMessage};

    /// A block of 16 bytes.
    fn block(number: u32, more: bool, byte: u8, options: &[(u16, &[u8])]) -> WireMessage {
        let mut message = MessageBuf::response(Code::CONTENT);
        for (number, value) in options.iter().filter(|(number, _)| *number < 23) {
            message.option(OptionNumber::new(*number), value).unwrap();
        }
        let option = BlockOption::new(number, more, 16).unwrap();
        message.block2(option).unwrap();
        for (number, value) in options.iter().filter(|(number, _)| *number > 23) {
            message.option(OptionNumber::new(*number), value).unwrap();
        }
        message.payload(&[byte; 16]);
        message.finish(MessageType::Acknowledgement, 0, Token::EMPTY)
    }

    fn take<'d>(body: &mut Body, response: &'d WireMessage) -> Progress<'d> {
        body.take(&MessageRef::parse(response.as_ref()).unwrap())
    }

    fn begun(options: &[(u16, &[u8])]) -> Body {
        let mut body = Body::new(64);
        let first = block(0, true, 1, options);
        assert!(matches!(
            take(&mut body, &first),
            Progress::Bytes {
                offset: 0,
                more: true,
                ..
            }
        ));
        body
    }

    const ETAG: u16 = 4;
    const FORMAT: u16 = 12;
    const SIZE2: u16 = 28;

    #[test]
    fn a_smaller_block_is_agreed_on() {
        let body = begun(&[]);
        let next = body.block().unwrap();
        assert_eq!((next.number(), next.size()), (1, 16));
        assert_eq!(body.received(), 16);
    }

    #[test]
    fn blocks_of_two_bodies_are_not_mixed() {
        for (first, second, changed) in [
            (&[(ETAG, &b"a"[..])][..], &[(ETAG, &b"a"[..])][..], false),
            (&[(ETAG, b"a")], &[(ETAG, b"b")], true),
            (&[(ETAG, b"a")], &[], false),
            (&[(FORMAT, b"\x2a")], &[], false),
            (&[(FORMAT, b"\x2a")], &[(FORMAT, b"\x2d\x16")], true),
        ] {
            let mut body = begun(first);
            let next = block(1, false, 2, second);
            let taken = take(&mut body, &next);
            assert_eq!(taken == Progress::Changed, changed, "{first:?} {second:?}");
        }
    }

    #[test]
    fn another_block_than_the_wanted_one_is_refused() {
        let mut body = begun(&[]);
        let other = block(2, false, 2, &[]);
        let refused = Progress::Failed(FetchFailure::Integrity);
        assert_eq!(take(&mut body, &other), refused);
    }

    /// Without an ETag the first block is compared after an interruption.
    #[test]
    fn without_an_etag_the_first_block_tells() {
        for (byte, size, same) in [
            (1, &b"\x20"[..], true),
            (1, b"\x21", false),
            (9, b"\x20", false),
        ] {
            let mut body = begun(&[(SIZE2, b"\x20")]);
            body.interrupt();
            assert_eq!(body.block().unwrap().number(), 0);
            let again = block(0, true, byte, &[(SIZE2, size)]);
            let taken = take(&mut body, &again);
            assert_eq!(taken == Progress::Nothing, same);
            if same {
                assert_eq!(body.block().unwrap().number(), 1);
            } else {
                assert_eq!(taken, Progress::Changed);
            }
        }
        // With one, it goes on at once.
        let mut body = begun(&[(ETAG, b"a")]);
        body.interrupt();
        assert_eq!(body.block().unwrap().number(), 1);
    }
}
