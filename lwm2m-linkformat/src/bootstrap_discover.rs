//! The answer to Bootstrap-Discover (TS 5.2.7.3).

use alloc::vec::Vec;
use core::iter::FusedIterator;

use lwm2m_core::{InstanceId, ObjectId, Path, ShortServerId, Version};

use crate::{
    error::{LinkFormatError, Reason},
    links::{Link, Links},
    located::Located,
    registration::{instance_version, version},
    root_path::{RootPath, Target},
    writer::LinkWriter,
};

/// Reads the answer to a Bootstrap-Discover.
///
/// Paths are never under an alternate path here (TS 8.2.2). A target whose first segment is a
/// number must be a valid path. Other links and links to Resources are skipped.
///
/// ```
/// use lwm2m_core::Version;
/// use lwm2m_linkformat::{BootstrapDiscoverLink, BootstrapDiscoverLinks};
///
/// let mut links = BootstrapDiscoverLinks::new(r#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</5>"#);
/// assert_eq!(links.next(), Some(Ok(BootstrapDiscoverLink::Enabler(Version::INITIAL))));
/// let servers = links.filter(|link| {
///     matches!(link, Ok(BootstrapDiscoverLink::Instance { short_server_id: Some(_), .. }))
/// });
/// assert_eq!(servers.count(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct BootstrapDiscoverLinks<'a> {
    links: Links<'a>,
}

/// What a client says about itself in one element of the answer.
///
/// An answer has these three in every version, and other links are skipped, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapDiscoverLink {
    /// The version of the LwM2M Enabler that the client supports (`lwm2m`).
    Enabler(Version),
    /// An Object without Instances, or one whose version is given.
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
        /// The Short Server ID (`ssid`) of an Instance of the Security Object (0) or of the Server
        /// Object (1). The account of the Bootstrap-Server has none.
        short_server_id: Option<ShortServerId>,
        /// The version of its Object, if given here (`ver`). In TS 6.2.3 only the Object's own link
        /// has it, and that prevails; LwM2M 1.2 has it here.
        version: Option<Version>,
    },
}

impl<'a> BootstrapDiscoverLinks<'a> {
    /// The elements of this answer: text, or bytes that should be UTF-8.
    pub fn new<D: AsRef<[u8]> + ?Sized>(payload: &'a D) -> Self {
        let links = Links::new(payload);
        Self { links }
    }

    /// The element without a target, which only stands at the beginning: `lwm2m="1.0"`.
    fn enabler(&mut self) -> Result<Option<BootstrapDiscoverLink>, LinkFormatError> {
        match self.links.leading_element("lwm2m")? {
            None => Ok(None),
            Some(lwm2m) => match lwm2m.version() {
                Ok(version) => Ok(Some(BootstrapDiscoverLink::Enabler(version))),
                Err(error) => {
                    self.links.end();
                    Err(error)
                }
            },
        }
    }
}

impl Iterator for BootstrapDiscoverLinks<'_> {
    type Item = Result<BootstrapDiscoverLink, LinkFormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(enabler) = self.enabler().transpose() {
            return Some(enabler);
        }
        self.links.find_document_link(BootstrapDiscoverLink::read)
    }
}

impl FusedIterator for BootstrapDiscoverLinks<'_> {}

impl BootstrapDiscoverLink {
    fn read(link: Link<'_>) -> Result<Option<Self>, LinkFormatError> {
        let target = RootPath::default().resolve(link.target);
        let target = target.map_err(|error| link.target_error(Reason::Path(error)))?;
        Ok(Some(match target {
            // LwM2M 1.1 and later write `</>;lwm2m=1.1`.
            Target::Root => match link.find("lwm2m") {
                Some(lwm2m) => Self::Enabler(lwm2m.version()?),
                None => return Ok(None),
            },
            Target::Path(Path::Object(object)) => Self::Object {
                object,
                version: version(&link)?,
            },
            Target::Path(Path::Instance(object, instance)) => Self::Instance {
                object,
                instance,
                short_server_id: link
                    .find("ssid")
                    .map(Located::short_server_id)
                    .transpose()?,
                version: instance_version(&link),
            },
            Target::Path(_) | Target::Foreign => return Ok(None),
        }))
    }
}

/// Writes the answer to a Bootstrap-Discover.
///
/// ```
/// use lwm2m_core::{InstanceId, ObjectId, ShortServerId, Version};
/// use lwm2m_linkformat::BootstrapDiscoverWriter;
///
/// let [zero, one] = [0, 1].map(|id| InstanceId::new(id).unwrap());
/// let mut payload = Vec::new();
/// let mut answer = BootstrapDiscoverWriter::new(&mut payload, Version::INITIAL);
/// answer.object(ObjectId::new(0), None, [(zero, ShortServerId::new(101)), (one, None)]);
/// answer.object(ObjectId::new(5), None, []);
/// assert_eq!(payload, br#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</5>"#);
/// ```
#[derive(Debug)]
pub struct BootstrapDiscoverWriter<'b> {
    links: LinkWriter<'b>,
}

impl<'b> BootstrapDiscoverWriter<'b> {
    /// Appends an answer to `out`, beginning with the version of the LwM2M Enabler.
    pub fn new(out: &'b mut Vec<u8>, enabler: Version) -> Self {
        let mut links = LinkWriter::new(out);
        links.raw_element(format_args!("lwm2m=\"{enabler}\""));
        Self { links }
    }

    /// An Object and its Instances, those of the Security Object (0) and of the Server Object (1)
    /// with their Short Server IDs.
    ///
    /// The Object has a link of its own if there is a version to write (TS 6.2.3, Table 19) or if it
    /// has no Instances.
    pub fn object(
        &mut self,
        object: ObjectId,
        version: Option<Version>,
        instances: impl IntoIterator<Item = (InstanceId, Option<ShortServerId>)>,
    ) {
        let mut instances = instances.into_iter().peekable();
        if version.is_some() || instances.peek().is_none() {
            self.links
                .raw_link("", [object.get()])
                .optional("ver", version);
        }
        for (instance, short_server_id) in instances {
            self.links
                .raw_link("", [object.get(), instance.get()])
                .optional("ssid", short_server_id);
        }
    }
}
