//! The directories on the way to the bootstrap file: EF(DIR) (ISO/IEC 7816-4, 8.2.1.1), EF(ODF) and
//! EF(DODF) (PKCS#15; ISO/IEC 7816-15).

use alloc::{string::String, vec::Vec};

use super::{
    apdu::{Command, LogicalChannel, SelectBy},
    ber::{Tlv, Tlvs},
    config::ApplicationId,
    error::{DataError, DataProblem},
    oid::ObjectIdentifier,
};

type Read<T> = Result<T, DataError>;

// EF(DIR).
const APPLICATION_TEMPLATE: u32 = 0x61;
const APPLICATION_IDENTIFIER: u32 = 0x4F;

// ASN.1 types.
const INTEGER: u32 = 0x02;
const BIT_STRING: u32 = 0x03;
const OCTET_STRING: u32 = 0x04;
const OBJECT_IDENTIFIER: u32 = 0x06;
const UTF8_STRING: u32 = 0x0C;
const SEQUENCE: u32 = 0x30;

/// `dataObjects` of the CHOICE `PKCS15Objects`.
const DATA_OBJECTS: u32 = 0xA7;
/// `objects` of `PathOrObjects`, and `subClassAttributes` of an object.
const CONTEXT_0: u32 = 0xA0;
/// `typeAttributes` of an object.
const TYPE_ATTRIBUTES: u32 = 0xA1;
/// `length` of a `Path`.
const PATH_LENGTH: u32 = 0x80;

/// The identifiers of the PKCS#15 applications in EF(DIR), in their order.
pub(super) fn applications(directory: &[u8], known: &[ApplicationId]) -> Read<Vec<ApplicationId>> {
    let mut found = Vec::new();
    for template in Tlvs::new(directory) {
        let template = template?;
        if template.tag != APPLICATION_TEMPLATE {
            continue;
        }
        let Some(identifier) = template.contents().find(APPLICATION_IDENTIFIER)? else {
            continue;
        };
        if known.iter().any(|known| known.begins(identifier.value)) {
            let read = ApplicationId::new(identifier.value);
            let invalid = DataProblem::Expected("an application identifier of 5 to 16 bytes");
            found.push(read.ok_or(invalid.at(identifier.value_offset()))?);
        }
    }
    Ok(found)
}

/// Where the data objects of an application are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DataObjects {
    /// In a data object directory file.
    In(FilePart),
    /// In the object directory file itself, between these bytes.
    Here(Vec<u8>),
}

/// The data objects that EF(ODF) points to, in the order of their priority (TS G.1).
pub(super) fn data_objects(object_directory: &[u8]) -> Read<Vec<DataObjects>> {
    let mut found = Vec::new();
    for entry in Tlvs::new(object_directory) {
        let entry = entry?;
        if entry.tag != DATA_OBJECTS {
            continue;
        }
        let inner = entry.contents().next().transpose()?;
        let missing = DataProblem::Expected("a path or objects").at(entry.value_offset());
        let inner = inner.ok_or(missing)?;
        match inner.tag {
            SEQUENCE => found.push(DataObjects::In(FilePart::read(&inner)?)),
            CONTEXT_0 => found.push(DataObjects::Here(inner.value.to_vec())),
            // What is protected by PKCS#15 itself is of no use here.
            _ => {}
        }
    }
    Ok(found)
}

/// The entry of the bootstrap file in a data object directory (TS G.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// A readable name of the file.
    pub(super) label: Option<String>,
    /// Whether the file is protected by a PIN.
    pub(super) private: bool,
    /// Whether the file can be changed, which needs a PIN.
    pub(super) modifiable: bool,
    /// Where the file is.
    pub(super) file: FilePart,
}

