//! A smartcard: files with the bytes that the rules of ISO/IEC 7816-4, ETSI TS 102 221 and PKCS#15 give them,
//! written out by hand, and the commands of the walk on them.

/// EF(DIR): linear fixed, two records of 38 bytes.
const DIR_FCP: &[u8] = &[
    0x62, 0x0E, // file control parameters
    0x82, 0x05, 0x42, 0x21, 0x00, 0x26, 0x02, // linear fixed, 38 bytes, 2 records
    0x83, 0x02, 0x2F, 0x00, // file identifier
    0x8A, 0x01, 0x05, // activated
];

/// A USIM.
const DIR_RECORD_1: &[u8] = &[
    0x61, 0x18, // application template
    0x4F, 0x10, // application identifier
    0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0x03, 0x02, 0x00, 0x00,
    0x50, 0x04, b'U', b'S', b'I', b'M', // label
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];

/// The PKCS#15 application, with the path that TS G.1 demands.
const DIR_RECORD_2: &[u8] = &[
    0x61, 0x1D, // application template
    0x4F, 0x0C, // application identifier
    0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35, //
    0x50, 0x07, b'P', b'K', b'C', b'S', b'-', b'1', b'5', // label
    0x51, 0x04, 0x3F, 0x00, 0x7F, 0x50, // path
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];

/// The identifier of the PKCS#15 application.
pub const AID: &[u8] = &[
    0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35,
];

/// The application: a directory, no PIN of which is enabled.
const APPLICATION_FCP: &[u8] = &[
    0x62, 0x1F, //
    0x82, 0x02, 0x78, 0x21, // a directory
    0x84, 0x0C, 0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35, //
    0x8A, 0x01, 0x05, //
    0xC6, 0x06, 0x90, 0x01, 0x00, 0x83, 0x01, 0x01, // PIN 1, disabled
    0x00, 0x00, // nothing
];

/// The same with PIN 1 and the local PIN 81 enabled, and PIN 11 disabled.
pub const APPLICATION_FCP_WITH_PINS: &[u8] = &[
    0x62, 0x23, //
    0x82, 0x02, 0x78, 0x21, //
    0x84, 0x0C, 0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35, //
    0x8A, 0x01, 0x05, //
    0xC6, 0x0C, 0x90, 0x01, 0xA0, 0x83, 0x01, 0x01, 0x83, 0x01, 0x11, 0x83, 0x01, 0x81,
];

/// Authentication objects in 4401, data objects in 6430, 16 bytes of padding.
pub const ODF: &[u8] = &[
    0xA8, 0x06, 0x30, 0x04, 0x04, 0x02, 0x44, 0x01, //
    0xA7, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x30, //
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];

/// A provisioning document of another kind in 6431, the LwM2M bootstrap file in 6432.
pub const DODF: &[u8] = &[
    0x30, 0x16, // data object
    0x30, 0x05, 0x0C, 0x03, b'W', b'A', b'P', // label
    0x30, 0x05, 0x06, 0x03, 0x67, 0x2B, 0x01, // 2.23.43.1
    0xA1, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x31, // path
    0x30, 0x1D, // data object
    0x30, 0x0B, 0x0C, 0x05, b'L', b'w', b'M', b'2', b'M', 0x03, 0x02, 0x06,
    0x00, // label, flags
    0x30, 0x06, 0x06, 0x04, 0x67, 0x2B, 0x07, 0x01, // 2.23.43.7.1
    0xA1, 0x06, 0x30, 0x04, 0x04, 0x02, 0x64, 0x32, // path
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];

/// Where the flags of the bootstrap file are in [`DODF`].
pub const FLAGS_AT: usize = 38;

/// The object identifier in [`DODF`].
pub const OBJECT_IDENTIFIER: &str = "2.23.43.7.1";

/// Security Object Instance 0 and Server Object Instance 0 of server 101.
pub const FILE: &[u8] = &[
    0x00, 0x02, 0x00, 0x41, // two Objects, 65 bytes
    0x00, 0x00, 0x00, 0x00, 0x25, // Object 0, version 1.0, 37 bytes
    0x08, 0x00, 0x22, // Object Instance 0
    0xC8, 0x00, 0x10, b'c', b'o', b'a', b'p', b':', b'/', b'/', b'1', b'9', b'2', b'.', b'0', b'.',
    b'2', b'.', b'1', // LwM2M Server URI
    0xC1, 0x01, 0x00, // Bootstrap-Server: no
    0xC1, 0x02, 0x03, // Security Mode: NoSec
    0xC0, 0x03, 0xC0, 0x04, 0xC0, 0x05, // no keys
    0xC1, 0x0A, 0x65, // Short Server ID: 101
    0x00, 0x01, 0x00, 0x00, 0x12, // Object 1, version 1.0, 18 bytes
    0x08, 0x00, 0x0F, // Object Instance 0
    0xC1, 0x00, 0x65, // Short Server ID: 101
    0xC4, 0x01, 0x00, 0x01, 0x51, 0x80, // Lifetime: 86,400
    0xC1, 0x06, 0x00, // Notification Storing: no
    0xC1, 0x07, 0x55, // Binding: U
];

