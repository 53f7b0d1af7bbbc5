//! The answer to Discover (TS 5.4.2).

use alloc::vec::Vec;
use core::iter::FusedIterator;

use lwm2m_core::{AttributeError, AttributeName, Attributes, Path, Version};

use crate::{
    attribute::Attribute,
    error::{LinkFormatError, Reason},
    links::{Link, Links},
    root_path::{RootPath, Target},
    writer::{AttributeWriter, LinkWriter},
};

/// Reads the answer to a Discover.
///
/// Paths are read with and without the client's alternate path. Clients write both, and no segment of
/// an alternate path is a number, so the two can't be confused. A target whose first segment is a
/// number must be a valid path, and the attributes of LwM2M must have valid values, at whatever level
/// they are. Other links are skipped; other attributes are kept.
///
/// ```
/// use lwm2m_linkformat::{DiscoverLinks, RootPath};
///
/// let answer = "</3/0/7>;dim=8;pmin=10;pmax=60;gt=50;lt=42.2";
/// let link = DiscoverLinks::new(answer, RootPath::default()).next().unwrap()?;
/// assert_eq!(link.path.to_string(), "/3/0/7");
/// assert_eq!(link.dimension, Some(8));
/// assert_eq!(link.attributes.lt, Some(42.2));
/// # Ok::<(), lwm2m_linkformat::LinkFormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DiscoverLinks<'a> {
    links: Links<'a>,
    root: RootPath<'a>,
}

/// What a client says about an Object, an Object Instance, a Resource or a Resource Instance.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DiscoverLink<'a> {
    /// The path, without the alternate path.
    pub path: Path,
    /// How many Instances a multiple Resource has (`dim`), up to 255 (TS Table 3).
    pub dimension: Option<u8>,
    /// The version of an Object, if given (`ver`).
    pub version: Option<Version>,
    /// The attributes that govern notifications: those of this level or, if a Resource was asked
    /// for, the inherited ones too. They aren't checked against each other.
    pub attributes: Attributes,
    /// The link as it is written.
    pub link: Link<'a>,
}

impl<'a> DiscoverLinks<'a> {
    /// The links of this answer, of a client whose Objects are under `root`.
    pub fn new<D: AsRef<[u8]> + ?Sized>(payload: &'a D, root: RootPath<'a>) -> Self {
        let links = Links::new(payload);
        Self { links, root }
    }
}

impl<'a> Iterator for DiscoverLinks<'a> {
    type Item = Result<DiscoverLink<'a>, LinkFormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let root = self.root;
        self.links
            .find_document_link(|link| DiscoverLink::read(link, root))
    }
}

impl FusedIterator for DiscoverLinks<'_> {}

impl<'a> DiscoverLink<'a> {
    /// The attributes that aren't of LwM2M.
    pub fn other_attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.link
            .attributes()
            .filter(|attribute| AttributeName::from_link_param(attribute.name).is_none())
    }

    fn read(link: Link<'a>, root: RootPath<'a>) -> Result<Option<Self>, LinkFormatError> {
        let target = match root.resolve(link.target) {
            Ok(Target::Foreign) => RootPath::default().resolve(link.target),
            target => target,
        };
        let path = match target.map_err(|error| link.target_error(Reason::Path(error)))? {
            Target::Foreign => return Ok(None),
            Target::Root => Path::Root,
            Target::Path(path) => path,
        };
        let mut dimension = None;
        let mut version = None;
        let mut attributes = Attributes::NONE;
        let mut rest = link.attributes();
        // Of a repeated name the first one counts, whatever follows (RFC 6690, section 2).
        while let Some((name, located)) = rest.next_located() {
            let Some(known) = AttributeName::from_link_param(name) else {
                continue;
            };
            let (seen, reason) = match known {
                AttributeName::Dimension => {
                    if dimension.is_none() {
                        dimension = Some(located.dimension()?);
                    }
                    continue;
                }
                AttributeName::ObjectVersion => {
                    if version.is_none() {
                        version = Some(located.version()?);
                    }
                    continue;
                }
                AttributeName::MinimumPeriod => (attributes.pmin.is_some(), Reason::Integer),
                AttributeName::MaximumPeriod => (attributes.pmax.is_some(), Reason::Integer),
                AttributeName::GreaterThan => (attributes.gt.is_some(), Reason::Number),
                AttributeName::LessThan => (attributes.lt.is_some(), Reason::Number),
                AttributeName::Step => (attributes.st.is_some(), Reason::Number),
                // An attribute that isn't known here.
                _ => continue,
            };
            if !seen {
                located.parse(reason, |value| {
                    attributes.set_link_attribute(name, value).then_some(())
                })?;
            }
        }
        Ok(Some(Self {
            path,
            dimension,
            version,
            attributes,
            link,
        }))
    }
}

