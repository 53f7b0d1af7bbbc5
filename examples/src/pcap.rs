//! Capture files in the classic pcap format, for Wireshark and the like.
//!
//! Datagrams are written as IP packets (link type RAW) with UDP headers and their checksums.

use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::driver::Captured;

/// Microseconds, in the byte order of the file: little-endian.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Packets begin with the IP header, version 4 or 6.
const LINK_TYPE_RAW: u32 = 101;
const LONGEST_PACKET: u32 = 65_535 + 48;
const UDP: u8 = 17;
const HOP_LIMIT: u8 = 64;

/// Writes a capture file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// The wall-clock time at the machines' zero, since 1970.
    zero: Duration,
}

impl<W: Write> Writer<W> {
    /// Begins a file; `zero` is the wall-clock time at which the machines' clock showed zero.
    pub fn new(mut out: W, zero: SystemTime) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&MAGIC.to_le_bytes());
        header.extend_from_slice(&2u16.to_le_bytes());
        header.extend_from_slice(&4u16.to_le_bytes());
        header.extend_from_slice(&[0; 8]); // times are UTC and as precise as they are
        header.extend_from_slice(&LONGEST_PACKET.to_le_bytes());
        header.extend_from_slice(&LINK_TYPE_RAW.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self {
            out,
            zero: zero.duration_since(UNIX_EPOCH).unwrap_or_default(),
        })
    }

    /// Adds a datagram. Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if it is from
    /// IPv4 to IPv6 or the other way, or longer than UDP carries.
    pub fn write(&mut self, captured: &Captured<'_>) -> io::Result<()> {
        let packet = packet(captured.from, captured.to, captured.payload)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let at = self.zero + Duration::from_millis(captured.at.as_millis());
        let length = u32::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // The format has 32 bits for the seconds: until 2106.
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        let header = [seconds, at.subsec_micros(), length, length].map(u32::to_le_bytes);
        // Flushed, so that the file can be read while the program runs.
        self.out
            .write_all(&[header.as_flattened(), &packet].concat())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(payload.len().checked_add(8)?).ok()?;
    let mut udp = Vec::with_capacity(usize::from(udp_length));
    udp.extend_from_slice(&from.port().to_be_bytes());
    udp.extend_from_slice(&to.port().to_be_bytes());
    udp.extend_from_slice(&udp_length.to_be_bytes());
    udp.extend_from_slice(&[0, 0]); // the checksum, see below
    udp.extend_from_slice(payload);

    let mut packet = Vec::new();
    let addresses = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = udp_length.checked_add(20)?;
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&total.to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0x40, 0]); // never to be fragmented
            packet.extend_from_slice(&[HOP_LIMIT, UDP, 0, 0]);
            let addresses = [from.octets(), to.octets()].concat();
            packet.extend_from_slice(&addresses);
            let checksum = checksum(&[&packet]);
            packet
                .get_mut(10..12)?
                .copy_from_slice(&checksum.to_be_bytes());
            addresses
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&udp_length.to_be_bytes());
            packet.extend_from_slice(&[UDP, HOP_LIMIT]);
            let addresses = [from.octets(), to.octets()].concat();
            packet.extend_from_slice(&addresses);
            addresses
        }
        _ => return None,
    };
    // The pseudo-headers of both versions have the same sum.
    let pseudo = [[0, UDP], udp_length.to_be_bytes()].concat();
    let checksum = match checksum(&[&addresses, &pseudo, &udp]) {
        0 => 0xffff, // zero means that there is none
        checksum => checksum,
    };
    udp.get_mut(6..8)?.copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(&udp);
    Some(packet)
}

/// The Internet checksum (RFC 1071) over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let (high, low) = match *pair {
                [high, low] => (high, low),
                [high] => (high, 0),
                _ => (0, 0),
            };
            sum += u32::from(u16::from_be_bytes([high, low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Instant;

    use super::*;

    fn capture(datagrams: &[(&str, &str, &[u8])]) -> Vec<u8> {
        let zero = UNIX_EPOCH + Duration::from_secs(1_367_491_215);
        let mut writer = Writer::new(Vec::new(), zero).unwrap();
        for (index, (from, to, payload)) in datagrams.iter().enumerate() {
            let captured = Captured {
                at: Instant::from_millis(1_500 * index as u64),
                sent: true,
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
                payload,
            };
            writer.write(&captured).unwrap();
        }
        writer.finish().unwrap()
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The sum without the complement: 0xffff over anything with a right checksum.
    fn sum(bytes: &[u8]) -> u16 {
        !checksum(&[bytes])
    }

    #[test]
    fn the_file_header_is_that_of_a_raw_ip_capture() {
        let file = capture(&[]);
        assert_eq!(file.len(), 24);
        assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
        assert_eq!(file[4..8], [2, 0, 4, 0]);
        assert_eq!(word(&file, 20), 101);
    }

    #[test]
    fn a_datagram_over_ipv4_reads_back_with_right_checksums() {
        for payload in [&b"odd"[..], b"even", b""] {
            let file = capture(&[("127.0.0.1:40000", "127.0.0.2:5683", payload)]);
            assert_eq!((word(&file, 24), word(&file, 28)), (1_367_491_215, 0));
            let packet = &file[40..];
            assert_eq!(word(&file, 32) as usize, packet.len());
            assert_eq!(word(&file, 36) as usize, packet.len());
            let (header, udp) = packet.split_at(20);
            assert_eq!((header[0], header[9]), (0x45, 17));
            assert_eq!(
                usize::from(u16::from_be_bytes([header[2], header[3]])),
                packet.len()
            );
            assert_eq!(sum(header), 0xffff);
            assert_eq!(header[12..], [127, 0, 0, 1, 127, 0, 0, 2]);
            assert_eq!(udp[..4], [0x9c, 0x40, 0x16, 0x33]);
            assert_eq!(usize::from(u16::from_be_bytes([udp[4], udp[5]])), udp.len());
            assert_eq!(udp[8..], *payload);
            let pseudo = [&header[12..], &[0, 17, udp[4], udp[5]], udp].concat();
            assert_eq!(sum(&pseudo), 0xffff);
        }
    }

    #[test]
    fn a_datagram_over_ipv6_reads_back_with_right_checksum() {
        let file = capture(&[
            ("[::1]:40000", "[::1]:5683", b"first"),
            ("[::1]:5683", "[::1]:40000", b"second"),
        ]);
        let first = word(&file, 32) as usize;
        assert_eq!(first, 40 + 8 + 5);
        let second = 40 + first;
        // A second and a half later.
        assert_eq!(word(&file, second), 1_367_491_216);
        assert_eq!(word(&file, second + 4), 500_000);
        let (header, udp) = file[second + 16..].split_at(40);
        assert_eq!((header[0], header[6]), (0x60, 17));
        assert_eq!(
            usize::from(u16::from_be_bytes([header[4], header[5]])),
            udp.len()
        );
        let pseudo = [&header[8..], &[0, 17, udp[4], udp[5]], udp].concat();
        assert_eq!(sum(&pseudo), 0xffff);
        assert_eq!(udp[8..], *b"second");
    }

    #[test]
    fn what_no_ip_packet_can_be_is_refused() {
        let mut writer = Writer::new(Vec::new(), UNIX_EPOCH).unwrap();
        let long = vec![0; 65_536];
        for (from, to, payload) in [
            ("127.0.0.1:1", "[::1]:2", &b""[..]),
            ("127.0.0.1:1", "127.0.0.1:2", &long),
        ] {
            let captured = Captured {
                at: Instant::ZERO,
                sent: true,
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
                payload,
            };
            let error = writer.write(&captured).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