/// The file control parameters of a transparent file of this size.
pub fn transparent(size: usize) -> Vec<u8> {
    let [.., high, low] = size.to_be_bytes();
    vec![
        0x62, 0x0B, 0x82, 0x02, 0x41, 0x21, 0x8A, 0x01, 0x05, 0x80, 0x02, high, low,
    ]
}

/// A file of a card.
#[derive(Debug)]
pub struct File {
    /// Its path from the master file, which isn't in it. The application is in 7F50.
    pub path: Vec<u8>,
    /// Its file control parameters.
    pub control: Vec<u8>,
    /// One part, or the records.
    pub parts: Vec<Vec<u8>>,
    /// Whether it is read with a PIN only.
    pub needs_pin: bool,
}

/// How the card speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Data and status come together.
    T1,
    /// Data has to be fetched, this many bytes at a time, and each READ has to ask for what is there.
    T0(usize),
}

/// A card with a PKCS#15 application.
#[derive(Debug)]
pub struct Card {
    /// All of its files.
    pub files: Vec<File>,
    /// The identifier of the application and its file control parameters.
    pub application: (Vec<u8>, Vec<u8>),
    /// How it answers.
    pub protocol: Protocol,
    /// Whether the PIN has been verified.
    pub verified: bool,
    /// What the card has been sent.
    pub log: Vec<Vec<u8>>,
    channel: Option<u8>,
    directory: Vec<u8>,
    in_application: bool,
    selected: Option<usize>,
    /// What GET RESPONSE will return.
    pending: Vec<u8>,
}

const APPLICATION: [u8; 2] = [0x7F, 0x50];

impl Default for Card {
    fn default() -> Self {
        Self::new()
    }
}

impl Card {
    /// A card with a bootstrap file of 128 bytes, of which 69 count.
    pub fn new() -> Self {
        let mut padded = FILE.to_vec();
        padded.resize(128, 0xFF);
        let mut card = Self {
            files: Vec::new(),
            application: (AID.to_vec(), APPLICATION_FCP.to_vec()),
            protocol: Protocol::T1,
            verified: false,
            log: Vec::new(),
            channel: None,
            directory: Vec::new(),
            in_application: false,
            selected: None,
            pending: Vec::new(),
        };
        let records = vec![DIR_RECORD_1.to_vec(), DIR_RECORD_2.to_vec()];
        card.files.push(File {
            path: vec![0x2F, 0x00],
            control: DIR_FCP.to_vec(),
            parts: records,
            needs_pin: false,
        });
        card.put(&[0x7F, 0x50, 0x50, 0x31], ODF);
        card.put(&[0x7F, 0x50, 0x64, 0x30], DODF);
        card.put(&[0x7F, 0x50, 0x64, 0x32], &padded);
        card
    }

    /// Puts a transparent file in the place of another one.
    pub fn put(&mut self, path: &[u8], content: &[u8]) {
        self.remove(path);
        self.files.push(File {
            path: path.to_vec(),
            control: transparent(content.len()),
            parts: vec![content.to_vec()],
            needs_pin: false,
        });
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &[u8]) {
        self.files.retain(|file| file.path != path);
    }