/// The first opaque data object with this object identifier.
pub(super) fn find_entry(directory: &[u8], id: &ObjectIdentifier) -> Read<Option<Entry>> {
    for object in Tlvs::new(directory) {
        let object = object?;
        // Other kinds of data objects have a tag of their own.
        if object.tag == SEQUENCE
            && let Some(entry) = entry(&object, id)?
        {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// A data object: the attributes of all objects, those of data objects, and the path, each a sequence.
fn entry(object: &Tlv<'_>, id: &ObjectIdentifier) -> Read<Option<Entry>> {
    let mut parts = object.contents();
    let common = parts.expect(SEQUENCE, "the attributes of an object")?;
    let class = parts.expect(SEQUENCE, "the attributes of a data object")?;
    let application = class.contents().find(OBJECT_IDENTIFIER)?;
    if application.is_none_or(|found| found.value != id.as_der()) {
        return Ok(None);
    }
    parts.optional(CONTEXT_0)?;
    let value = parts.expect(TYPE_ATTRIBUTES, "the attributes of the type")?;
    let path = value.contents().expect(SEQUENCE, "a path to the value")?;
    let mut common = common.contents();
    let label = common.optional(UTF8_STRING)?;
    let label = label.map(|label| String::from_utf8_lossy(label.value).into_owned());
    // The first byte says how many bits at the end don't count.
    let flags = common.optional(BIT_STRING)?;
    let flags = flags.and_then(|flags| flags.value.get(1).copied());
    let flags = flags.unwrap_or_default();
    Ok(Some(Entry {
        label,
        private: flags & 0x80 != 0,
        modifiable: flags & 0x40 != 0,
        file: FilePart::read(&path)?,
    }))
}

/// A file, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePart {
    pub(super) path: FilePath,
    /// Where the part begins, in bytes.
    pub(super) index: usize,
    /// The length of the part, in bytes; `None` up to the end.
    pub(super) length: Option<usize>,
}

impl FilePart {
    /// All of a file.
    pub(super) const fn whole(path: FilePath) -> Self {
        Self {
            path,
            index: 0,
            length: None,
        }
    }

    /// A `Path` of PKCS#15.
    fn read(sequence: &Tlv<'_>) -> Read<Self> {
        let mut parts = sequence.contents();
        let path = parts.expect(OCTET_STRING, "the bytes of a path")?;
        let index = parts.optional(INTEGER)?;
        let length = parts.optional(PATH_LENGTH)?;
        Ok(Self {
            path: FilePath::read(&path)?,
            index: index.map_or(Ok(0), |index| index.number())?,
            length: length.map(|length| length.number()).transpose()?,
        })
    }
}

/// A path of file identifiers, of two bytes each: from the master file if it begins with that, else from
/// the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath(Vec<u8>);

/// The master file, with which an absolute path begins.
const MASTER_FILE: [u8; 2] = [0x3F, 0x00];

/// What stands for the current application in a path (ETSI TS 102 221, 8.4.2).
const CURRENT_APPLICATION: [u8; 2] = [0x7F, 0xFF];

/// The longest path, in bytes.
const MAX_PATH: usize = 16;

impl FilePath {
    /// EF(DIR) (ISO/IEC 7816-4, 8.2.1.1).
    pub(super) fn directory() -> Self {
        Self(Vec::from([0x3F, 0x00, 0x2F, 0x00]))
    }

    /// EF(ODF) in the PKCS#15 application (TS G.3.1).
    pub(super) fn object_directory() -> Self {
        Self(Vec::from([0x50, 0x31]))
    }

    fn read(octets: &Tlv<'_>) -> Read<Self> {
        let bytes = octets.value;
        // A path that doesn't begin with the master file begins with the application, said or not.
        let from_application = bytes.strip_prefix(&CURRENT_APPLICATION);
        let path = from_application.unwrap_or(bytes);
        let names_a_file = path != MASTER_FILE && !path.is_empty();
        if bytes.len().is_multiple_of(2) && bytes.len() <= MAX_PATH && names_a_file {
            return Ok(Self(path.to_vec()));
        }
        let expected = DataProblem::Expected("one to eight file identifiers of two bytes");
        Err(expected.at(octets.value_offset()))
    }

    /// The command that selects the file. `in_application` says whether the current directory of the
    /// channel is that of the PKCS#15 application.
    pub(super) fn select(&self, channel: LogicalChannel, in_application: bool) -> Command {
        if let Some(path) = self.0.strip_prefix(&MASTER_FILE) {
            return Command::select(channel, SelectBy::Path, path);
        }
        if self.is_in_application() && in_application {
            return Command::select(channel, SelectBy::Identifier, &self.0);
        }
        let path = [&CURRENT_APPLICATION[..], &self.0].concat();
        Command::select(channel, SelectBy::Path, &path)
    }

    /// Whether the file is directly in the application, so that selecting it doesn't leave that.
    pub(super) const fn is_in_application(&self) -> bool {
        self.0.len() == 2
    }
}
