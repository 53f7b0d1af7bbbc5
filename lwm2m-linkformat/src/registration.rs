//! The list of Objects and Object Instances in Register and Update (TS 5.3.1, 6.2.3, 8.2.2).

use alloc::vec::Vec;
use core::{fmt, iter::FusedIterator};

use lwm2m_core::{ContentFormat, InstanceId, ObjectId, Path, Version};

use crate::{
    attribute::{AttributeValue, Unquoted},
    error::{LinkFormatError, Reason},
    links::{Link, Links},
    located::Located,
    root_path::{RootPath, Target},
    writer::{AttributeWriter, LinkWriter},
};

/// The Security Object, which is in no list (TS 5.3.1).
const SECURITY: ObjectId = ObjectId::new(0);

/// The resource type of the link to where the Objects are (TS 8.2.2).
const RESOURCE_TYPE: &str = "oma.lwm2m";

/// Reads the payload of a Register or Update.
///
/// Objects and Object Instances are below the link with `rt="oma.lwm2m"`, wherever in the
/// list that link stands, otherwise below `/`. There, a target whose first segment is a number
/// must be a valid path. Everything else is skipped: other links, links to Resources, attributes
/// without a meaning here, and the Security Object (0), which a client must not list and a server
/// can't access. Links may repeat.
///
/// ```
/// use lwm2m_core::{InstanceId, ObjectId};
/// use lwm2m_linkformat::{RegistrationLink, RegistrationLinks};
///
/// let mut links = RegistrationLinks::new(r#"</lwm2m/3/0>,</sensors>,</lwm2m>;rt="oma.lwm2m""#);
/// assert_eq!(links.root().as_str(), "/lwm2m");
/// let device = RegistrationLink::Instance {
///     object: ObjectId::new(3),
///     instance: InstanceId::ZERO,
///     version: None,
/// };
/// assert_eq!(links.next(), Some(Ok(device)));
/// assert!(matches!(links.next(), Some(Ok(RegistrationLink::Root { resource_type: true, .. }))));
/// assert_eq!(links.next(), None);
/// ```
#[derive(Clone, Debug)]
pub struct RegistrationLinks<'a> {
    links: Links<'a>,
    /// Where the Objects are; known once the first link has been read.
    root: Option<RootPath<'a>>,
}

/// What a client says about itself in one link.
///
/// A list has these three in every version, and other links are skipped, so it won't grow.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistrationLink<'a> {
    /// Where the Objects are.
    Root {
        /// The root, or the alternate path.
        path: RootPath<'a>,
        /// The content formats that all Objects support beside the mandatory ones (`ct`).
        content_formats: ContentFormats<'a>,
        /// Whether the link has `rt="oma.lwm2m"`.
        resource_type: bool,
    },
    /// An Object without Instances so far, or one whose version is given.
    Object {
        /// Which Object.
        object: ObjectId,
        /// Its version, if given (`ver`); otherwise it is the initial version, 1.0.
        version: Option<Version>,
    },
    /// An Object Instance.
    Instance {
        /// Of which Object.
        object: ObjectId,
        /// Which Object Instance.
        instance: InstanceId,
        /// The version of its Object, if given here (`ver`). In TS 6.2.3 only the Object's own link
        /// has it, and that prevails; LwM2M 1.2 has it here.
        version: Option<Version>,
    },
}

impl<'a> RegistrationLinks<'a> {
    /// The links of this payload: text, or bytes that should be UTF-8.
    pub fn new<D: AsRef<[u8]> + ?Sized>(payload: &'a D) -> Self {
        Self {
            links: Links::new(payload),
            root: None,
        }
    }

    /// Where the Objects are; `/` by default.
    pub fn root(&self) -> RootPath<'a> {
        let root = self.root.or_else(|| {
            let mut list = self.clone();
            list.start();
            list.root
        });
        root.unwrap_or_default()
    }

    /// The first link, and with it the root.
    fn start(&mut self) -> Option<Result<RegistrationLink<'a>, LinkFormatError>> {
        self.root = Some(RootPath::default());
        let mut attributes = RootAttributes::default();
        let first = match self.links.read(|attribute| attributes.take(attribute))? {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        // In most lists the first link is the root's, or no other link has attributes.
        let root_link = if attributes.resource_type() {
            Some(first)
        } else if self.links.may_have_attributes() {
            // The walk will report malformed links.
            let mut links = self.links.clone().map_while(Result::ok);
            links.find(has_resource_type)
        } else {
            None
        };
        let root = match root_link.map(|link| root_path(&link)) {
            None => RootPath::default(),
            Some(Ok(root)) => root,
            Some(Err(error)) => return Some(Err(self.fail(error))),
        };
        self.root = Some(root);
        let item = if attributes.resource_type() {
            attributes.root(root).map(Some)
        } else {
            RegistrationLink::read(&first, root)
        };
        match item {
            Ok(item) => item.map(Ok),
            Err(error) => Some(Err(self.fail(error))),
        }
    }

    #[cold]
    const fn fail(&mut self, error: LinkFormatError) -> LinkFormatError {
        self.links.end();
        error
    }
}