    /// The file with this path.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn file(&mut self, path: &[u8]) -> &mut File {
        let file = self.files.iter_mut().find(|file| file.path == path);
        file.expect("a file")
    }

    /// EF(DIR).
    pub fn directory(&mut self) -> &mut File {
        self.file(&[0x2F, 0x00])
    }

    /// EF(ODF).
    pub fn object_directory(&mut self) -> &mut File {
        self.file(&[0x7F, 0x50, 0x50, 0x31])
    }

    /// EF(DODF).
    pub fn data_object_directory(&mut self) -> &mut File {
        self.file(&[0x7F, 0x50, 0x64, 0x30])
    }

    /// EF(LwM2M_Bootstrap).
    pub fn bootstrap_file(&mut self) -> &mut File {
        self.file(&[0x7F, 0x50, 0x64, 0x32])
    }

    /// Takes a command, and returns the response.
    ///
    /// # Panics
    ///
    /// If a walk has no reason to send it.
    pub fn exchange(&mut self, command: &[u8]) -> Vec<u8> {
        self.log.push(command.to_vec());
        let [class, instruction, p1, p2, ref rest @ ..] = *command else {
            panic!("{command:02X?} is too short");
        };
        let expected = match self.channel {
            _ if instruction == 0x70 => 0,
            Some(channel @ 0..=3) => channel,
            Some(channel) => 0x40 | (channel - 4),
            None => panic!("no channel is open"),
        };
        assert_eq!(class, expected, "{command:02X?}");
        if instruction != 0xC0 {
            self.pending.clear();
        }
        match (instruction, p1, p2, rest) {
            (0x70, 0x00, 0x00, [0x01]) => {
                assert_eq!(self.channel, None);
                self.channel = Some(2);
                vec![0x02, 0x90, 0x00]
            }
            (0x70, 0x80, 0x02, []) => {
                assert_eq!(self.channel.take(), Some(2));
                vec![0x90, 0x00]
            }
            (0xA4, _, 0x04, [length, data @ .., 0x00]) if usize::from(*length) == data.len() => {
                match self.select(p1, data) {
                    Some(control) => self.give(&control, None),
                    None => vec![0x6A, 0x82],
                }
            }
            (0xB2, number, 0x04, [asked]) => self.read_record(number, *asked),
            (0xB0, _, _, [asked]) => {
                assert_eq!(p1 & 0x80, 0, "an offset of 15 bits");
                self.read_binary(u16::from_be_bytes([p1, p2]).into(), *asked)
            }
            (0xC0, 0x00, 0x00, [asked]) => {
                let asked = length(*asked).min(self.pending.len());
                let mut response: Vec<u8> = self.pending.drain(..asked).collect();
                response.extend(self.status());
                response
            }
            _ => panic!("{command:02X?} is not understood"),
        }
    }

    /// Opens a channel for a walk that isn't to do so.
    #[must_use]
    pub fn opened(mut self, channel: u8) -> Self {
        self.channel = Some(channel);
        self
    }

    /// Whether every channel is closed.
    pub fn is_closed(&self) -> bool {
        self.channel.is_none()
    }

    fn select(&mut self, p1: u8, data: &[u8]) -> Option<Vec<u8>> {
        if p1 == 0x04 {
            if data != self.application.0 {
                return None;
            }
            self.directory = APPLICATION.to_vec();
            self.in_application = true;
            self.selected = None;
            return Some(self.application.1.clone());
        }
        let path = match p1 {
            0x00 => [&self.directory, data].concat(),
            0x08 => match data.strip_prefix(&[0x7F, 0xFF]) {
                Some(rest) if self.in_application => [&APPLICATION, rest].concat(),
                Some(_) => return None,
                None => data.to_vec(),
            },
            other => panic!("SELECT by {other:02X}"),
        };
        let found = self.files.iter().position(|file| file.path == path)?;
        self.directory = path[..path.len() - 2].to_vec();
        self.selected = Some(found);
        Some(self.files[found].control.clone())
    }

    fn read_record(&mut self, number: u8, asked: u8) -> Vec<u8> {
        let file = &self.files[self.selected.expect("a selected file")];
        match file.parts.get(usize::from(number) - 1) {
            Some(record) => {
                let record = record.clone();
                self.give(&record, Some(length(asked)))
            }
            None => vec![0x6A, 0x83],
        }
    }

    fn read_binary(&mut self, offset: usize, asked: u8) -> Vec<u8> {
        let file = &self.files[self.selected.expect("a selected file")];
        if file.needs_pin && !self.verified {
            return vec![0x69, 0x82];
        }
        let Some(rest) = file.parts[0].get(offset..).filter(|rest| !rest.is_empty()) else {
            return vec![0x6B, 0x00];
        };
        let asked = length(asked);
        if rest.len() < asked && self.protocol == Protocol::T1 {
            return [rest, &[0x62, 0x82]].concat();
        }
        let part = rest[..asked.min(rest.len())].to_vec();
        self.give(&part, Some(asked))
    }

    /// Returns data, of which `asked` bytes were asked for if it is read.
    fn give(&mut self, data: &[u8], asked: Option<usize>) -> Vec<u8> {
        match (self.protocol, asked) {
            (Protocol::T0(_), Some(asked)) if asked != data.len() => {
                vec![0x6C, byte(data.len())]
            }
            (Protocol::T1, _) | (Protocol::T0(_), Some(_)) => [data, &[0x90, 0x00]].concat(),
            (Protocol::T0(_), None) => {
                self.pending = data.to_vec();
                self.status().to_vec()
            }
        }
    }

    fn status(&self) -> [u8; 2] {
        match (self.protocol, self.pending.len()) {
            (_, 0) | (Protocol::T1, _) => [0x90, 0x00],
            (Protocol::T0(most), left) => [0x61, byte(left.min(most))],
        }
    }
}

/// The low byte of a number: 0 stands for 256.
pub fn byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn length(byte: u8) -> usize {
    if byte == 0 { 256 } else { byte.into() }
}
