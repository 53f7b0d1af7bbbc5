//! The LwM2M bootstrap file of a smartcard, EF LwM2M_Bootstrap (TS G.3.3).

use alloc::{collections::BTreeSet, vec::Vec};
use core::{convert::Infallible, fmt};

use lwm2m_core::{
    InstanceId, ObjectId, Path, Version,
    codec::{DecodeFailure, Event, Scope, Sink, Untyped},
};
use lwm2m_tlv::{Problem, Reader, decode};
use thiserror::Error;

/// The longest bootstrap file, in bytes (TS G.3.3: 32 KB).
pub const MAX_FILE: usize = 32 * 1024;

/// The bytes before the collection of Objects: the number of Objects, and the size of the collection.
const HEADER: usize = 4;

/// A bootstrap file whose structure has been checked: Objects, and the Object Instances of each as
/// TLV. What the values mean is checked by the tree that takes them: see [`refresh`](super::refresh()).
///
/// [`Debug`](fmt::Debug) shows Objects and versions, but no values, as some are keys.
///
/// ```
/// use lwm2m_core::ObjectId;
/// use lwm2m_statemachine::smartcard::BootstrapFile;
///
/// let file = [
///     0x00, 0x01, 0x00, 0x0B, // one Object, 11 bytes
///     0x00, 0x01, 0x00, 0x00, 0x06, // Object 1, no version, 6 bytes
///     0x03, 0x00, 0xC1, 0x00, 0x65, 0xFF, // Instance 0: Short Server ID 101, cut short
/// ];
/// let error = BootstrapFile::decode(&file).unwrap_err();
/// assert_eq!(error.offset, 14);
///
/// let file = [
///     0x00, 0x01, 0x00, 0x0A, 0x00, 0x01, 0x00, 0x00, 0x05, //
///     0x03, 0x00, 0xC1, 0x00, 0x65, 0xFF, 0xFF, // padding
/// ];
/// let file = BootstrapFile::decode(&file)?;
/// let object = file.objects()[0];
/// assert_eq!((object.object, object.version), (ObjectId::SERVER, None));
/// # Ok::<(), lwm2m_statemachine::smartcard::FileError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BootstrapFile<'f> {
    objects: Vec<CardObject<'f>>,
}

/// An Object in the bootstrap file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CardObject<'f> {
    /// The Object ID.
    pub object: ObjectId,
    /// The version of the Object. `None` if the file leaves it open: then it is 1.0, or whichever the
    /// LwM2M Enabler defines.
    pub version: Option<Version>,
    /// Its Object Instances, as TLV (TS 6.4.3).
    pub instances: &'f [u8],
    /// Where these are, in bytes from the beginning of the file.
    pub offset: usize,
}

/// An Object Instance in the bootstrap file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CardInstance<'f> {
    pub(super) object: ObjectId,
    pub(super) version: Option<Version>,
    pub(super) instance: InstanceId,
    /// Its Resources, as TLV.
    pub(super) resources: &'f [u8],
    /// Where these are, in bytes from the beginning of the file.
    pub(super) offset: usize,
}

/// A bootstrap file that isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset} of the bootstrap file: {problem}")]
pub struct FileError {
    /// Where, in bytes from the beginning of the file.
    pub offset: usize,
    /// What is wrong there.
    pub problem: FileProblem,
}

/// What is wrong with a bootstrap file; see [`FileError`] for where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// The file is longer than [`MAX_FILE`].
    #[error("a file of {0} bytes, expected {MAX_FILE} at most")]
    TooLarge(usize),
    /// The file ends within its header.
    #[error("expected the number of Objects and the size of the collection, two bytes each")]
    Header,
    /// The collection of Objects is longer than the file.
    #[error("a collection of {size} bytes where {available} are left")]
    Size {
        /// What the header says, in bytes.
        size: usize,
        /// What is there, in bytes.
        available: usize,
    },
    /// The collection ends within the header of an Object, or has fewer Objects than the file says.
    #[error("expected an Object: its identifier, its version and its length")]
    Object,
    /// An Object is longer than what is left of the collection.
    #[error("an Object of {length} bytes where {available} are left")]
    Length {
        /// What the header of the Object says, in bytes.
        length: usize,
        /// What is there, in bytes.
        available: usize,
    },
    /// The collection goes on after the last Object.
    #[error("{0} bytes after the last Object of the collection")]
    Trailing(usize),
    /// The Object Instances of an Object aren't Object Instance TLVs.
    #[error("{0}")]
    Tlv(Problem),
    /// An Object Instance is there twice.
    #[error("{0} is there twice")]
    Twice(Path),
}

impl FileProblem {
    pub(super) const fn at(self, offset: usize) -> FileError {
        FileError {
            offset,
            problem: self,
        }
    }
}