impl<'a> Iterator for RegistrationLinks<'a> {
    type Item = Result<RegistrationLink<'a>, LinkFormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let root = match self.root {
            Some(root) => root,
            None => match self.start() {
                Some(item) => return Some(item),
                None => self.root?,
            },
        };
        loop {
            // Most links name an Object Instance and nothing else.
            match self.links.take_plain(|target| root.leading_object(target)) {
                Some((SECURITY, _)) => continue,
                Some((object, Some(instance))) => {
                    return Some(Ok(RegistrationLink::Instance {
                        object,
                        instance,
                        version: None,
                    }));
                }
                Some((object, None)) => {
                    let version = None;
                    return Some(Ok(RegistrationLink::Object { object, version }));
                }
                None => {}
            }
            let link = match self.links.read(|_| {})? {
                Ok(link) => link,
                Err(error) => return Some(Err(error)),
            };
            match RegistrationLink::read(&link, root) {
                Ok(Some(item)) => return Some(Ok(item)),
                Ok(None) => {}
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
    }
}

impl FusedIterator for RegistrationLinks<'_> {}

impl<'a> RegistrationLink<'a> {
    fn read(link: &Link<'a>, root: RootPath<'a>) -> Result<Option<Self>, LinkFormatError> {
        let target = root.resolve(link.target);
        let target = target.map_err(|error| link.target_error(Reason::Path(error)))?;
        match target {
            Target::Root => RootAttributes::of(link).root(root).map(Some),
            Target::Path(Path::Object(SECURITY) | Path::Instance(SECURITY, _)) => Ok(None),
            Target::Path(Path::Object(object)) => {
                let version = version(link)?;
                Ok(Some(Self::Object { object, version }))
            }
            Target::Path(Path::Instance(object, instance)) => Ok(Some(Self::Instance {
                object,
                instance,
                version: instance_version(link),
            })),
            Target::Path(_) | Target::Foreign => Ok(None),
        }
    }
}

/// The attributes with a meaning in the root link.
#[derive(Default)]
struct RootAttributes<'a> {
    resource_type: Option<bool>,
    content_formats: Option<Located<'a>>,
}

impl<'a> RootAttributes<'a> {
    fn of(link: &Link<'a>) -> Self {
        let mut taken = Self::default();
        let mut attributes = link.attributes();
        while let Some(attribute) = attributes.next_located() {
            taken.take(attribute);
        }
        taken
    }

    #[inline]
    fn take(&mut self, (name, located): (&'a str, Located<'a>)) {
        match name {
            "rt" if self.resource_type.is_none() => {
                self.resource_type = Some(located.value.is_some_and(is_resource_type));
            }
            "ct" if self.content_formats.is_none() => self.content_formats = Some(located),
            _ => {}
        }
    }

    #[inline]
    fn resource_type(&self) -> bool {
        self.resource_type == Some(true)
    }

    #[inline]
    fn root(self, path: RootPath<'a>) -> Result<RegistrationLink<'a>, LinkFormatError> {
        let content_formats = self.content_formats.map(ContentFormats::read);
        Ok(RegistrationLink::Root {
            path,
            content_formats: content_formats.transpose()?.unwrap_or_default(),
            resource_type: self.resource_type(),
        })
    }
}

/// The alternate path that a link with `rt="oma.lwm2m"` leads to.
fn root_path<'a>(link: &Link<'a>) -> Result<RootPath<'a>, LinkFormatError> {
    let error = |error| link.target_error(Reason::RootPath(error));
    RootPath::new(link.target).map_err(error)
}

fn has_resource_type(link: &Link<'_>) -> bool {
    link.value("rt").is_some_and(is_resource_type)
}

/// Whether this value of `rt`, one type or several with blanks between them, is LwM2M's.
fn is_resource_type(value: AttributeValue<'_>) -> bool {
    let among = |types: &str| types.split(' ').any(|name| name == RESOURCE_TYPE);
    value == RESOURCE_TYPE || value.as_str().is_some_and(among)
}

/// `ver` of a link to an Object (TS 6.2.3).
#[inline]
pub(crate) fn version(link: &Link<'_>) -> Result<Option<Version>, LinkFormatError> {
    link.find("ver").map(Located::version).transpose()
}

/// `ver` of a link to an Object Instance. In TS 6.2.3 it has no meaning there, so a malformed one is
/// ignored.
#[inline]
pub(crate) fn instance_version(link: &Link<'_>) -> Option<Version> {
    link.find("ver")?.version().ok()
}

/// The content formats that a root link names (`ct`): an iterator over their numbers.
///
/// Unknown formats are formats too.
#[derive(Clone, Default)]
pub struct ContentFormats<'a> {
    chars: Unquoted<'a>,
}

