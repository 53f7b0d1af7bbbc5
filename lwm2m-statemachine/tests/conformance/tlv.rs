//! TLV as TS 6.4.3 writes it: a reader and a writer of the scripted server, apart from the codec that
//! the Client has.

use alloc::collections::BTreeMap;

/// What an entry is: bits 7 and 6 of its type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance,
    ResourceInstance,
    Multiple,
    Resource,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) id: u16,
    pub(crate) value: Vec<u8>,
}

impl Entry {
    /// The entries of an Object Instance or a multiple Resource.
    pub(crate) fn entries(&self) -> Vec<Self> {
        read(&self.value)
    }
}

/// The entries of a payload.
#[track_caller]
pub(crate) fn read(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let [head, rest @ ..] = bytes {
        let kind = match head >> 6 {
            0 => Kind::Instance,
            1 => Kind::ResourceInstance,
            2 => Kind::Multiple,
            _ => Kind::Resource,
        };
        let (id, rest) = number(rest, if head & 0x20 == 0 { 1 } else { 2 });
        let (length, rest) = match head >> 3 & 3 {
            0 => (usize::from(head & 7), rest),
            width => number(rest, width.into()),
        };
        assert!(rest.len() >= length, "a TLV entry is cut off");
        let (value, rest) = rest.split_at(length);
        entries.push(Entry {
            kind,
            id: u16::try_from(id).expect("two bytes"),
            value: value.to_vec(),
        });
        bytes = rest;
    }
    entries
}

#[track_caller]
fn number(bytes: &[u8], width: usize) -> (usize, &[u8]) {
    assert!(bytes.len() >= width, "a TLV head is cut off");
    let (digits, rest) = bytes.split_at(width);
    let number = digits
        .iter()
        .fold(0, |number, digit| number << 8 | usize::from(*digit));
    (number, rest)
}

fn entry(kind: Kind, id: u16, value: &[u8]) -> Vec<u8> {
    let (length_bits, length) = match value.len() {
        length @ 0..8 => (u8::try_from(length).expect("less than 8"), Vec::new()),
        length @ 8..0x100 => (
            0x08,
            u8::try_from(length)
                .expect("one byte")
                .to_be_bytes()
                .to_vec(),
        ),
        length => (
            0x10,
            u16::try_from(length)
                .expect("two bytes")
                .to_be_bytes()
                .to_vec(),
        ),
    };
    let (id_bit, id) = match u8::try_from(id) {
        Ok(id) => (0, vec![id]),
        Err(_) => (0x20, id.to_be_bytes().to_vec()),
    };
    let kind_bits = match kind {
        Kind::Instance => 0x00,
        Kind::ResourceInstance => 0x40,
        Kind::Multiple => 0x80,
        Kind::Resource => 0xC0,
    };
    [&[kind_bits | id_bit | length_bits], &*id, &*length, value].concat()
}

/// A single Resource.
pub(crate) fn resource(id: u16, value: impl AsRef<[u8]>) -> Vec<u8> {
    entry(Kind::Resource, id, value.as_ref())
}

/// A single Resource that is an Integer.
pub(crate) fn integer(id: u16, value: i64) -> Vec<u8> {
    resource(id, integer_value(value))
}

/// A multiple Resource.
pub(crate) fn multiple<V: AsRef<[u8]>>(
    id: u16,
    values: impl IntoIterator<Item = (u16, V)>,
) -> Vec<u8> {
    let values = values.into_iter();
    let values: Vec<u8> = values
        .flat_map(|(id, value)| entry(Kind::ResourceInstance, id, value.as_ref()))
        .collect();
    entry(Kind::Multiple, id, &values)
}

/// An Object Instance with these Resources.
pub(crate) fn instance(id: u16, resources: &[Vec<u8>]) -> Vec<u8> {
    entry(Kind::Instance, id, &resources.concat())
}

/// The shortest form of an Integer: 1, 2, 4 or 8 bytes (TS Appendix C).
pub(crate) fn integer_value(value: i64) -> Vec<u8> {
    if let Ok(value) = i8::try_from(value) {
        value.to_be_bytes().to_vec()
    } else if let Ok(value) = i16::try_from(value) {
        value.to_be_bytes().to_vec()
    } else if let Ok(value) = i32::try_from(value) {
        value.to_be_bytes().to_vec()
    } else {
        value.to_be_bytes().to_vec()
    }
}

/// The values of one Object Instance, by Resource and Resource Instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<(u16, Option<u16>), Vec<u8>>);

