//! The list of Objects and Object Instances in Register and Update (TS 5.3.1, 6.2.3, 8.2.2).

use alloc::vec::Vec;
use core::iter::{self, FusedIterator};

use lwm2m_core::{ContentFormat, InstanceId, ObjectId, Path, Version};

use crate::{
    AttributeWriter, Link, LinkFormatError, LinkWriter, Links, Reason, RootPath, Unquoted,
    located::Located, root_path::Target,
};

/// The Security Object, which is in no list (TS 5.3.1).
const SECURITY: ObjectId = ObjectId::new(0);

/// The resource type of the link to where the Objects are (TS 8.2.2).
const RESOURCE_TYPE: &str = "oma.lwm2m";

/// Reads the payload of a Register or Update.
///
/// Objects and Object Instances are those below the link with `rt="oma.lwm2m"`, wherever in the
/// list that link stands, else those below `/`. Below it, a target whose first segment is a number
/// must be a right path. Everything else is no concern of LwM2M and is passed over: other links,
/// links to Resources, attributes without a meaning there, and the Security Object (0), which a
/// client must not list and on which a server can do nothing. Links may come twice.
///
/// ```
/// use lwm2m_core::{InstanceId, ObjectId};
/// use lwm2m_linkformat::{RegistrationLink, RegistrationLinks};
///
/// let mut links = RegistrationLinks::new(r#"</lwm2m/3/0>,</sensors>,</lwm2m>;rt="oma.lwm2m""#);
/// assert_eq!(links.root().as_str(), "/lwm2m");
/// let device = RegistrationLink::Instance {
///     object: ObjectId::new(3),
///     instance: InstanceId::new(0).unwrap(),
/// };
/// assert_eq!(links.next(), Some(Ok(device)));
/// assert!(matches!(links.next(), Some(Ok(RegistrationLink::Root { resource_type: true, .. }))));
/// assert_eq!(links.next(), None);
/// ```
#[derive(Clone, Debug)]
pub struct RegistrationLinks<'a> {
    links: Links<'a>,
    root: RootPath<'a>,
    /// The link with `rt="oma.lwm2m"` leads to what cannot be an alternate path.
    wrong_root: Option<LinkFormatError>,
}

/// What a client says about itself in one link.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistrationLink<'a> {
    /// Where the Objects are.
    Root {
        /// The root, or the alternate path.
        path: RootPath<'a>,
        /// The content formats that all Objects support, beside those that are mandatory (`ct`).
        content_formats: ContentFormats<'a>,
        /// Whether the link says `rt="oma.lwm2m"`.
        resource_type: bool,
    },
    /// An Object: one without Instances so far, or one whose version is told.
    Object {
        /// Which Object.
        object: ObjectId,
        /// Its version, if it is told (`ver`); it is the initial version, 1.0, if not.
        version: Option<Version>,
    },
    /// An Object Instance.
    Instance {
        /// Of which Object.
        object: ObjectId,
        /// Which Object Instance.
        instance: InstanceId,
    },
}

impl<'a> RegistrationLinks<'a> {
    /// The links of this payload: text, or bytes that should be UTF-8.
    pub fn new<D: AsRef<[u8]> + ?Sized>(payload: &'a D) -> Self {
        let links = Links::new(payload);
        // What is malformed is reported when the walk comes there.
        let root = links
            .clone()
            .map_while(Result::ok)
            .find(has_resource_type)
            .map(|link| {
                RootPath::new(link.target)
                    .map_err(|error| link.target_error(Reason::RootPath(error)))
            });
        let (root, wrong_root) = match root {
            None => (RootPath::default(), None),
            Some(Ok(root)) => (root, None),
            Some(Err(error)) => (RootPath::default(), Some(error)),
        };
        Self {
            links,
            root,
            wrong_root,
        }
    }

    /// Where the Objects are: `/` unless the list says otherwise.
    pub const fn root(&self) -> RootPath<'a> {
        self.root
    }
}

impl<'a> Iterator for RegistrationLinks<'a> {
    type Item = Result<RegistrationLink<'a>, LinkFormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.wrong_root.take() {
            self.links.end();
            return Some(Err(error));
        }
        let root = self.root;
        self.links
            .find_document_link(|link| RegistrationLink::read(&link, root))
    }
}

impl FusedIterator for RegistrationLinks<'_> {}

