//! A Write in blocks that never comes to its end.

use lwm2m_core::{ContentFormat, Method};
use lwm2m_simulation::Random;
use lwm2m_statemachine::coap::{BlockOption, MessageBuf, MessageType, Token};

/// The lifetime that it would write.
pub(crate) const LIFETIME: i64 = 77_777;

/// The size of its blocks.
const SIZE: usize = 16;

/// The server's own account, which it may write.
const PATH: [&str; 2] = ["1", "2"];

/// How it goes wrong after some blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing more comes.
    Silence,
    /// A block is left out.
    Gap,
    /// The next block is in another format.
    OtherFormat,
    /// It isn't torn: the last block comes, too.
    Whole,
}

/// A Write of several values of an account, of which the first blocks are sent.
#[derive(Clone, Debug)]
pub(crate) struct TornWrite {
    method: Method,
    token: Token,
    /// The number of the block that is sent next, and how many are sent as they should be.
    next: usize,
    proper: usize,
    end: End,
}

impl TornWrite {
    pub(crate) fn new(random: &mut Random, is_whole: bool) -> Self {
        let ends = [End::Silence, End::Gap, End::OtherFormat];
        // No other request has a token of this length.
        let token = &random.number().to_be_bytes()[..4];
        let method = [Method::Put, Method::Post][random.below(2) as usize];
        // The body has three blocks.
        let proper = 1 + random.below(2) as usize;
        Self {
            method,
            token: Token::new(token).expect("a token"),
            next: 0,
            proper: if is_whole { 3 } else { proper },
            end: if is_whole {
                End::Whole
            } else {
                ends[random.below(3) as usize]
            },
        }
    }

    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Lifetime, periods, storing and binding, in their Object Instance. The length of the whole is in
    /// front, so that no part of it is a payload.
    fn body() -> Vec<u8> {
        let mut resources = Vec::new();
        for (id, value) in [(1, LIFETIME), (2, 1), (3, 60)] {
            resources.extend([0xc8, id, 8]);
            resources.extend(value.to_be_bytes());
        }
        resources.extend([0xc1, 6, 1, 0xc1, 7, b'U']);
        let length = u8::try_from(resources.len()).expect("a short body");
        [&[0x18, 2, 0, 0, length], &*resources].concat()
    }

    /// The next block, with this message id; `None` if it is over.
    pub(crate) fn next(&mut self, id: u16) -> Option<Vec<u8>> {
        let is_proper = self.next < self.proper;
        let number = match self.end {
            _ if is_proper => self.next,
            End::Silence | End::Whole => return None,
            _ if self.next > self.proper => return None,
            End::Gap => self.next + 1,
            End::OtherFormat => self.next,
        };
        self.next += 1;
        let body = Self::body();
        let is_last = (number + 1) * SIZE >= body.len();
        // A block that is out of place mustn't make it whole.
        let more = !is_last || self.end != End::Whole;
        let from = (number * SIZE).min(body.len());
        let mut payload = body[from..(from + SIZE).min(body.len())].to_vec();
        if more {
            payload.resize(SIZE, 0);
        }
        let format = if is_proper {
            ContentFormat::TLV
        } else {
            ContentFormat::OPAQUE
        };
        let mut message = MessageBuf::request(self.method);
        for segment in PATH {
            message.uri_path(segment).expect("a segment");
        }
        message.content_format(format).expect("a format");
        let number = u32::try_from(number).expect("a small number");
        let block = BlockOption::new(number, more, SIZE).expect("a block");
        message.block1(block).expect("a block");
        message.payload(&payload);
        let message = message.finish(MessageType::Confirmable, id, self.token);
        Some(message.as_ref().to_vec())
    }
}