/// Writes the answer to a Discover.
///
/// ```
/// use lwm2m_core::{Attributes, Path};
/// use lwm2m_linkformat::{DiscoverWriter, RootPath};
///
/// let set = Attributes { gt: Some(50.0), lt: Some(42.2), ..Attributes::NONE };
/// let mut payload = Vec::new();
/// let mut answer = DiscoverWriter::new(&mut payload, RootPath::default());
/// answer.link(Path::of(&[3, 0, 6]).unwrap()).dimension(8);
/// answer.link(Path::of(&[3, 0, 7]).unwrap()).dimension(8).attributes(&set)?;
/// assert_eq!(payload, b"</3/0/6>;dim=8,</3/0/7>;dim=8;gt=50;lt=42.2");
/// # Ok::<(), lwm2m_core::AttributeError>(())
/// ```
#[derive(Debug)]
pub struct DiscoverWriter<'b, 'r> {
    links: LinkWriter<'b>,
    root: RootPath<'r>,
}

impl<'b, 'r> DiscoverWriter<'b, 'r> {
    /// Appends an answer to `out`, of a client whose Objects are under `root`.
    pub const fn new(out: &'b mut Vec<u8>, root: RootPath<'r>) -> Self {
        let links = LinkWriter::new(out);
        Self { links, root }
    }

    /// Begins a link. The returned writer adds its attributes.
    pub fn link(&mut self, path: Path) -> DiscoverAttributeWriter<'_> {
        let link = match path {
            Path::Root => self.links.raw_link(self.root.as_str(), []),
            path => self.links.raw_link(self.root.prefix(), path.segments()),
        };
        DiscoverAttributeWriter { link }
    }
}

/// Appends attributes to the link that was begun last, in the order of the calls. The specification
/// has them in the order of the methods.
#[derive(Debug)]
pub struct DiscoverAttributeWriter<'b> {
    link: AttributeWriter<'b>,
}

#[allow(clippy::return_self_not_must_use, reason = "a link may end anywhere")]
impl DiscoverAttributeWriter<'_> {
    /// The version of an Object (`ver`; TS 6.2.3).
    pub fn version(self, version: Version) -> Self {
        let link = self.link.raw(format_args!(";ver={version}"));
        Self { link }
    }

    /// How many Instances a multiple Resource has (`dim`). With more than 255 (TS Table 3), leave the
    /// attribute out.
    pub fn dimension(self, dimension: u8) -> Self {
        let link = self.link.raw(format_args!(";dim={dimension}"));
        Self { link }
    }

    /// The attributes that govern notifications. They may be inherited from several levels, so they
    /// aren't checked against each other.
    ///
    /// # Errors
    ///
    /// A number that is [out of range](Attributes::check_ranges). Nothing was written then.
    pub fn attributes(self, attributes: &Attributes) -> Result<Self, AttributeError> {
        attributes.check_ranges()?;
        let link = self.link.raw(format_args!("{attributes}"));
        Ok(Self { link })
    }
}