impl<'a> RegistrationLink<'a> {
    fn read(link: &Link<'a>, root: RootPath<'a>) -> Result<Option<Self>, LinkFormatError> {
        let target = root.resolve(link.target);
        let target = target.map_err(|error| link.target_error(Reason::Path(error)))?;
        Ok(Some(match target {
            Target::Root => Self::Root {
                path: root,
                content_formats: ContentFormats::of(link)?,
                resource_type: has_resource_type(link),
            },
            Target::Path(Path::Object(object) | Path::Instance(object, _))
                if object == SECURITY =>
            {
                return Ok(None);
            }
            Target::Path(Path::Object(object)) => Self::Object {
                object,
                version: version(link)?,
            },
            Target::Path(Path::Instance(object, instance)) => Self::Instance { object, instance },
            Target::Path(_) | Target::Foreign => return Ok(None),
        }))
    }
}

fn has_resource_type(link: &Link<'_>) -> bool {
    link.value("rt").is_some_and(|value| match value.as_str() {
        // `rt` may name several types, with blanks between them.
        Some(types) => types.split(' ').any(|name| name == RESOURCE_TYPE),
        None => value == RESOURCE_TYPE,
    })
}

/// `ver` of a link to an Object (TS 6.2.3).
pub(crate) fn version(link: &Link<'_>) -> Result<Option<Version>, LinkFormatError> {
    link.find("ver").map(Located::version).transpose()
}

/// The content formats that a root link names (`ct`): an iterator over their numbers.
///
/// Formats that are not known are formats, too.
#[derive(Clone, Debug)]
pub struct ContentFormats<'a> {
    chars: Unquoted<'a>,
}

impl<'a> ContentFormats<'a> {
    /// Reads `ct`: one number, or several with blanks between them (RFC 7252, section 7.2.1).
    fn of(link: &Link<'a>) -> Result<Self, LinkFormatError> {
        let Some(ct) = link.find("ct") else {
            let chars = Unquoted::default();
            return Ok(Self { chars });
        };
        let formats = Self {
            chars: ct.value()?.chars(),
        };
        let mut rest = formats.clone();
        loop {
            match rest.number() {
                Some(Ok(_)) => {}
                Some(Err(reason)) => return Err(ct.error(reason)),
                None => return Ok(formats),
            }
        }
    }

    fn number(&mut self) -> Option<Result<ContentFormat, Reason>> {
        let first = self.chars.find(|c| *c != ' ')?;
        let digits = iter::once(first).chain(self.chars.by_ref().take_while(|c| *c != ' '));
        let number = digits
            .map(|c| c.to_digit(10))
            .try_fold(0u16, |number, digit| {
                let digit = u16::try_from(digit?).ok()?;
                number.checked_mul(10)?.checked_add(digit)
            });
        Some(number.map(ContentFormat::new).ok_or(Reason::ContentFormat))
    }
}

impl Iterator for ContentFormats<'_> {
    type Item = ContentFormat;

    fn next(&mut self) -> Option<ContentFormat> {
        self.number()?.ok()
    }
}

impl FusedIterator for ContentFormats<'_> {}

impl PartialEq for ContentFormats<'_> {
    /// Whether both name the same formats in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

/// What a client says about where its Objects are.
///
/// The link is written if there is something to say: by default there is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistrationRoot<'a> {
    /// The root, or an alternate path (TS 8.2.2).
    pub path: RootPath<'a>,
    /// The formats that all Objects support beside the mandatory ones; JSON is what TS 5.3.1 asks
    /// to be told.
    pub content_formats: &'a [ContentFormat],
    /// Whether to say `rt="oma.lwm2m"` of the root, too; of an alternate path it is always said.
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
    /// Appends a list to `out`, beginning with the link to the root if that has something to say.
    pub fn new(out: &'b mut Vec<u8>, root: RegistrationRoot<'r>) -> Self {
        let mut links = LinkWriter::new(out);
        let RegistrationRoot {
            path,
            content_formats,
            resource_type,
        } = root;
        let resource_type = resource_type || !path.is_root();
        if resource_type || !content_formats.is_empty() {
            let mut link = links.raw_link(format_args!("{path}"));
            if resource_type {
                link = link.raw(format_args!(";rt=\"{RESOURCE_TYPE}\""));
            }
            write_content_formats(link, content_formats);
        }
        Self { links, root: path }
    }

    /// An Object and its Instances.
    ///
    /// The Object itself is linked if its version is to be told (TS 6.2.3, Table 19) or if it has
    /// no Instances. The Security Object (0) is left out (TS 5.3.1).
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
                .raw_link(format_args!("{prefix}/{object}"))
                .optional("ver", version);
        }
        for instance in instances {
            self.links
                .raw_link(format_args!("{prefix}/{object}/{instance}"));
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
