//! Lists of paths.

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, Path,
    codec::{DecodeFailure, Encode, EncodeError, Event, Format, Purpose, Scope, Sink, TypeLookup},
};

use crate::{
    error::{LinkFormatError, Reason},
    links::{Link, Links},
    root_path::{RootPath, Target},
    writer::LinkWriter,
};

/// Link-format as a [`Format`] of paths without values: [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkFormat;

impl Format for LinkFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::LINK_FORMAT;
    type Malformed = LinkFormatError;
    type Encoder<'b> = Encoder<'b>;

    fn carries(scope: Scope) -> bool {
        carries(scope)
    }

    fn decode<S: Sink + ?Sized>(
        payload: &[u8],
        scope: Scope,
        _: &(impl TypeLookup + ?Sized),
        sink: &mut S,
    ) -> Result<(), DecodeFailure<LinkFormatError, S::Error>> {
        decode(payload, scope, sink)
    }

    fn encoder(buffer: &mut Vec<u8>, scope: Scope) -> Encoder<'_> {
        Encoder::new(buffer, scope)
    }
}

/// Link-format carries paths alone.
fn carries(scope: Scope) -> bool {
    scope.purpose() == Purpose::Paths
}

/// Reads the paths that a document links to, and pushes each as [`Event::Path`].
///
/// Any document will do: the list of a Register, the answer to a Discover. `</>` is the root. A target
/// whose first segment is a number must be a valid path. Other links and all attributes are skipped.
/// Paths below an alternate path (TS 8.2.2) are for [`DiscoverLinks`](crate::DiscoverLinks), which is
/// told that path.
///
/// ```
/// use lwm2m_core::codec::{PathList, Scope};
/// use lwm2m_linkformat::decode;
///
/// let mut paths = PathList::new();
/// decode(b"</3/0>;pmin=10,</3/0/9>,</sensors>", Scope::paths(), &mut paths)?;
/// assert_eq!(paths.as_slice(), ["/3/0".parse()?, "/3/0/9".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`DecodeFailure::Malformed`], also if the scope isn't that of a list of paths; or what the sink
/// refuses.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    scope: Scope,
    sink: &mut S,
) -> Result<(), DecodeFailure<LinkFormatError, S::Error>> {
    if !carries(scope) {
        let error = LinkFormatError::new(0, Reason::Purpose(scope.purpose()));
        return Err(DecodeFailure::Malformed(error));
    }
    let mut links = Links::new(payload);
    while let Some(path) = links.find_document_link(path) {
        let path = path.map_err(DecodeFailure::Malformed)?;
        sink.event(Event::Path(path)).map_err(DecodeFailure::Sink)?;
    }
    Ok(())
}

/// The path that a link leads to, if it is of LwM2M.
fn path(link: Link<'_>) -> Result<Option<Path>, LinkFormatError> {
    match RootPath::default().resolve(link.target) {
        Ok(Target::Root) => Ok(Some(Path::Root)),
        Ok(Target::Path(path)) => Ok(Some(path)),
        Ok(Target::Foreign) => Ok(None),
        Err(error) => Err(link.target_error(Reason::Path(error))),
    }
}

/// The sink that writes a link without attributes for each path.
///
/// After an error it refuses every event, and its end, with that error. If it is dropped without a
/// successful [`finish`](Self::finish), the buffer is as it was.
///
/// ```
/// use lwm2m_core::{Path, codec::{PathList, Scope}};
/// use lwm2m_linkformat::Encoder;
///
/// let paths: PathList = ["/0/0".parse()?, "/3".parse()?].into_iter().collect();
/// let mut payload = Vec::new();
/// let mut encoder = Encoder::new(&mut payload, Scope::paths());
/// paths.push(&mut encoder)?;
/// encoder.finish()?;
/// assert_eq!(payload, b"</0/0>,</3>");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'b> {
    links: LinkWriter<'b>,
    /// The length that the buffer is cut to if the encoder is dropped.
    keep: usize,
    takes_paths: bool,
    error: Option<EncodeError>,
}

impl<'b> Encoder<'b> {
    /// Begins a payload at the end of the buffer.
    pub fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        let links = LinkWriter::new(buffer);
        Self {
            keep: links.len(),
            links,
            takes_paths: carries(scope),
            error: None,
        }
    }

    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event. Then the buffer is as it was.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.keep = self.links.len();
        Ok(())
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    /// Refuses whatever isn't a path, and every event if the scope isn't that of a list of paths.
    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        match (event, self.error) {
            (_, Some(error)) => Err(error),
            (Event::Path(path), None) if self.takes_paths => {
                match path {
                    Path::Root => self.links.raw_link("/", []),
                    path => self.links.raw_link("", path.segments()),
                };
                Ok(())
            }
            (other, None) => {
                let error = EncodeError::Structure(other.step());
                self.error = Some(error);
                Err(error)
            }
        }
    }
}

impl Encode for Encoder<'_> {
    fn finish(self) -> Result<(), EncodeError> {
        Encoder::finish(self)
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        self.links.truncate(self.keep);
    }
}