impl Values {
    /// Of an answer to a Read of an Object Instance or a Resource, whether or not an Object Instance
    /// is around them.
    #[track_caller]
    pub(crate) fn of(payload: &[u8]) -> Self {
        let entries = read(payload);
        match &*entries {
            [wrapped] if wrapped.kind == Kind::Instance => Self::of_entries(&wrapped.entries()),
            bare => Self::of_entries(bare),
        }
    }

    #[track_caller]
    pub(crate) fn of_entries(entries: &[Entry]) -> Self {
        let mut values = BTreeMap::new();
        for entry in entries {
            match entry.kind {
                Kind::Resource => drop(values.insert((entry.id, None), entry.value.clone())),
                Kind::Multiple => {
                    for inner in entry.entries() {
                        assert_eq!(inner.kind, Kind::ResourceInstance, "of a multiple Resource");
                        values.insert((entry.id, Some(inner.id)), inner.value);
                    }
                }
                kind => panic!("expected Resources, there is {kind:?} {}", entry.id),
            }
        }
        Self(values)
    }

    /// Which Resources there are.
    pub(crate) fn resources(&self) -> Vec<u16> {
        let mut resources: Vec<u16> = self.0.keys().map(|(resource, _)| *resource).collect();
        resources.dedup();
        resources
    }

    pub(crate) fn has(&self, resource: u16) -> bool {
        self.resources().contains(&resource)
    }

    #[track_caller]
    pub(crate) fn bytes(&self, resource: u16) -> &[u8] {
        let value = self.0.get(&(resource, None));
        value.unwrap_or_else(|| panic!("expected the single Resource {resource} in {self:?}"))
    }

    #[track_caller]
    pub(crate) fn text(&self, resource: u16) -> &str {
        core::str::from_utf8(self.bytes(resource)).expect("a String")
    }

    #[track_caller]
    pub(crate) fn integer(&self, resource: u16) -> i64 {
        integer_of(self.bytes(resource))
    }

    #[track_caller]
    pub(crate) fn boolean(&self, resource: u16) -> bool {
        match self.bytes(resource) {
            [0] => false,
            [1] => true,
            other => panic!("expected a Boolean of one byte, got {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn float(&self, resource: u16) -> f64 {
        let bytes = self.bytes(resource);
        if let Ok(single) = bytes.try_into() {
            f32::from_be_bytes(single).into()
        } else {
            f64::from_be_bytes(bytes.try_into().expect("a Float of 4 or 8 bytes"))
        }
    }

    /// The Resource Instances of a multiple Resource.
    pub(crate) fn instances(&self, resource: u16) -> Vec<(u16, &[u8])> {
        let mut instances = Vec::new();
        for ((at, id), value) in &self.0 {
            if let Some(id) = id.filter(|_| *at == resource) {
                instances.push((id, &**value));
            }
        }
        instances
    }

    #[track_caller]
    pub(crate) fn integers(&self, resource: u16) -> Vec<(u16, i64)> {
        let instances = self.instances(resource).into_iter();
        instances
            .map(|(id, value)| (id, integer_of(value)))
            .collect()
    }

    #[track_caller]
    pub(crate) fn texts(&self, resource: u16) -> Vec<(u16, &str)> {
        let instances = self.instances(resource).into_iter();
        let text = |value| core::str::from_utf8(value).expect("a String");
        instances.map(|(id, value)| (id, text(value))).collect()
    }
}

/// An Integer of 1, 2, 4 or 8 bytes.
#[track_caller]
pub(crate) fn integer_of(value: &[u8]) -> i64 {
    assert!(
        [1, 2, 4, 8].contains(&value.len()),
        "an Integer of 1, 2, 4 or 8 bytes: {value:?}"
    );
    // The sign is the first bit.
    let sign = if value[0] & 0x80 == 0 { 0 } else { 0xFF };
    let mut bytes = [sign; 8];
    bytes[8 - value.len()..].copy_from_slice(value);
    i64::from_be_bytes(bytes)
}

/// The Object Instances of an answer to a Read of an Object.
#[track_caller]
pub(crate) fn object(payload: &[u8]) -> BTreeMap<u16, Values> {
    let entries = read(payload).into_iter();
    entries
        .map(|entry| {
            assert_eq!(
                entry.kind,
                Kind::Instance,
                "in the answer to a Read of an Object"
            );
            (entry.id, Values::of_entries(&entry.entries()))
        })
        .collect()
}