impl<'a> ContentFormats<'a> {
    /// Reads `ct`: one number, or several with blanks between them (RFC 7252, section 7.2.1), in
    /// quotes or without.
    fn read(ct: Located<'a>) -> Result<Self, LinkFormatError> {
        let chars = ct.value()?.chars();
        let mut rest = Self {
            chars: chars.clone(),
        };
        while let Some(format) = rest.format() {
            if format.is_err() {
                return Err(ct.error(Reason::ContentFormat));
            }
        }
        Ok(Self { chars })
    }

    #[inline]
    fn format(&mut self) -> Option<Result<ContentFormat, ()>> {
        let first = self.chars.find(|c| *c != ' ')?;
        let mut number = Some(0u16);
        let mut next = Some(first);
        while let Some(c) = next.filter(|c| *c != ' ') {
            number = number.and_then(|number| {
                let digit = u16::try_from(c.to_digit(10)?).ok()?;
                number.checked_mul(10)?.checked_add(digit)
            });
            next = self.chars.next();
        }
        Some(number.map(ContentFormat::new).ok_or(()))
    }
}

impl Iterator for ContentFormats<'_> {
    type Item = ContentFormat;

    #[inline]
    fn next(&mut self) -> Option<ContentFormat> {
        self.format()?.ok()
    }
}

impl FusedIterator for ContentFormats<'_> {}

impl fmt::Debug for ContentFormats<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl PartialEq for ContentFormats<'_> {
    /// Whether both name the same formats in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

/// Where the Objects of a client are, and in which formats.
///
/// Its link is written if any of these isn't the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistrationRoot<'a> {
    /// The root, or an alternate path (TS 8.2.2).
    pub path: RootPath<'a>,
    /// The formats that all Objects support beside the mandatory ones. TS 5.3.1 asks for JSON here.
    pub content_formats: &'a [ContentFormat],
    /// Whether the root has `rt="oma.lwm2m"`, too. An alternate path always has.
    pub resource_type: bool,
}

/// Writes the payload of a Register or Update.
///
/// ```
/// use lwm2m_core::{ContentFormat, InstanceId, ObjectId};
/// use lwm2m_linkformat::{RegistrationRoot, RegistrationWriter};
///
/// let root = RegistrationRoot {
///     content_formats: &[ContentFormat::JSON],
///     ..RegistrationRoot::default()
/// };
/// let mut payload = Vec::new();
/// let mut list = RegistrationWriter::new(&mut payload, root);
/// list.object(ObjectId::new(3), None, InstanceId::new(0));
/// list.object(ObjectId::new(5), None, []);
/// assert_eq!(payload, b"</>;ct=11543,</3/0>,</5>");
/// ```
#[derive(Debug)]
pub struct RegistrationWriter<'b, 'r> {
    links: LinkWriter<'b>,
    root: RootPath<'r>,
}

impl<'b, 'r> RegistrationWriter<'b, 'r> {
    /// Appends a list to `out`, beginning with the link to the root if that is needed.
    pub fn new(out: &'b mut Vec<u8>, root: RegistrationRoot<'r>) -> Self {
        // A list has about a hundred bytes, so a new vector need not grow often.
        if out.capacity() == 0 {
            out.reserve(128);
        }
        let mut links = LinkWriter::new(out);
        let RegistrationRoot {
            path,
            content_formats,
            resource_type,
        } = root;
        let resource_type = resource_type || !path.is_root();
        if resource_type || !content_formats.is_empty() {
            let mut link = links.raw_link(path.as_str(), []);
            if resource_type {
                link = link.raw(format_args!(";rt=\"oma.lwm2m\""));
            }
            write_content_formats(link, content_formats);
        }
        Self { links, root: path }
    }

    /// An Object and its Instances.
    ///
    /// The Object has a link of its own if there is a version to write (TS 6.2.3, Table 19) or if it
    /// has no Instances. The Security Object (0) is left out (TS 5.3.1).
    pub fn object(
        &mut self,
        object: ObjectId,
        version: Option<Version>,
        instances: impl IntoIterator<Item = InstanceId>,
    ) {
        if object == SECURITY {
            return;
        }
        let mut instances = instances.into_iter().peekable();
        let prefix = self.root.prefix();
        if version.is_some() || instances.peek().is_none() {
            self.links
                .raw_link(prefix, [object.get()])
                .optional("ver", version);
        }
        for instance in instances {
            self.links.raw_link(prefix, [object.get(), instance.get()]);
        }
    }
}

fn write_content_formats(link: AttributeWriter<'_>, formats: &[ContentFormat]) {
    match formats {
        [] => {}
        [format] => {
            link.raw(format_args!(";ct={}", format.number()));
        }
        [first, rest @ ..] => {
            let link = link.raw(format_args!(";ct=\"{}", first.number()));
            let link = rest.iter().fold(link, |link, format| {
                link.raw(format_args!(" {}", format.number()))
            });
            link.raw(format_args!("\""));
        }
    }
}