impl<'f> BootstrapFile<'f> {
    /// Reads a file, and checks its structure. What follows the collection of Objects is padding.
    ///
    /// A file that says of itself that it has no Objects is a file without Bootstrap Information.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn decode(file: &'f [u8]) -> Result<Self, FileError> {
        if file.len() > MAX_FILE {
            return Err(FileProblem::TooLarge(file.len()).at(MAX_FILE));
        }
        let header = file.split_first_chunk::<HEADER>();
        let (header, rest) = header.ok_or(FileProblem::Header.at(0))?;
        let (count, size) = counts(*header);
        let available = rest.len();
        let collection = rest.get(..size);
        let mut collection = Collection {
            rest: collection.ok_or(FileProblem::Size { size, available }.at(2))?,
            end: HEADER.saturating_add(size),
        };
        let mut objects = Vec::new();
        let mut instances = BTreeSet::new();
        for _ in 0..count {
            let object = collection.object()?;
            check(&object, &mut instances)?;
            objects.push(object);
        }
        match collection.rest.len() {
            0 => Ok(Self { objects }),
            left => Err(FileProblem::Trailing(left).at(collection.offset())),
        }
    }

    /// How much of a file counts, in bytes from its beginning, whatever its length: its header and
    /// the collection of Objects. `prefix` is the beginning of the file. `None` if that is too short
    /// to tell.
    pub fn used_length(prefix: &[u8]) -> Option<usize> {
        let (_, size) = counts(*prefix.first_chunk()?);
        Some(HEADER.saturating_add(size))
    }

    /// The Objects, in their order.
    pub fn objects(&self) -> &[CardObject<'f>] {
        &self.objects
    }

    /// Whether there is no Object Instance in it.
    pub fn is_empty(&self) -> bool {
        self.instances().next().is_none()
    }

    /// The Object Instances, in their order.
    pub(super) fn instances(&self) -> impl Iterator<Item = CardInstance<'f>> {
        self.objects.iter().flat_map(CardObject::instances)
    }
}

impl<'f> CardObject<'f> {
    fn instances(&self) -> impl Iterator<Item = CardInstance<'f>> + use<'f> {
        let Self {
            object,
            version,
            offset,
            ..
        } = *self;
        // They have been checked.
        let instances = Reader::new(self.instances).filter_map(Result::ok);
        instances.filter_map(move |tlv| {
            Some(CardInstance {
                object,
                version,
                instance: InstanceId::new(tlv.id)?,
                resources: tlv.value,
                offset: offset.saturating_add(tlv.value_offset),
            })
        })
    }
}

impl CardInstance<'_> {
    pub(super) const fn path(&self) -> Path {
        Path::Instance(self.object, self.instance)
    }
}

/// The number of Objects, and the size of the collection in bytes.
fn counts([a, b, c, d]: [u8; HEADER]) -> (u16, usize) {
    (
        u16::from_be_bytes([a, b]),
        u16::from_be_bytes([c, d]).into(),
    )
}

/// What is left of the collection of Objects.
struct Collection<'f> {
    rest: &'f [u8],
    /// Where it ends, in bytes from the beginning of the file.
    end: usize,
}

impl<'f> Collection<'f> {
    const fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// The next Object.
    fn object(&mut self) -> Result<CardObject<'f>, FileError> {
        let cut = FileProblem::Object.at(self.offset());
        let (object, rest) = self.rest.split_first_chunk().ok_or(cut)?;
        let (version, rest) = version(rest).ok_or(cut)?;
        let (length, rest) = rest.split_first_chunk().ok_or(cut)?;
        let length = u16::from_be_bytes(*length).into();
        let offset = self.end.saturating_sub(rest.len());
        let Some((instances, rest)) = rest.split_at_checked(length) else {
            let available = rest.len();
            return Err(FileProblem::Length { length, available }.at(offset.saturating_sub(2)));
        };
        self.rest = rest;
        Ok(CardObject {
            object: ObjectId::new(u16::from_be_bytes(*object)),
            version,
            instances,
            offset,
        })
    }
}

/// One byte 00, or a major number from 1 and a minor one.
fn version(bytes: &[u8]) -> Option<(Option<Version>, &[u8])> {
    match *bytes {
        [0, ref rest @ ..] => Some((None, rest)),
        [major, minor, ref rest @ ..] => Some((Some(Version::new(major, minor)), rest)),
        _ => None,
    }
}

/// Checks that an Object consists of Object Instance TLVs, each of which is new.
fn check(object: &CardObject<'_>, known: &mut BTreeSet<Path>) -> Result<(), FileError> {
    let scope = Scope::write(Path::Object(object.object));
    let decoded = decode(object.instances, scope, &Untyped, &mut Nothing);
    decoded.map_err(|DecodeFailure::Malformed(error)| {
        let offset = object.offset.saturating_add(error.offset);
        FileProblem::Tlv(error.problem).at(offset)
    })?;
    for instance in object.instances() {
        if !known.insert(instance.path()) {
            return Err(FileProblem::Twice(instance.path()).at(instance.offset));
        }
    }
    Ok(())
}

/// Takes anything, to check the structure alone.
struct Nothing;

impl Sink for Nothing {
    type Error = Infallible;

    fn event(&mut self, _: Event<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

impl fmt::Debug for BootstrapFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BootstrapFile").field(&self.objects).finish()
    }
}

impl fmt::Debug for CardObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardObject")
            .field("object", &self.object)
            .field("version", &self.version)
            .field("offset", &self.offset)
            .field("length", &self.instances.len())
            .finish()
    }
}
